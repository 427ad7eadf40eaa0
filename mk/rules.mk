# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# How a file is made. One pattern rule per folder that has flags of its own; the longest matching path wins.

Q := $(if $(V),,@)
say = $(if $(V),,@echo '  $(1)  $(2)')

OBJ := $(BUILD)/obj
objs = $(patsubst %.c,$(OBJ)/%.o,$(filter %.c,$(1)))
# Programs of a list of tests: built ones for .c, the file itself for scripts
programs = $(patsubst %.c,$(BUILD)/%,$(1))

LIB_SRCS := $(WIRE_SRCS) $(HOST_SRCS)
TEST_C_SRCS := $(filter %.c,$(TESTS_UNIT) $(TESTS_GOLDEN) $(TESTS_ARM64) $(TESTS_LOOPBACK) $(TESTS_CLI) $(TESTS_CHECKS))
BENCH_C_SRCS := $(filter %.c,$(BENCH) $(BENCH_HELPERS))
EXTRA_SRCS := $(foreach src,$(TEST_C_SRCS) $(BENCH_C_SRCS) $(FUZZ_TARGETS),$(SRCS_$(src)))
FUZZ_NAMES := $(patsubst fuzz/%.c,%,$(FUZZ_TARGETS))

$(foreach src,$(USES_SIM),$(eval CFLAGS_$(src) += $$(INC_sim)))
$(foreach src,$(USES_USER),$(eval CFLAGS_$(src) += $$(INC_user)))

# Objects depend on the flags they were made with: another CC, CFLAGS or WERROR rebuilds them.
FLAGS_FILE := $(BUILD)/flags
$(FLAGS_FILE): FLAGS_NOW = $(CC) $(ALL_CFLAGS) $(CPP_host)
$(FLAGS_FILE).vmm: FLAGS_NOW = $(VERSION) $(nesteddir)
.PHONY: FORCE
$(FLAGS_FILE) $(FLAGS_FILE).vmm: FORCE
	@mkdir -p $(@D)
	@echo '$(FLAGS_NOW)' | cmp -s - $@ || echo '$(FLAGS_NOW)' > $@

define compile
$(call say,CC    ,$<)
@mkdir -p $(@D)
$(Q)$(CC) $(ALL_CFLAGS) $(1) $(CFLAGS_$<) -MMD -MP -c -o $@ $<
endef

$(OBJ)/wire/%.o: wire/%.c $(FLAGS_FILE)
	$(call compile,$(CPP_wire))
# guest/ for port/sim; every other port has objects of its own, $(OBJ)/PORT/guest/
$(OBJ)/guest/%.o: guest/%.c $(FLAGS_FILE)
	$(call compile,$(CPP_guest) $(INC_sim))
$(OBJ)/port/sim/%.o: port/sim/%.c $(FLAGS_FILE)
	$(call compile,$(INC_guest) $(INC_sim) -D_GNU_SOURCE)
$(OBJ)/user/guest/%.o: guest/%.c $(FLAGS_FILE)
	$(call compile,$(CPP_guest) $(INC_user))
$(OBJ)/port/user/%.o: port/user/%.c $(FLAGS_FILE)
	$(call compile,$(INC_guest) $(INC_user) -D_GNU_SOURCE)
# Drivers for tests, and the suite for ports, are compiled for each port as well
$(OBJ)/user/%.o: %.c $(FLAGS_FILE)
	$(call compile,$(CPP_test) $(INC_user))
# and for the processors themselves, as far as that goes without a port: it compiles
$(OBJ)/bare/guest/%.o: guest/%.c $(FLAGS_FILE)
	$(call compile,$(CPP_guest) -Itests/port/bare)
$(OBJ)/host/vmbus/%.o: host/vmbus/%.c $(FLAGS_FILE)
	$(call compile,$(CPP_host_pure))
$(OBJ)/host/dev/%.o: host/dev/%.c $(FLAGS_FILE)
	$(call compile,$(CPP_host_pure))
$(OBJ)/host/%.o: host/%.c $(FLAGS_FILE)
	$(call compile,$(CPP_host))
$(OBJ)/vmm/%.o: vmm/%.c $(FLAGS_FILE) $(FLAGS_FILE).vmm | $(BUILD)/gen/vmm_dsdt_aml.h
	$(call compile,$(CPP_vmm))
$(OBJ)/tools/%.o: tools/%.c $(FLAGS_FILE) $(FLAGS_FILE).vmm
	$(call compile,$(CPP_tools))
$(OBJ)/daemons/%.o: daemons/%.c $(FLAGS_FILE) $(FLAGS_FILE).vmm
	$(call compile,$(CPP_daemons))
$(OBJ)/tests/%.o: tests/%.c $(FLAGS_FILE)
	$(call compile,$(CPP_test))
$(OBJ)/bench/%.o: bench/%.c $(FLAGS_FILE)
	$(call compile,$(CPP_test))
$(OBJ)/fuzz/%.o: fuzz/%.c $(FLAGS_FILE)
	$(call compile,$(CPP_test))

$(BUILD)/libhvis-host.a: $(call objs,$(LIB_SRCS))
	$(call say,AR    ,$@)
	@mkdir -p $(@D) && rm -f $@
	$(Q)$(AR) rcsD $@ $^

define link
$(call say,LINK  ,$@)
@mkdir -p $(@D)
$(Q)$(CC) $(CFLAGS) $(ALL_LDFLAGS) -o $@ $(filter %.o %.a,$^) $(1)
endef

