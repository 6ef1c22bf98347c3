#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Makes an ext2 image with a minimal Debian: make-rootfs.sh OUT.ext2 [--size 1G] [packages...]
set -eu
. "$(dirname "$0")/prepare.sh"
exec "$XTASK" rootfs "$@"
