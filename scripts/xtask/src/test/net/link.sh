# SPDX-License-Identifier: MIT OR Apache-2.0
# Takes the link away and brings it back, with the right to do so; $1 is the host's HTTP port.
fail() { echo "FAILED: $*"; exit 91; }
host=10.0.2.2

ping -c 1 $host > /dev/null || fail "no network"
ip addr add 10.9.9.9/24 dev eth0 || fail "no address is added"
ip link set eth0 down || fail "the link does not go down"
ping -c 1 -W 2 $host > /dev/null 2>&1 && fail "the network is still there"
ping -c 1 127.0.0.1 > /dev/null || fail "the loopback device went along"
ip link set eth0 up || fail "the link does not come up"
until ip route | grep -q "default via $host"; do
    [ $((n += 1)) -le 60 ] || fail "no route: $(ip route)"
    sleep 1
done
ping -c 2 $host > /dev/null || fail "the network does not come back"
ip addr show eth0 | grep -q 'inet 10\.9\.9\.9/24' || fail "$(ip addr show eth0)"
wget -q -O - http://$host:$1/5000000 | sha256sum
