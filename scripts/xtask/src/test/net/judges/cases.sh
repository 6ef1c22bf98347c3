# SPDX-License-Identifier: MIT OR Apache-2.0
# What the judges' scripts share: "case NAME COMMAND" runs it, unless other cases were asked for, and says how it ended.
set -u
cd /root
asked_for() {
	[ -z "$names" ] || case " $names " in *" $1 "*) ;; *) return 1 ;; esac
}
check() {
	name=$1
	shift
	asked_for "$name" || return 0
	if "$@" > /tmp/said 2>&1; then
		echo "CASE ok $name"
	else
		echo "CASE FAILED $name: status $?, $(tail -n 4 /tmp/said | tr '\n' ' ')"
	fi
	cat /tmp/said >> /tmp/all
}
# until_so COMMAND: waits at most a minute until it succeeds.
until_so() {
	for try in $(seq 600); do
		"$@" > /tmp/tried 2>&1 && return 0
		sleep 0.1
	done
	cat /tmp/tried
	return 1
}
end() {
	echo "CASES DONE"
	exit 0
}
