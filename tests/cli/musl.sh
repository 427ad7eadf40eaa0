#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# The daemons, built with musl and without shared libraries, go through what those with glibc do: tests/cli/daemons.

set -eu

cd "$(dirname "$0")/../.."
build=${BUILD:-build}
if [ ! -x "$build/musl/hvis-kvpd" ]; then
	echo "1..0 # SKIP there is no musl-gcc"
	exit 0
fi
KILLS=${KILLS:-20} BUILD=$build/musl exec tests/cli/daemons
