# SPDX-License-Identifier: MIT OR Apache-2.0
# What busybox's programs do with a network; $1 is the host's HTTP port, $2 the system: multiserver or stock.
cd /root || exit 90
fail() { echo "FAILED: $*"; exit 91; }
host=10.0.2.2

# The first program that asks finds the address that DHCP gave.
ip addr show eth0 | grep -q 'inet 10\.0\.2\.15/24' || fail "$(ip addr show eth0)"
ip link show eth0 | grep -q 'UP' || fail "$(ip link show eth0)"
ip route | grep -q "default via $host dev eth0" || fail "$(ip route)"
ip -6 addr show lo | grep -q '::1/128' || fail "$(ip -6 addr show lo)"
ping -c 2 $host > out || fail "$(cat out)"
ping -c 1 localhost > out || fail "$(cat out)"
ip neigh | grep -q "$host dev eth0" || fail "$(ip neigh)"
ifconfig eth0 | grep -q 10.0.2.255 || fail "$(ifconfig eth0)"
grep -q 'nameserver 10.0.2.3' /etc/resolv.conf || fail "$(cat /etc/resolv.conf)"
grep -q eth0 /proc/net/dev || fail "$(cat /proc/net/dev)"
netstat -rn | grep -q '^0\.0\.0\.0  *10\.0\.2\.2' || fail "$(netstat -rn)"

# Nobody in the multiserver may change that.
if [ "$2" = multiserver ]; then
    ip addr add 10.9.9.9/24 dev eth0 2> out && fail "an address was added"
    grep -q 'not permitted' out || fail "$(cat out)"
    ip route del default 2> out && fail "a route was deleted"
    ip link set eth0 down 2> out && fail "a link was set down"
fi

wget -q -O got http://$host:$1/5000000 || fail "wget ends with $?"
echo "fetched $(sha256sum < got | cut -d ' ' -f 1)"
# wget sends text only.
base64 got > text
wget -q -O sum --post-file text http://$host:$1/ || fail "wget --post-file ends with $?"
[ "$(cat sum)" = "$(sha256sum < text | cut -d ' ' -f 1)" ] || fail "what the host got is something else"
echo "stored $(wc -c < text) bytes"

# A server that the host finds at its own port.
echo "the guest answers" > answer
echo "forwarded $(nc -l -p 7000 < answer | sha256sum | cut -d ' ' -f 1)"
