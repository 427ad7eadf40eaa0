# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# The bare-metal guest: one bootable file with the driver core in it. Its objects have flags of their own, so they lie
# apart from those of other ports.

BAREMETAL := $(BUILD)/hvis-baremetal.elf
BAREMETAL_OBJ := $(BUILD)/obj-baremetal
baremetal-objs = $(patsubst %,$(BAREMETAL_OBJ)/%.o,$(1))
# What stands on the core; the rest of it other programs take too
BAREMETAL_OWN := port/baremetal/disk.c port/baremetal/main.c port/baremetal/net.c port/baremetal/net_bench.c
BAREMETAL_MACHINE_OBJS := $(call baremetal-objs,$(filter-out $(BAREMETAL_OWN),$(PORT_BAREMETAL_SRCS)) $(WIRE_SRCS))
BAREMETAL_OBJS := $(call baremetal-objs,$(BAREMETAL_OWN) $(GUEST_SRCS)) $(BAREMETAL_MACHINE_OBJS)

# General registers alone: nobody saves the others in an interrupt.
BAREMETAL_CFLAGS = -std=c11 $(WARNINGS) $(CFLAGS) -ffreestanding -fno-pie -fno-stack-protector -mno-red-zone \
	-mgeneral-regs-only -Iproto -Iwire -Iguest/include -Iguest/bus -Iport/baremetal -I.

.PHONY: baremetal
baremetal: $(BAREMETAL)

$(BAREMETAL_OBJ)/%.c.o: %.c $(FLAGS_FILE)
	$(call say,CC    ,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(BAREMETAL_CFLAGS) -MMD -MP -c -o $@ $<

$(BAREMETAL_OBJ)/%.S.o: %.S $(FLAGS_FILE)
	$(call say,AS    ,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) -MMD -MP -c -o $@ $<

define link-baremetal
$(call say,LINK  ,$@)
@mkdir -p $(@D)
$(Q)$(LD) -nostdlib -static -z noexecstack --no-warn-rwx-segments -T port/baremetal/image.ld -o $@ $(filter %.o,$^)
endef

$(BAREMETAL): $(BAREMETAL_OBJS) port/baremetal/image.ld
	$(link-baremetal)

-include $(patsubst %.o,%.d,$(BAREMETAL_OBJS))

# The suite that every port passes, on this one
CONFORMANCE := $(BUILD)/hvis-conformance.elf
CONFORMANCE_OBJS := $(call baremetal-objs,$(CONFORMANCE_SRCS)) $(BAREMETAL_MACHINE_OBJS)
baremetal: $(CONFORMANCE)

$(CONFORMANCE): $(CONFORMANCE_OBJS) port/baremetal/image.ld
	$(link-baremetal)

-include $(patsubst %.o,%.d,$(CONFORMANCE_OBJS))
