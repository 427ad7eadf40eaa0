# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# Every source list of the project, and nothing else. One "NAME += file" per line, sorted by folder: GNU make, Kbuild and
# BSD make can all read that. Paths are from the top of the tree.

# wire/: readers and writers of the formats in proto/ (no OS)
WIRE_SRCS += wire/hvw_guid.c
WIRE_SRCS += wire/hvw_ic.c
WIRE_SRCS += wire/hvw_msg.c
WIRE_SRCS += wire/hvw_pkt.c
WIRE_SRCS += wire/hvw_ring.c

# host/: with wire/ it makes libhvis-host.a
HOST_SRCS += host/dev/heartbeat.c
HOST_SRCS += host/dev/ic.c
HOST_SRCS += host/dev/shutdown.c
HOST_SRCS += host/mem/mem.c
HOST_SRCS += host/state/state.c
HOST_SRCS += host/vmbus/channel.c
HOST_SRCS += host/vmbus/gpadl.c
HOST_SRCS += host/vmbus/server.c
HOST_SRCS += host/vmbus/synic.c

# vmm/: the monitor hvhost

# Files the nested mode needs at run time (installed under $(libdir)/hvhost/nested)

# Tests. A .c file is built and linked with libhvis-host.a; anything else must be executable and speak TAP.
# tests/unit, tests/golden and tests/loopback are also run in the sanitizer builds and, under qemu-user, for aarch64.

# Tests among these that cannot run on another processor than x86-64 (say why beside the line)

# Command line tests: run hvhost, path in $HVHOST

# The checks on this tree, and tests of the checks and of the test machinery themselves
TESTS_CHECKS += tests/checks/can_fail
TESTS_CHECKS += tests/checks/machinery
TESTS_CHECKS += tests/checks/tree

# fuzz/NAME.c holds LLVMFuzzerTestOneInput and its corpus is fuzz/corpora/NAME/

# Benchmarks: print one JSON object per result line (see scripts/run-bench)

# What a single file needs beyond that: CFLAGS_<file.c>; for the program of a test or bench SRCS_<file.c>, LIBS_<file.c>
