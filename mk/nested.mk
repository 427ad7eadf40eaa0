# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# The inner Linux of the nested mode, with this hvhost in it. Needs what "scripts/deps demo" installs; the kernel is
# downloaded once.

NESTED_FILES := $(BUILD)/nested/vmlinux $(BUILD)/nested/initrd.img

.PHONY: nested
nested: $(NESTED_FILES)

$(NESTED_FILES) &: $(HVHOST) scripts/nested-image scripts/initramfs.sh
	scripts/nested-image $(BUILD)/nested $(HVHOST)
	@touch $(NESTED_FILES)
