# SPDX-License-Identifier: MIT OR Apache-2.0
# stress-ng's file system stressors one after the other, each for a few operations with its own checks; or those that are named.
ops=$1
shift
all=$(stress-ng --class 'filesystem?' 2>&1 | sed -n 's/^.*: //p' | tail -n 1)
# Three need what a file system is not asked for: mount name spaces, Android's binder, and priorities of a block layer,
# which the app partition does not have.
[ $# -gt 0 ] || set -- $(echo "$all" | tr ' ' '\n' | grep -v -e '^bind' -e '^ioprio$')
except=none
for name in $all; do
	case " $* " in *" $name "*) ;; *) except="$except,$name" ;; esac
done
counts='--chdir-dirs 64 --dentries 64 --dirdeep-inodes 64 --copy-file-bytes 128m'
for name in fallocate hdd iomix sync-file; do counts="$counts --$name-bytes 1m"; done
for name; do counts="$counts --$name-ops $ops"; done
mkdir -p /root/stress
# A stressor ends after its operations or three seconds.
stress-ng --class filesystem -x "${except#none,}" --sequential 1 $counts --verify --timeout 3 --temp-path /root/stress \
	> /tmp/stress.out 2>&1
grep -q 'run completed' /tmp/stress.out || {
	echo "CASE FAILED the-whole-run"
	set --
}
for name; do
	if grep -q "fail: .*\] $name: " /tmp/stress.out; then
		echo "CASE FAILED $name"
	elif grep -qE "\] $name.* (skipped|skipping)" /tmp/stress.out; then
		echo "CASE skipped $name"
	else
		echo "CASE ok $name"
	fi
done
grep -vE 'dispatching|per stressor' /tmp/stress.out
rm -rf /root/stress
echo CASES DONE
