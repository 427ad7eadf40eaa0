# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# Tests, checks, fuzzing, benchmarks, demo.

JOBS = $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc))
SAN_MEDIUM := address,undefined
CROSS_MEDIUM := aarch64-linux-gnu

# The portable tests: run in every variant. replay is a folder of programs, one for each fuzz target.
PORTABLE_TESTS := $(TESTS_UNIT) $(TESTS_GOLDEN) $(TESTS_LOOPBACK)
ifdef CROSS
PORTABLE_TESTS := $(filter-out $(TESTS_NATIVE),$(PORTABLE_TESTS)) $(if $(filter aarch64-%,$(CROSS)),$(TESTS_ARM64))
endif
PORTABLE_PROGRAMS = $(call programs,$(filter %.c,$(PORTABLE_TESTS))) $(FUZZ_NAMES:%=$(BUILD)/replay/%)

.PHONY: deps-test deps-demo deps-bench programs list-programs test test-all test-quick check bench bench-time demo

deps-test deps-demo deps-bench: deps-%:
	@scripts/deps $*

# Everything the tests of one variant need
programs: $(PORTABLE_PROGRAMS) $(if $(SAN),,$(BARE_GUEST_OBJS)) $(if $(CROSS),,all) $(if $(SAN)$(CROSS),,guests baremetal $(MUSL_DAEMONS)) $(if $(SAN)$(CROSS),,$(call programs,$(TESTS_CLI) $(TESTS_CHECKS)))

# One line for each test of this variant, for scripts/run-tests
list-programs:
	@printf '%s\n' $(PORTABLE_PROGRAMS) $(if $(SAN)$(CROSS),,$(filter-out %.c,$(PORTABLE_TESTS)) \
		$(call programs,$(TESTS_CHECKS)) $(call programs,$(TESTS_CLI)))

# The sanitizer builds are clang's, so that every file goes through both compilers.
define build-medium
@$(MAKE) $(JOBS) programs nested
@$(MAKE) $(JOBS) CC=clang SAN=$(SAN_MEDIUM) programs
@$(MAKE) $(JOBS) CROSS=$(CROSS_MEDIUM) programs
endef

test: deps-test
	$(build-medium)
	@MAKE='$(MAKE)' scripts/run-tests --san $(SAN_MEDIUM) --cross $(CROSS_MEDIUM) --vm tests/vm/core.list

test-all: deps-test
	$(build-medium)
	@$(MAKE) $(JOBS) CC=clang SAN=thread programs
	@MAKE='$(MAKE)' scripts/run-tests --san $(SAN_MEDIUM) --san thread --cross $(CROSS_MEDIUM) --vm tests/vm/core.list \
		--vm tests/vm/all.list --resume build/test-all.csv

test-quick: programs
	@MAKE='$(MAKE)' scripts/run-tests

# The same checks as in "make test", without TAP around them
check: all baremetal $(call objs,$(GUEST_SRCS) $(PORT_SIM_SRCS) $(PORT_USER_SRCS))
	@failed=; \
	scripts/check-layers --build build || failed=1; \
	scripts/check-headers || failed=1; \
	scripts/check-format || test $$? -eq 77 || failed=1; \
	scripts/check-words || failed=1; \
	scripts/check-shell || failed=1; \
	scripts/check-man $(if $(VMM_SRCS),--hvhost $(HVHOST)) || failed=1; \
	test -z "$$failed"

bench: deps-bench $(BUILD)/libhvis-host.a $(if $(VMM_SRCS),$(HVHOST)) $(call programs,$(BENCH) $(BENCH_HELPERS)) baremetal nested guests
	scripts/run-bench --output build/bench.json $(call programs,$(BENCH))

# Half an hour, and nothing else should run meanwhile
bench-time: deps-bench $(HVHOST) nested
	scripts/run-bench --output build/bench-time.json bench/time

demo: deps-demo
	@$(MAKE) $(JOBS) all nested guests
	@scripts/demo

# libFuzzer: new inputs go to build/fuzz-corpus/NAME; copy what is worth keeping to fuzz/corpora/NAME.
FUZZ_SECONDS ?= 60
FUZZ_SAN := fuzzer,address,undefined
FUZZ_BUILD := build/san-$(subst $(comma),-,$(FUZZ_SAN))
.PHONY: $(FUZZ_NAMES:%=fuzz-%)
$(FUZZ_NAMES:%=fuzz-%): fuzz-%:
	@$(MAKE) $(JOBS) CC=clang SAN=$(FUZZ_SAN) $(FUZZ_BUILD)/fuzz/$*
	@mkdir -p build/fuzz-corpus/$* build/fuzz-findings
	$(FUZZ_BUILD)/fuzz/$* -max_total_time=$(FUZZ_SECONDS) -artifact_prefix=build/fuzz-findings/$*- \
		build/fuzz-corpus/$* fuzz/corpora/$*
