# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# "make install" and "make deb": hvhost, hvis, the daemons, their man pages, and the files of the nested mode. "make
# install-daemons": the daemons alone, with what starts them.

MAN_PAGES := $(wildcard man/*.[1-8])
INSTALL ?= install

.PHONY: install-daemons
install-daemons: $(DAEMONS)
	$(call say,INSTALL,$(DESTDIR)$(prefix)/sbin)
	$(Q)$(INSTALL) -d '$(DESTDIR)$(sbindir)' '$(DESTDIR)$(unitdir)'
	$(Q)$(INSTALL) -m 755 $(DAEMONS) '$(DESTDIR)$(sbindir)'
	$(Q)$(INSTALL) -D -m 755 daemons/hv_set_ifconfig '$(DESTDIR)$(libexecdir)/hypervkvpd/hv_set_ifconfig'
	$(Q)$(INSTALL) -D -m 644 daemons/system/60-hvis-daemons.rules '$(DESTDIR)$(udevdir)/rules.d/60-hvis-daemons.rules'
	$(Q)set -e; for unit in daemons/system/*.service; do \
		sed 's|@sbindir@|$(sbindir)|; s|@libexecdir@|$(libexecdir)|' "$$unit" > "$(DESTDIR)$(unitdir)/$${unit##*/}"; done

.PHONY: install
install: all $(NESTED_FILES) install-daemons
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
