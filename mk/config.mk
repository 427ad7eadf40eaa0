# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# Compilers, flags, and where the output of each variant of the build goes.

VERSION := 0.1.0

prefix ?= /usr/local
bindir ?= $(prefix)/bin
sbindir ?= $(prefix)/sbin
libexecdir ?= $(prefix)/libexec
unitdir ?= $(prefix)/lib/systemd/system
udevdir ?= $(prefix)/lib/udev
libdir ?= $(prefix)/lib
mandir ?= $(prefix)/share/man
nesteddir = $(libdir)/hvhost/nested

comma := ,
ifdef SAN
BUILD := build/san-$(subst $(comma),-,$(SAN))
else ifdef CROSS
BUILD := build/cross-$(CROSS)
else
BUILD := build
endif
HVHOST := $(BUILD)/hvhost
HVIS := $(BUILD)/hvis
DAEMONS := $(BUILD)/hvis-kvpd $(BUILD)/hvis-vssd $(BUILD)/hvis-fcopyd
# Where there is no musl there are none of these, which tests/cli/musl.sh says.
MUSL_CC ?= $(shell command -v musl-gcc)
MUSL_DAEMONS := $(if $(MUSL_CC),$(DAEMONS:$(BUILD)/%=$(BUILD)/musl/%))

# A compiler given by the user wins; make's built-in default "cc" does not.
ifeq ($(origin CC),default)
CC := $(if $(CROSS),$(CROSS)-)gcc
endif
ifeq ($(origin AR),default)
AR := $(if $(CROSS),$(CROSS)-)ar
endif
IASL ?= iasl
PKG_CONFIG ?= pkg-config

CFLAGS ?= -O2 -g
WARNINGS := -Wall -Wextra -Wstrict-prototypes -Wmissing-prototypes -Wshadow -Wvla $(if $(WERROR),-Werror)

# Guests are hostile: what the compiler offers for free against memory errors is on in every build.
HARDEN_CFLAGS := -fstack-protector-strong -fPIE
HARDEN_LDFLAGS := -pie -Wl,-z,relro,-z,now

ifdef SAN
VARIANT_CFLAGS := -fsanitize=$(SAN) -fno-omit-frame-pointer $(if $(findstring undefined,$(SAN)),-fno-sanitize-recover=undefined)
# In this variant libFuzzer's main() belongs to the fuzz targets alone.
VARIANT_CFLAGS := $(patsubst -fsanitize=fuzzer$(comma)%,-fsanitize=fuzzer-no-link$(comma)%,$(VARIANT_CFLAGS))
VARIANT_LDFLAGS := $(filter -fsanitize=%,$(VARIANT_CFLAGS))
else
VARIANT_CFLAGS := -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
endif
ifdef CROSS
# Static, so that qemu-user needs no library tree of the other processor.
HARDEN_CFLAGS := -fstack-protector-strong
HARDEN_LDFLAGS :=
VARIANT_LDFLAGS := -static
endif

ALL_CFLAGS = -std=c11 $(WARNINGS) $(HARDEN_CFLAGS) $(VARIANT_CFLAGS) $(CFLAGS)
ALL_LDFLAGS = $(HARDEN_LDFLAGS) $(VARIANT_LDFLAGS) $(LDFLAGS)

# What a folder may include is limited by its include path already; scripts/check-layers checks the rest. Folders that
# must not know an OS do not get _GNU_SOURCE, so libc hides everything but ISO C from them.
INC_wire := -Iproto -Iwire
# The guest core gets the OS's types from a port, and channels from guest/bus or the port.
INC_guest := $(INC_wire) -Iguest/include -Iguest/bus -I.
INC_sim := -Iguest/include -Iguest/bus -Iport/sim
INC_user := -Iguest/include -Iguest/bus -Iport/user
INC_host := $(INC_wire) -Ihost/include -I.
INC_vmm := $(INC_host) -I$(BUILD)/gen
INC_tools := $(INC_wire) -I.
INC_daemons := $(INC_wire) -I.
INC_test := $(INC_host) -Itests

CPP_wire := $(INC_wire)
CPP_guest := $(INC_guest) -ffreestanding
CPP_host := $(INC_host) -D_GNU_SOURCE
CPP_host_pure := $(INC_host)
CPP_test := $(INC_test) -D_GNU_SOURCE
JANSSON_CFLAGS = $(shell $(PKG_CONFIG) --cflags jansson)
JANSSON_LIBS = $(shell $(PKG_CONFIG) --libs jansson)
CPP_tools = $(INC_tools) -D_GNU_SOURCE -DHVIS_VERSION='"$(VERSION)"' $(JANSSON_CFLAGS)
CPP_daemons = $(INC_daemons) -D_GNU_SOURCE -DHVIS_VERSION='"$(VERSION)"'
CPP_vmm = $(INC_vmm) -D_GNU_SOURCE -DVMM_VERSION='"$(VERSION)"' -DVMM_NESTED_DIR='"$(nesteddir)"' $(JANSSON_CFLAGS)
# libslirp is named without pkg-config, which would ask for the development files of glib, which slirp.h does not need
LIBS_vmm = $(JANSSON_LIBS) -lslirp -luring -pthread
