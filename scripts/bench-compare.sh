#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# The multiserver against stock Linux, operation by operation: see `--help`.
#
#   scripts/bench-compare.sh [--machine qemu|bochs] [--only NAME,...] [--runs N] [--out DIR] [--check]
set -eu
cd "$(dirname "$0")/.."
exec cargo run --quiet --package xtask -- bench "$@"
