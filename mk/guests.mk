# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# Guests of the VM tests that are built here: programs on the bare-metal port's machine, made with its flags and image;
# and what goes into guests of other makers.

RAW_GUEST := $(BUILD)/guests/raw
RAW_OBJS := $(call baremetal-objs,$(RAW_SRCS)) $(BAREMETAL_MACHINE_OBJS)

.PHONY: guests
guests: $(RAW_GUEST) $(HVIS)-static $(DAEMONS:%=%-static)

$(RAW_GUEST): $(RAW_OBJS) port/baremetal/image.ld
	$(link-baremetal)

-include $(RAW_OBJS:.o=.d)
