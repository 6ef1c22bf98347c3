#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Says what this machine has and lacks for each way of running the multiserver, and how to get what it lacks.
set -eu
cd "$(dirname "$0")/.."
exec cargo run --quiet --package xtask -- doctor "$@"
