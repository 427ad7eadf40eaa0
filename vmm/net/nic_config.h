/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What --nic says: KIND[,OPTION]...
 */
#ifndef VMM_NET_NIC_CONFIG_H
#define VMM_NET_NIC_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/net/tap.h"

#define VMM_NICS_MAX	     8
#define VMM_NIC_FORWARDS_MAX 16
#define VMM_NIC_PATH_MAX     1024

enum vmm_nic_kind { VMM_NIC_NULL, VMM_NIC_LOOP, VMM_NIC_ECHO, VMM_NIC_USER, VMM_NIC_TAP };

/* A port of the host that leads to one of the guest's. */
struct vmm_nic_forward {
	bool udp;
	uint16_t host_port;
	uint16_t guest_port;
};

struct vmm_nic_config {
	enum vmm_nic_kind kind;
	char interface[VMM_TAP_NAME_MAX]; /* of VMM_NIC_TAP */
	bool has_mac;
	uint8_t mac[6];
	bool mac_change;
	bool mac_spoofing; /* the guest may send from others' addresses */
	bool no_rsc; /* receive coalescing is not offered */
	unsigned queues; /* 0: as many as there are processors, at most 8 */
	unsigned frame_max; /* 0: the largest */
	char pcap[VMM_NIC_PATH_MAX]; /* "": none */
	unsigned forwards;
	struct vmm_nic_forward forward[VMM_NIC_FORWARDS_MAX];
};

/* NULL; or what would be right, in words for the user. */
const char *vmm_nic_config_parse(const char *text, struct vmm_nic_config *config);

/* "null", … */
const char *vmm_nic_kind_name(enum vmm_nic_kind kind);

/* "00:15:5d:01:02:03"; false: not an address of one machine. */
bool vmm_mac_parse(const char *text, uint8_t mac[6]);

#define VMM_MAC_TEXT 18
void vmm_mac_format(const uint8_t mac[6], char text[VMM_MAC_TEXT]);

#endif
