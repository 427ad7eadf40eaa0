# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# "make install" and "make deb": hvhost, hvis, their man pages, and the files of the nested mode.

MAN_PAGES := $(wildcard man/*.[1-8])
INSTALL ?= install

.PHONY: install
install: all $(NESTED_FILES)
	$(call say,INSTALL,$(DESTDIR)$(prefix))
	$(Q)$(INSTALL) -d '$(DESTDIR)$(bindir)'
	$(Q)$(INSTALL) -m 755 $(HVHOST) '$(DESTDIR)$(bindir)/hvhost'
	$(Q)$(INSTALL) -m 755 $(HVIS) '$(DESTDIR)$(bindir)/hvis'
	$(Q)set -e; for page in $(MAN_PAGES); do \
		$(INSTALL) -D -m 644 "$$page" "$(DESTDIR)$(mandir)/man$${page##*.}/$${page##*/}"; done
	$(Q)set -e; for file in $(NESTED_FILES); do mode=644; if [ -x "$$file" ]; then mode=755; fi; \
		$(INSTALL) -D -m "$$mode" "$$file" "$(DESTDIR)$(nesteddir)/$${file##*/}"; done

.PHONY: deb
deb:
	@scripts/build-deb build/deb
