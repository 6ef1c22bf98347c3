# SPDX-License-Identifier: MIT OR Apache-2.0
# Runs in two partitions. The kernel of one makes random calls to the network's server (linux-glue/socket/tests); its
# programs say when it is through. The programs of the other use the same server meanwhile, and afterwards.
if grep -q socket_hostile /proc/cmdline; then
    until dmesg | grep 'hostile client has made' > /tmp/made; do sleep 1; done
    while :; do nc -l -p 7777 < /tmp/made; done
fi
ok() { /bin/check stream-echo datagram-sizes epoll-edge slow-reader || exit 91; }
ok
until nc 127.0.0.1 7777 2> /dev/null | grep 'hostile client has made'; do
    [ $((n += 1)) -le 600 ] || exit 92
    sleep 1
done
ok
