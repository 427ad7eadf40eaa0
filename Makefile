# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# The one entry point: "make help" lists the targets. Nothing is listed here but the order in which the parts are read;
# source files stand in mk/sources.mk and nowhere else.

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules --no-print-directory

include mk/sources.mk
include mk/config.mk
include mk/rules.mk
include mk/nested.mk
include mk/baremetal.mk
include mk/guests.mk
include mk/test.mk
include mk/coverage.mk
include mk/install.mk

.PHONY: all clean help
all: $(BUILD)/libhvis-host.a $(if $(VMM_SRCS),$(HVHOST)) $(HVIS) $(DAEMONS)

clean:
	rm -rf build

help:
	@echo 'make                 build/hvhost, build/hvis and build/libhvis-host.a'
	@echo 'make baremetal       build/hvis-baremetal.elf: the guest driver core on a bare machine'
	@echo 'make nested          the inner Linux of the nested mode, for machines without usable KVM'
	@echo 'make demo            install what is missing, build, show the whole thing on a real guest'
	@echo 'make test            install what is missing, build, run the tests and the core list of VM boots'
	@echo 'make test-all        the same with every VM boot and a ThreadSanitizer build'
	@echo 'make test-quick      the tests of the plain build alone, no VMs'
	@echo 'make check           static checks alone'
	@echo 'make bench           measure, print a table, write build/bench.json'
	@echo 'make bench-time      measure how well guests keep the time (half an hour), docs/time.md'
	@echo 'make fuzz-NAME       run fuzz/NAME.c under libFuzzer for FUZZ_SECONDS (60)'
	@echo 'make coverage        lines of wire/, host/vmbus/ and host/dev/ that the replayed fuzz corpora reach'
	@echo 'make coverage-guest  lines of guest/ that its tests on the simulated system reach'
	@echo 'make mutants         remove checks one by one; the tests must notice each (minutes)'
	@echo 'make install         DESTDIR=, prefix=/usr/local'
	@echo 'make deb             Debian packages hvis, hvis-daemons and hvis-dkms, in build/deb/'
	@echo 'make clean           remove build/'
	@echo
	@echo 'V=1 shows commands, WERROR=1 makes warnings errors, CC=clang is supported,'
	@echo 'SAN=address,undefined or SAN=thread builds into build/san-*/, CROSS=aarch64-linux-gnu into build/cross-*/.'
