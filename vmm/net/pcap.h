/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A file of frames that tcpdump and others read (pcap, nanoseconds, Ethernet).
 */
#ifndef VMM_NET_PCAP_H
#define VMM_NET_PCAP_H

#include <sys/uio.h>

struct vmm_pcap;

/* Negative errno. */
int vmm_pcap_create(const char *path, struct vmm_pcap **pcap);
void vmm_pcap_destroy(struct vmm_pcap *pcap);

/* Any thread. A file that cannot be written loses frames. */
void vmm_pcap_write(struct vmm_pcap *pcap, const struct iovec *iov, unsigned iovs);

#endif
