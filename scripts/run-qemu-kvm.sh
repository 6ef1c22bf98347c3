#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Boots the multiserver on QEMU/KVM, or on Bochs where there is no nested VT-x: see `--help`.
#
#   scripts/run-qemu-kvm.sh                                   a shell
#   scripts/run-qemu-kvm.sh --disk my.ext2 -- /bin/prog args  a program from an ext2 image
set -eu
. "$(dirname "$0")/prepare.sh"
exec "$XTASK" run "$@"
