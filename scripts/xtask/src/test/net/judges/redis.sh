# SPDX-License-Identifier: MIT OR Apache-2.0
# REQUESTS [CASE...]: redis-server, asked from here and then from the host, which ends it.
requests=$1
shift
names=$*
redis-server --port 6379 --bind '* -::*' --protected-mode no --save '' --appendonly no > log 2>&1 &
server=$!

bench() { redis-benchmark -q "$@" | tr '\r' '\n' > out && ! grep -i error out; }
echo_big() {
	head -c 1000000 /dev/urandom | base64 -w 0 > big
	redis-cli -x set big < big && redis-cli --raw get big | head -c "$(wc -c < big)" | cmp - big
}
subscribers() {
	for n in 1 2 3; do
		timeout 20 redis-cli subscribe news > "news$n" &
	done
	until_so sh -c '[ "$(redis-cli pubsub numsub news | tail -n 1)" = 3 ]' || return
	[ "$(redis-cli publish news hello)" = 3 ] || return
	until_so sh -c '[ "$(cat news? | grep -c hello)" = 3 ]'
}
many() { bench -c 200 -n "$requests" -t get; }
check up until_so redis-cli ping
check ipv6 redis-cli -h ::1 ping
check benchmark bench -n "$requests" -c 20 -t ping,set,get,incr,lpush,rpop,hset,spop,mset
check benchmark-pipelined bench -n "$requests" -c 10 -P 16 -t set,get
check benchmark-200-clients many
check big-value echo_big
check subscribers subscribers
echo "the host may ask" && redis-cli set open 1 > /dev/null
wait $server
check ends test $? = 0
tail -n 3 log
end
