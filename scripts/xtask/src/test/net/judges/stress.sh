# SPDX-License-Identifier: MIT OR Apache-2.0
# OPERATIONS [CASE...]: stress-ng's network stressors, each for some operations or a few seconds, with its own checks.
ops=$1
shift
[ $# -gt 0 ] || set -- $(stress-ng --class 'network?' 2>&1 | sed -n 's/^.*: //p' | tail -n 1)
names=
for name; do
	timeout -k 5 100 stress-ng --"$name" 2 --"$name"-ops "$ops" --verify --timeout 10 > /tmp/out 2>&1
	status=$?
	# 3: no resources, 4: not implemented.
	if grep -qE 'fail:|info: .*unsuccessful' /tmp/out || ! { [ $status = 0 ] || [ $status = 3 ] || [ $status = 4 ]; }; then
		echo "CASE FAILED $name: status $status, $(grep -vE 'dispatching|dedicated|setting to' /tmp/out | tail -n 3 | tr '\n' ' ')"
	elif [ $status != 0 ] || grep -qE "skipp(ed|ing)" /tmp/out; then
		echo "CASE skipped $name"
	else
		echo "CASE ok $name"
	fi
done
end
