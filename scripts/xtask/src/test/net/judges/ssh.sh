# SPDX-License-Identifier: MIT OR Apache-2.0
# PORT USER [CASE...]: ssh to the host's sshd, and an sshd for the host, until that makes /tmp/done.
port=$1 user=$2
shift 2
names=$*
umask 077
mkdir -p .ssh /run/sshd
cp /srv/key .ssh/id_ed25519
cp /srv/key.pub .ssh/authorized_keys
cp /srv/key host_key
head -c 300000 /dev/urandom > random
# The default key exchange takes a thousand million instructions.
options='-o StrictHostKeyChecking=no -o LogLevel=ERROR -o KexAlgorithms=curve25519-sha256'
to_host() { ssh -p "$port" $options "$user@10.0.2.2" "$@"; }

says() { [ "$(to_host echo hello)" = hello ]; }
status() { to_host exit 7; [ $? = 7 ]; }
bytes() { to_host cat < random | cmp - random; }
copies() {
	scp -q -O -P "$port" $options random "$user@10.0.2.2:/tmp/sawmill-scp-$port" &&
		to_host "cat /tmp/sawmill-scp-$port; rm /tmp/sawmill-scp-$port" | cmp - random
}
/usr/sbin/sshd -D -e -h /root/host_key -o PidFile=/run/sshd.pid -o UsePAM=no -o StrictModes=no \
	-o LoginGraceTime=0 2> log &
server=$!
check to-host-command says
check to-host-status status
check to-host-bytes bytes
check to-host-scp copies
until [ -e /tmp/done ]; do sleep 0.2; kill -0 $server || break; done
kill $server
wait $server
tail -n 20 log
end
