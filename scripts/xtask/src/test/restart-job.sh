# SPDX-License-Identifier: MIT OR Apache-2.0
# Uses files while their server dies and comes back. An operation that was under way may fail; nothing else may.
cd /root || exit 90
fail() { echo "FAILED: $*"; exit 91; }

# Notes the longest time from one served call to the next, in hundredths of a second of the machine's time.
served() {
    read -r up rest < /proc/uptime
    now=${up%.*}${up#*.}
    [ $((now - last)) -le $longest ] || longest=$((now - last))
    last=$now
}

seq 1 20000 > old
mkdir made names synced
: > lines
: > synced/a
sync
sync synced
sum=$(md5sum < old)
# Caches are dropped below: a directory that nobody has open is forgotten, and what it was owed.
exec 3< old 4>> lines 5< names 6< synced
errors=0
kept=0
number=0
last=1000000
longest=0
served
while [ $number -lt 40 ]; do
    number=$((number + 1))
    # Opened before: written through the descriptor, by the cache.
    if echo "line $number" >&4; then kept=$((kept + 1)); else errors=$((errors + 1)); fi
    # What the cache does not have comes from the server.
    echo 3 > /proc/sys/vm/drop_caches
    if read -r found < old; then served; else errors=$((errors + 1)); fi
    # Under way when the server died, perhaps.
    if echo "$number" > made/$number; then served; else errors=$((errors + 1)); fi
    if : > names/$number; then served; else errors=$((errors + 1)); fi
    [ $((number % 8)) -ne 0 ] || sync
    sleep 0.1
done
[ $errors -le 2 ] || fail "$errors errors"
[ "$(md5sum <&3)" = "$sum" ] || fail "what was open reads differently"
[ "$(md5sum < old)" = "$sum" ] || fail "what was synchronized reads differently"
# Names may be lost that were not synchronized: that is said once. Others are not in doubt.
sync names 2> /dev/null && fail "fsync does not say that names may be lost"
sync names || fail "fsync says twice that names may be lost"
sync synced || fail "fsync doubts names that were synchronized"
mkdir made/later && echo x > made/later/x && mv made/later/x made/x && rm made/x || fail "directories do not change"
sync
echo 3 > /proc/sys/vm/drop_caches
[ "$(wc -l < lines)" -eq $kept ] || fail "$(wc -l < lines) lines of $kept"
[ "$(cat made/40)" = 40 ] || fail "the last file is not there"
echo "survived with $errors errors"
echo "longest wait ${longest}0 ms"