$(HVHOST): $(call objs,$(VMM_SRCS)) $(BUILD)/libhvis-host.a
	$(call link,$(LIBS_vmm))

$(HVIS): $(call objs,$(TOOLS_HVIS_SRCS))
	$(call link,$(JANSSON_LIBS))

$(BUILD)/hvis-kvpd $(BUILD)/hvis-kvpd-static: $(call objs,$(DAEMONS_SRCS) $(KVPD_SRCS))
	$(call link,$(if $(findstring static,$@),-no-pie -static))

$(BUILD)/hvis-vssd $(BUILD)/hvis-vssd-static: $(call objs,$(DAEMONS_SRCS) $(VSSD_SRCS))
	$(call link,$(if $(findstring static,$@),-no-pie -static))

$(BUILD)/hvis-fcopyd $(BUILD)/hvis-fcopyd-static: $(call objs,$(DAEMONS_SRCS) $(FCOPYD_SRCS))
	$(call link,$(if $(findstring static,$@),-no-pie -static))

# With musl, as small systems have them. Its compiler knows no header of the kernel's, and must not see others of the C library's.
$(BUILD)/musl/include:
	@mkdir -p $@
	$(Q)ln -sfn /usr/include/linux /usr/include/asm-generic $@/
	$(Q)ln -sfn /usr/include/$(shell $(CC) -print-multiarch)/asm $@/asm

define link-musl
$(call say,MUSL  ,$@)
@mkdir -p $(@D)
$(Q)$(MUSL_CC) -std=c11 $(WARNINGS) $(CFLAGS) $(CPP_daemons) -isystem $(BUILD)/musl/include -static -o $@ $(filter %.c,$^)
endef

$(BUILD)/musl/hvis-kvpd: $(DAEMONS_SRCS) $(KVPD_SRCS)
$(BUILD)/musl/hvis-vssd: $(DAEMONS_SRCS) $(VSSD_SRCS)
$(BUILD)/musl/hvis-fcopyd: $(DAEMONS_SRCS) $(FCOPYD_SRCS)
$(MUSL_DAEMONS): $(call objs,$(DAEMONS_SRCS) $(KVPD_SRCS) $(VSSD_SRCS) $(FCOPYD_SRCS)) $(FLAGS_FILE) | $(BUILD)/musl/include
	$(link-musl)

# For guests with nothing else in them
$(HVIS)-static: $(call objs,$(TOOLS_HVIS_SRCS))
	$(call link,-no-pie -static $(JANSSON_LIBS))

# What a program needs besides its own file and the library stands in SRCS_<file.c> and LIBS_<file.c>.
.SECONDEXPANSION:
$(BUILD)/tests/%: $(OBJ)/tests/%.o $$(call objs,$$(SRCS_tests/$$*.c)) $(BUILD)/libhvis-host.a
	$(call link,$(LIBS_tests/$*.c) -pthread)

$(BUILD)/bench/%: $(OBJ)/bench/%.o $$(call objs,$$(SRCS_bench/$$*.c)) $(BUILD)/libhvis-host.a
	$(call link,$(LIBS_bench/$*.c) -pthread)

# A fuzz target with a plain main() that replays its corpus: what every test run does
$(BUILD)/replay/%: $(OBJ)/fuzz/%.o $(OBJ)/fuzz/replay.o $$(call objs,$$(SRCS_fuzz/$$*.c)) $(BUILD)/libhvis-host.a
	$(call link,-pthread)

# The same target under libFuzzer, only in the variant SAN=fuzzer,...
$(BUILD)/fuzz/%: $(OBJ)/fuzz/%.o $$(call objs,$$(SRCS_fuzz/$$*.c)) $(BUILD)/libhvis-host.a
	$(call link,-fsanitize=fuzzer -pthread)

# ACPI: the bytes alone, in a header; iasl's own C output carries the date and would not be reproducible.
# 6033: iasl wants _HID in the form of a PNP or ACPI id, but guests look for "VMBUS".
$(BUILD)/gen/dsdt.aml: vmm/acpi/dsdt.asl
	$(call say,IASL  ,$<)
	@mkdir -p $(@D)
	$(Q)$(IASL) -ve -vw 6033 -p $(@:.aml=) $< > $@.log || { cat $@.log >&2; exit 1; }

$(BUILD)/gen/vmm_dsdt_aml.h: $(BUILD)/gen/dsdt.aml
	$(call say,GEN   ,$@)
	$(Q){ echo 'static const unsigned char vmm_dsdt_aml[] = {'; \
	  od -An -v -tx1 $< | sed 's/ \(..\)/0x\1,/g'; echo '};'; } > $@

BARE_GUEST_OBJS := $(patsubst %.c,$(OBJ)/bare/%.o,$(GUEST_SRCS))

# Keep what chains of pattern rules make.
.SECONDARY:

-include $(patsubst %.o,%.d,$(call objs,$(LIB_SRCS) $(VMM_SRCS) $(TOOLS_HVIS_SRCS) $(DAEMONS_SRCS) $(KVPD_SRCS) $(VSSD_SRCS) $(FCOPYD_SRCS) $(TEST_C_SRCS) $(BENCH_C_SRCS) $(EXTRA_SRCS) \
	$(FUZZ_TARGETS) fuzz/replay.c $(GUEST_SRCS) $(PORT_SIM_SRCS) $(USES_SIM) $(USER_SRCS) $(USES_USER)) $(BARE_GUEST_OBJS))
