#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Everything that is tested, in one command; ends with "N passed, N failed".
#
#   ci/test.sh [NAME...]   only tests whose names contain NAME; --list shows the names
#   ci/test.sh --all       also the long ones, which otherwise only run by name
set -eu
trap 'echo "0 passed, 1 failed"' EXIT
. "$(dirname "$0")/../scripts/prepare.sh"
trap - EXIT
cd "$sawmill_root"
exec "$XTASK" test "$@"
