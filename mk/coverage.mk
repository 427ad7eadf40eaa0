# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# How much the tests see: lines that the fuzz corpora reach, and patches that the tests must notice.

# Folders of which the replayed corpora must reach 85 % of the lines
COVERAGE_FOLDERS := wire host/vmbus host/dev vmm/image

# And of guest/, what these tests must
COVERAGE_GUEST_TESTS := $(filter tests/unit/test_guest_%.c,$(TESTS_UNIT)) tests/loopback/test_guest_host.c \
	tests/loopback/test_guest_net_host.c tests/loopback/test_guest_stor_host.c

COVERAGE_BUILD := build/coverage
COVERAGE_MAKE = $(MAKE) $(JOBS) BUILD=$(COVERAGE_BUILD) CC=gcc CFLAGS='-Og -g --coverage'

.PHONY: coverage coverage-guest mutants
coverage:
	@$(COVERAGE_MAKE) $(FUZZ_NAMES:%=$(COVERAGE_BUILD)/replay/%)
	@find $(COVERAGE_BUILD) -name '*.gcda' -delete
	@set -e; for name in $(FUZZ_NAMES); do $(COVERAGE_BUILD)/replay/$$name > $(COVERAGE_BUILD)/replay/$$name.tap; done
	@scripts/coverage $(COVERAGE_BUILD) $(COVERAGE_FOLDERS)

coverage-guest:
	@$(COVERAGE_MAKE) $(COVERAGE_GUEST_TESTS:%.c=$(COVERAGE_BUILD)/%)
	@find $(COVERAGE_BUILD) -name '*.gcda' -delete
	@set -e; for test in $(COVERAGE_GUEST_TESTS:%.c=%); do HVIS_SCHEDULES=100 $(COVERAGE_BUILD)/$$test > $(COVERAGE_BUILD)/$$test.tap; done
	@scripts/coverage $(COVERAGE_BUILD) guest

mutants:
	@scripts/mutants
