# SPDX-License-Identifier: MIT OR Apache-2.0
# [CASE...]: ss shows the sockets that there are; curl fetches a file by TLS, whose keys and signatures are large numbers.
names=$*
certificates=/usr/lib/python3.11/test
port=7443
head -c 300000 /dev/urandom > random
python3 -c "
import http.server, ssl
server = http.server.ThreadingHTTPServer(('127.0.0.1', $port), http.server.SimpleHTTPRequestHandler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain('$certificates/keycert3.pem')
context.load_dh_params('$certificates/ffdh3072.pem')
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()" 2> log &
server=$!
python3 -c "
import socket, time
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(('127.0.0.1', 7444))
listener = socket.create_server(('::1', 7445), family=socket.AF_INET6)
client = socket.create_connection(('::1', 7445))
client.send(b'unread')
open('/tmp/there', 'w').close()
time.sleep(1000)" &
owner=$!

shows() { ss -H -n "$1" "$2" | grep -E "$3"; }
counts() { [ "$(ss -H -n -t state established "( sport = :7445 or dport = :7445 )" | tee /dev/stderr | wc -l)" = 2 ]; }
fetch() {
	curl -sS --max-time 100 --cacert "$certificates/pycacert.pem" --resolve localhost:$port:127.0.0.1 -o got "$@" \
		https://localhost:$port/random && cmp got random
}
until_so test -e /tmp/there
check ss-tcp-listener until_so shows -l -t "^LISTEN +[0-9]+ +[0-9]+ +127\.0\.0\.1:$port +0\.0\.0\.0:\*"
check ss-tcp-queue shows -l -t '^LISTEN +1 +[0-9]+ +\[::1\]:7445 '
check ss-tcp-connection counts
check ss-tcp-unread shows -a -t '^ESTAB +6 +0 +\[::1\]:7445 '
check ss-udp shows -a -u '^UNCONN +0 +0 +127\.0\.0\.1:7444 '
check tls-1-3 fetch --tlsv1.3
check tls-1-2-ecdhe-rsa fetch --tls-max 1.2 --ciphers ECDHE-RSA-AES128-GCM-SHA256
check tls-1-2-dhe-rsa fetch --tls-max 1.2 --ciphers DHE-RSA-AES256-GCM-SHA384
check tls-1-2-rsa fetch --tls-max 1.2 --ciphers AES256-GCM-SHA384
kill $server $owner
tail -n 20 log
end
