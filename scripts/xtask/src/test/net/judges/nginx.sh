# SPDX-License-Identifier: MIT OR Apache-2.0
# [CASE...]: nginx serves the files of /srv to the host, until that asks for /done.
names=$*
cat > nginx.conf << 'CONF'
worker_processes 1;
daemon off;
error_log /root/error.log;
pid /run/nginx.pid;
events { worker_connections 256; }
http {
	access_log /root/access.log;
	sendfile on;
	tcp_nopush on;
	keepalive_timeout 3600;
	server { listen 80 backlog=128; listen [::]:80; root /srv; }
}
CONF
nginx -c /root/nginx.conf &
server=$!
check up until_so curl -sS -f -o /dev/null http://127.0.0.1/1
check ipv6 curl -sS -f -g -o /dev/null 'http://[::1]/4096'
until grep -q 'GET /done' access.log; do sleep 0.2; kill -0 $server || break; done
check reloads nginx -c /root/nginx.conf -s reload
check serves-again until_so curl -sS -f -o /dev/null http://127.0.0.1/1
nginx -c /root/nginx.conf -s quit
wait $server
check ends test $? = 0
cat error.log
echo "$(grep -c 'HTTP/1.1" 200' access.log) answers"
end
