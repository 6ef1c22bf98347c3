# SPDX-License-Identifier: MIT OR Apache-2.0
# A real tree of sources through tar, cp, diff and git.
cd /root || exit 1
say() { # NAME COMMAND...
	name=$1; shift
	if "$@" > /tmp/out 2>&1; then echo "CASE ok $name"; else echo "CASE FAILED $name"; tail -n 20 /tmp/out; fi
}
cold() { sync; echo 3 > /proc/sys/vm/drop_caches; }
say unpack tar -xf tree.tar
cold
say compare-with-archive tar --compare -f tree.tar
say pack tar -cf again.tar tree
mkdir copy
say unpack-again tar -xf again.tar -C copy
say copy cp -a tree copied
cold
say diff-unpacked diff -r --no-dereference tree copy/tree
say diff-copied diff -r --no-dereference tree copied
say remove rm -r copied copy again.tar

export HOME=/root GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
cd tree || exit 1
say git-init git init -q
say git-add git add -A
say git-commit git commit -q -m all
cd ..
say git-clone git clone -q tree clone
cold
say git-fsck git -C clone fsck --full
say git-status test -z "$(git -C clone status --porcelain)"
say git-gc git -C clone gc -q
say git-fsck-packed git -C clone fsck --full
say diff-clone diff -r --no-dereference -x .git tree clone
rm -r tree/.git
echo CASES DONE
