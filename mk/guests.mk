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

# lwIP on the driver core's network: LWIP=FOLDER with lwIP's sources (scripts/fetch-package --source bookworm lwip)
LWIP_GUEST := $(BUILD)/guests/lwip
LWIP_GUEST_OBJS := $(call baremetal-objs,$(LWIP_GUEST_SRCS) $(GUEST_SRCS)) $(BAREMETAL_MACHINE_OBJS)
LWIP_OBJ := $(BAREMETAL_OBJ)/lwip
LWIP_SRCS := $(wildcard $(LWIP)/src/core/*.c $(LWIP)/src/core/ipv4/*.c $(LWIP)/src/core/ipv6/*.c) $(LWIP)/src/netif/ethernet.c
LWIP_OBJS := $(if $(LWIP),$(LWIP_SRCS:$(LWIP)/%.c=$(LWIP_OBJ)/%.o))
LWIP_INCLUDES = -Itests/guests/lwip -isystem $(LWIP)/src/include

$(call baremetal-objs,$(LWIP_GUEST_SRCS)): BAREMETAL_CFLAGS += $(LWIP_INCLUDES)
$(LWIP_OBJ)/%.o: $(LWIP)/%.c $(FLAGS_FILE)
	$(call say,CC    ,lwIP $*.c)
	@mkdir -p $(@D)
	$(Q)$(CC) $(BAREMETAL_CFLAGS) $(LWIP_INCLUDES) -w -MD -MP -c -o $@ $<

$(LWIP_GUEST): $(LWIP_GUEST_OBJS) $(LWIP_OBJS) port/baremetal/image.ld
	$(link-baremetal)

-include $(LWIP_GUEST_OBJS:.o=.d) $(LWIP_OBJS:.o=.d)
