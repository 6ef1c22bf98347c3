# SPDX-License-Identifier: MIT OR Apache-2.0
# Writes, renames, and reads back from the disk, until the other client is done (it makes /hdone).
mkdir /root/app && cd /root/app || exit 1
seq 1 20000 > a
sum=$(md5sum < a)
rounds=0
end=$(($(date +%s) + 400))
while [ $(date +%s) -lt $end ]; do
    rounds=$((rounds + 1))
    cp a c && mv c d && mkdir e && seq 1 100 > e/f && ln e/f e/g || { echo "round $rounds: writing failed"; exit 1; }
    sync
    # Everything comes from the server again.
    echo 3 > /proc/sys/vm/drop_caches
    [ "$(md5sum < d)" = "$sum" ] || { echo "round $rounds: d is not what was written"; exit 1; }
    [ "$(wc -l < e/g)" = 100 ] && rm -r e || { echo "round $rounds: e is not what was written"; exit 1; }
    if [ -e /hdone ]; then
        # The server lets go of what the other client held; ext2 has no list of files that are open without a name.
        sleep 3
        echo "$rounds rounds, the files are whole"
        exit 0
    fi
    sleep 0.05
done
echo "the other client is not done after $rounds rounds"
exit 1
