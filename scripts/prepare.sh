# SPDX-License-Identifier: MIT OR Apache-2.0
# Read by the other scripts: installs what a bare machine lacks, builds xtask, and sets XTASK.
#
# A machine that has everything pays one look at the package database.

sawmill_root=$(cd "$(dirname "$0")/.." && pwd)

# What building xtask itself takes; xtask then installs the rest.
if ! command -v cargo >/dev/null 2>&1; then
	if [ -x "$HOME/.cargo/bin/cargo" ]; then
		PATH="$HOME/.cargo/bin:$PATH"
	else
		echo "sawmill: cargo is missing: install Rust with rustup (https://rustup.rs) and run this again" >&2
		exit 125
	fi
fi
if ! command -v cc >/dev/null 2>&1; then
	sawmill_sudo=
	[ "$(id -u)" = 0 ] || sawmill_sudo=sudo
	echo "sawmill: installing a C compiler" >&2
	$sawmill_sudo apt-get update -qq >&2
	DEBIAN_FRONTEND=noninteractive $sawmill_sudo apt-get install -y -qq gcc libc6-dev >&2
fi
sawmill_quiet=--quiet
[ -x "${CARGO_TARGET_DIR:-$sawmill_root/target}/debug/xtask" ] || {
	echo "sawmill: building xtask" >&2
	sawmill_quiet=
}
if ! (cd "$sawmill_root" && cargo build $sawmill_quiet --package xtask >&2); then
	echo "sawmill: xtask does not build" >&2
	exit 125
fi
XTASK="${CARGO_TARGET_DIR:-$sawmill_root/target}/debug/xtask"
"$XTASK" setup --if-needed || exit 125
