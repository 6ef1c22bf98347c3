# SPDX-License-Identifier: MIT OR Apache-2.0
# The sections of fio.ini that are named, or all: verified as they go, and once more when nothing is cached.
mkdir -p /root/fio && cd /root/fio || exit 1
[ $# -gt 0 ] || set -- $(sed -n 's/^\[\(.*\)\]$/\1/p' /root/fio.ini | grep -v global)
run() { # OPTION... ; the sections are in $sections
	fio $sections --output-format=terse "$@" /root/fio.ini > /tmp/fio.out 2>&1
}
each() { # SUFFIX OPTION... ; says of each section how it ended
	suffix=$1
	shift
	sections=$all
	if run "$@"; then
		for name in $names; do echo "CASE ok $name$suffix"; done
		return
	fi
	# One that fails ends the others: each by itself.
	for name in $names; do
		sections=--section=$name
		if run "$@"; then echo "CASE ok $name$suffix"; else echo "CASE FAILED $name$suffix"; head -n 3 /tmp/fio.out; fi
	done
}
names=
all=
for name; do
	name=${name%/cold}
	names="$names $name"
	all="$all --section=$name"
done
each ''
sync
echo 3 > /proc/sys/vm/drop_caches
each /cold --verify_only
rm -rf /root/fio
echo CASES DONE
