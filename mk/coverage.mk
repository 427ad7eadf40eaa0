# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# How much the tests see: lines that the fuzz corpora reach, and patches that the tests must notice.

# Folders of which the replayed corpora must reach 85 % of the lines
COVERAGE_FOLDERS := wire host/vmbus

COVERAGE_BUILD := build/coverage
COVERAGE_MAKE = $(MAKE) $(JOBS) BUILD=$(COVERAGE_BUILD) CC=gcc CFLAGS='-Og -g --coverage'

.PHONY: coverage mutants
coverage:
	@$(COVERAGE_MAKE) $(FUZZ_NAMES:%=$(COVERAGE_BUILD)/replay/%)
	@find $(COVERAGE_BUILD) -name '*.gcda' -delete
	@set -e; for name in $(FUZZ_NAMES); do $(COVERAGE_BUILD)/replay/$$name > $(COVERAGE_BUILD)/replay/$$name.tap; done
	@scripts/coverage $(COVERAGE_BUILD) $(COVERAGE_FOLDERS)

mutants:
	@scripts/mutants
