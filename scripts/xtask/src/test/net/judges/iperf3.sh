# SPDX-License-Identifier: MIT OR Apache-2.0
# PORT BYTES [CASE...]: iperf3 against the server of the host.
port=$1 bytes=$2
shift 2
names=$*

cat > verdict.py << 'PYTHON'
import json, sys

result = json.load(open("/root/result"))
if "error" in result:
    sys.exit(result["error"])
end, asked, lost_max = result["end"], int(sys.argv[1]), 20
is_udp = "lost_percent" in end.get("sum", {})
total = end["sum"] if is_udp else end["sum_received"]
got, rate, lost = total["bytes"], total["bits_per_second"], total.get("lost_percent", 0)
print(f"{got} bytes, {lost:.1f} % lost, {rate / 1e6:.2f} Mbit/s")
# The other end may count before the last bytes have come.
sys.exit(not (got >= asked * 0.9 and lost <= lost_max))
PYTHON

run() { # BYTES OPTIONS
	count=$1
	shift
	iperf3 -J -c 10.0.2.2 -p "$port" -n "$count" "$@" > result || { grep error result; return 1; }
	python3 verdict.py "$count"
}
check tcp run "$bytes"
check tcp-reverse run "$bytes" -R
check tcp-4 run "$bytes" -P 4
check tcp-4-reverse run "$bytes" -P 4 -R
check tcp-nagle-off-small run $((bytes / 20)) -N -l 1000
check tcp-zerocopy run "$bytes" -Z
check tcp-window run $((bytes / 4)) -w 20K
check tcp-both run $((bytes / 4)) --bidir
check udp run $((bytes / 40)) -u -b 1M
check udp-reverse run $((bytes / 40)) -u -b 1M -R
check udp-4 run $((bytes / 40)) -u -b 300K -P 4
cat /tmp/all
end
