# SPDX-License-Identifier: MIT OR Apache-2.0
# Lets programs use a file system whose server answers nonsense. They may fail as they like; a program that does not
# end is killed. Meanwhile files elsewhere have to stay whole.
mkdir -p /root/t && mount -t tmpfs none /root/t || exit 1
cd /root/t && mkdir m || exit 1
seq 1 20000 > a
sum=$(md5sum < a)
mounts=0
hung=0
try() {
    timeout -s KILL 5 "$@" > /dev/null 2>&1
    [ $? = 137 ] && { hung=$((hung + 1)); echo "killed: $*"; }
}
for round in $(seq 1 40); do
    timeout -s KILL 5 mount -t sawmill bad-fs m 2> /dev/null && mounts=$((mounts + 1))
    try ls -la m
    try find m -maxdepth 3
    for name in a b dcbae; do
        try cat m/$name
        try stat m/$name
        try dd if=/dev/zero of=m/$name bs=5000 count=3
        try ln -s x m/$name
        try readlink m/$name
    done
    try mkdir m/new
    try mv m/a m/b
    try rm -rf m/a
    try df m
    try sync -f m
    umount m 2> /dev/null || umount -l m 2> /dev/null
    cp a b && [ "$(md5sum < b)" = "$sum" ] || { echo "round $round: tmpfs is broken"; exit 1; }
    seq $round 2000 > /root/f && [ "$(tail -n 1 /root/f)" = 2000 ] || { echo "round $round: / is broken"; exit 1; }
done
echo "$mounts mounts, $hung programs killed; the rest goes on"
[ $mounts -gt 5 ]
