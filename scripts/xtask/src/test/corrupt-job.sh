# SPDX-License-Identifier: MIT OR Apache-2.0
# Reads and changes everything in /data, whose image is corrupted somewhere: commands may fail, and none may hang.
# Says of each whether it failed, or what it said.
try() {
    answer=$(timeout -s KILL 30 "$@" 2>/dev/null; echo " $?")
    status=${answer##* }
    [ $status = 137 ] && echo "HUNG: $*"
    [ $status = 0 ] && echo "op $*:" ${answer% *} || echo "op $*: error"
}
done_if_sane() {
    [ "$(seq 1 1000 | md5sum)" = "53d025127ae99ab79e8502aae2d9bea6  -" ] && echo "job done"
}
look() {
    echo "op names:" * */*
    for name in * */*; do
        try stat -c '%f %s %u %g %h' "$name"
        [ -d "$name" ] || try md5sum "$name"
    done
}
cd /data || { echo "op cd: error"; done_if_sane; exit; }
look
for directory in d*; do
    try cp d0/f0 $directory/new
    try mkdir $directory/sub
    try mv $directory/f1 $directory/moved
    try ln $directory/f2 $directory/link
    try rm $directory/f3
    try truncate -s 1000 $directory/f4
    try dd if=/dev/zero of=$directory/f5 bs=4096 count=20 conv=notrunc
    try rmdir $directory/sub
done
try dd if=/dev/zero of=large bs=1024 count=400
try sync
echo 3 > /proc/sys/vm/drop_caches
look
done_if_sane
