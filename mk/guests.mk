# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# Guests of the VM tests that are built here: for x86-64 without an operating system, so with flags of their own.

BARE_GUEST := build/guests/bare
BARE_OBJ := build/guests/obj
BARE_OBJS := $(patsubst %,$(BARE_OBJ)/%.o,$(basename $(BARE_SRCS) $(WIRE_SRCS)))
BARE_CFLAGS := -std=gnu11 $(WARNINGS) -O2 -g -ffreestanding -fno-pic -mcmodel=small -mno-red-zone -mgeneral-regs-only \
	-fno-stack-protector -fcf-protection=none -fno-asynchronous-unwind-tables -Iproto -Iwire -Itests/guests/bare

.PHONY: guests
guests: $(BARE_GUEST) $(HVIS)-static

$(BARE_OBJ)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(CC) $(BARE_CFLAGS)' | cmp -s - $@ || echo '$(CC) $(BARE_CFLAGS)' > $@

define compile-bare
$(call say,CC    ,$< (bare))
@mkdir -p $(@D)
$(Q)$(CC) $(BARE_CFLAGS) -MMD -MP -c -o $@ $<
endef

$(BARE_OBJ)/%.o: %.c $(BARE_OBJ)/flags
	$(compile-bare)
$(BARE_OBJ)/%.o: %.S $(BARE_OBJ)/flags
	$(compile-bare)

$(BARE_GUEST): $(BARE_OBJS) tests/guests/bare/bare.lds
	$(call say,LINK  ,$@)
	$(Q)$(CC) -nostdlib -static -Wl,--build-id=none -Wl,-z,max-page-size=4096 -Wl,-z,noexecstack \
		-Wl,-T,tests/guests/bare/bare.lds -o $@ $(BARE_OBJS)

-include $(BARE_OBJS:.o=.d)
