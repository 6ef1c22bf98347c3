# SPDX-License-Identifier: MIT OR Apache-2.0
# PORT SIZE SUM [CASE...]: curl and wget bring SIZE bytes from the host and back; they have the checksum SUM.
port=$1 size=$2 sum=$3
shift 3
names=$*
url=http://10.0.2.2:$port

is_whole() {
	[ "$(wc -c < got)" = "$size" ] && [ "$(sha256sum < got | cut -d ' ' -f 1)" = "$sum" ]
}
is_there() {
	[ "$(cat answer)" = "$sum" ]
}
curl_in() { curl -sS -o got "$url/$size" && is_whole; }
curl_out() { curl -sS -o answer -T got "$url/" && is_there; }
curl_ipv6_literal() { curl -sS -g -o /dev/null "http://[::1]:9/"; [ $? = 7 ]; }
curl_ranges() { # four transfers at a time
	curl -sS -Z -o part1 "$url/50000" -o part2 "$url/50001" -o part3 "$url/50002" -o part4 "$url/50003" &&
		[ "$(cat part? | wc -c)" = 200006 ] && cmp -n 50000 part1 part4
}
wget_in() { wget -q -O got "$url/$size" && is_whole; }
wget_out() { wget -q -O answer --method=PUT --body-file=got "$url/" && is_there; }
check wget-in wget_in
rm -f got
check curl-in curl_in
[ -f got ] || wget -q -O got "$url/$size"
check curl-out curl_out
check wget-out wget_out
check curl-four-at-a-time curl_ranges
check curl-refused-ipv6 curl_ipv6_literal
end
