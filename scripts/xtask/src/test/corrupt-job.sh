# SPDX-License-Identifier: MIT OR Apache-2.0
# Reads and changes everything in /data, whose image is corrupted somewhere: commands may fail, and none may hang.
try() {
    timeout -s KILL 30 "$@" 2>&1
    [ $? = 137 ] && echo "HUNG: $*"
}
cd /data || exit 0
try find . -ls
for file in d*/f*; do
    try md5sum $file
done
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
try cat large | md5sum
try dd if=/dev/zero of=large bs=1024 count=400
try sync
echo 3 > /proc/sys/vm/drop_caches
try find . -ls
[ "$(seq 1 1000 | md5sum)" = "53d025127ae99ab79e8502aae2d9bea6  -" ] && echo "job done"
