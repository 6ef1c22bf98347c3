# SPDX-License-Identifier: MIT OR Apache-2.0
# COUNT transactions in each journal mode, integrity checks, and two writers at once.
count=$1
cd /root || exit 1
transactions() { # FIRST LAST
	seq "$1" "$2" | awk '{
		printf "begin immediate; insert into t values(%d, %d, hex(randomblob(40)));", $1, $1 * 7 % 1000
		printf "update t set b = b + 1 where a = %d; commit;\n", $1 % 97
	}'
}
ok() { echo "CASE ok $1"; }
failed() { echo "CASE FAILED $1: $2"; }
check() { # NAME FILE ROWS
	sync
	echo 3 > /proc/sys/vm/drop_caches
	answer=$(sqlite3 "$2" 'pragma integrity_check; select count(*), sum(a) from t' 2>&1 | tr '\n' ' ')
	if [ "$answer" = "ok $3|$(($3 * ($3 + 1) / 2)) " ]; then ok "$1"; else failed "$1" "$answer"; fi
}
create='create table t(a integer primary key, b integer, c text); create index t_b on t(b);'
for mode in delete truncate persist wal; do
	sqlite3 "$mode.db" "pragma journal_mode=$mode; $create" > /tmp/mode
	# WAL's memory is shared: what the system below cannot do, sqlite says.
	[ "$(cat /tmp/mode)" = "$mode" ] || failed "mode-$mode" "$(cat /tmp/mode)"
	(echo "pragma journal_mode=$mode;"; transactions 1 "$count") | sqlite3 "$mode.db" > /tmp/out 2>&1 ||
		failed "run-$mode" "$(tail -n 3 /tmp/out)"
	check "transactions-$mode" "$mode.db" "$count"
	[ "$count" -ge 10000 ] && [ $mode = delete ] && count=$((count / 10))
done
half=$((count / 4))
for mode in delete wal; do
	sqlite3 "two-$mode.db" "pragma journal_mode=$mode; $create" > /dev/null
	for first in 1 $((half + 1)); do
		(echo ".timeout 60000"; transactions "$first" $((first + half - 1))) | sqlite3 "two-$mode.db" > "/tmp/two$first" 2>&1 &
	done
	wait
	check "two-writers-$mode" "two-$mode.db" $((half * 2))
done
echo CASES DONE
