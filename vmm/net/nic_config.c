/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "vmm/net/nic_config.h"

#include <hvh/hvh_net.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const kinds[] = {
	[VMM_NIC_NULL] = "null", [VMM_NIC_LOOP] = "loop", [VMM_NIC_ECHO] = "echo",
	[VMM_NIC_USER] = "user", [VMM_NIC_TAP] = "tap",
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static const char right_kind[] = "must begin with user, tap=INTERFACE, null, loop or echo";
static const char right_interface[] =
	"tap= takes the name of a network interface, of at most 15 characters";
static const char right_mac[] =
	"mac= takes six pairs of hexadecimal digits with colons, the first of them even";
static const char right_queues[] = "queues= takes a number from 1 to 64";
static const char right_mtu[] = "mtu= takes a number from 1500 to 9202";
static const char right_forward[] =
	"hostfwd= takes tcp:HOSTPORT:GUESTPORT or udp:HOSTPORT:GUESTPORT, at most 16 times, "
	"and only with user";
static const char right_pcap[] = "pcap= takes the path of a file";
static const char right_option[] =
	"an option must be mac=MAC, mac-change, mac-spoofing, queues=N, mtu=N, no-rsc, pcap=FILE or hostfwd=FORWARD";

const char *vmm_nic_kind_name(enum vmm_nic_kind kind)
{
	return kinds[kind];
}

static int hex_digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c ? strchr(digits, c >= 'A' && c <= 'F' ? c + 0x20 : c) : NULL;

	return at ? (int)(at - digits) : -1;
}

bool vmm_mac_parse(const char *text, uint8_t mac[6])
{
	for (unsigned i = 0; i < 6; i++, text += 3) {
		int high = hex_digit(text[0]), low = high < 0 ? -1 : hex_digit(text[1]);

		if (low < 0 || text[2] != (i < 5 ? ':' : '\0'))
			return false;
		mac[i] = (uint8_t)(high << 4 | low);
	}
	return !(mac[0] & 1) && memcmp(mac, "\0\0\0\0\0\0", 6);
}

void vmm_mac_format(const uint8_t mac[6], char text[VMM_MAC_TEXT])
{
	snprintf(text, VMM_MAC_TEXT, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
		 mac[3], mac[4], mac[5]);
}

/* Decimal digits up to the end, from `least` to `most`. */
static bool parse_number(const char *text, unsigned least, unsigned most, unsigned *number)
{
	unsigned long value;
	char *end;

	if (*text < '0' || *text > '9' || strlen(text) > 6)
		return false;
	value = strtoul(text, &end, 10);
	if (*end || value < least || value > most)
		return false;
	*number = (unsigned)value;
	return true;
}

/* tcp:HOSTPORT:GUESTPORT */
static const char *add_forward(struct vmm_nic_config *config, const char *value)
{
	struct vmm_nic_forward *forward = &config->forward[config->forwards];
	unsigned host_port, guest_port;
	char ports[16], *colon;

	if (config->kind != VMM_NIC_USER || config->forwards == VMM_NIC_FORWARDS_MAX ||
	    (strncmp(value, "tcp:", 4) && strncmp(value, "udp:", 4)) ||
	    strlen(value + 4) >= sizeof(ports))
		return right_forward;
	strcpy(ports, value + 4);
	colon = strchr(ports, ':');
	if (!colon)
		return right_forward;
	*colon = '\0';
	if (!parse_number(ports, 1, 65535, &host_port) ||
	    !parse_number(colon + 1, 1, 65535, &guest_port))
		return right_forward;
	forward->udp = *value == 'u';
	forward->host_port = (uint16_t)host_port;
	forward->guest_port = (uint16_t)guest_port;
	config->forwards++;
	return NULL;
}

static const char *set_option(struct vmm_nic_config *config, const char *option)
{
	if (!strcmp(option, "mac-change")) {
		config->mac_change = true;
		return NULL;
	}
	if (!strcmp(option, "mac-spoofing")) {
		config->mac_spoofing = true;
		return NULL;
	}
	if (!strcmp(option, "no-rsc")) {
		config->no_rsc = true;
		return NULL;
	}
	if (!strncmp(option, "mac=", 4)) {
		config->has_mac = true;
		return vmm_mac_parse(option + 4, config->mac) ? NULL : right_mac;
	}
	if (!strncmp(option, "queues=", 7))
		return parse_number(option + 7, 1, HVH_NET_QUEUES_MAX, &config->queues) ?
			       NULL :
			       right_queues;
	if (!strncmp(option, "mtu=", 4)) {
		if (!parse_number(option + 4, 1500, HVH_NET_FRAME_MAX - 14, &config->frame_max))
			return right_mtu;
		config->frame_max += 14;
		return NULL;
	}
	if (!strncmp(option, "pcap=", 5)) {
		if (!option[5] || strlen(option + 5) >= sizeof(config->pcap))
			return right_pcap;
		strcpy(config->pcap, option + 5);
		return NULL;
	}
	if (!strncmp(option, "hostfwd=", 8))
		return add_forward(config, option + 8);
	return right_option;
}

const char *vmm_nic_config_parse(const char *text, struct vmm_nic_config *config)
{
	size_t len = strcspn(text, ","), kind_len = strcspn(text, ",=");
	const char *right = NULL;

	memset(config, 0, sizeof(*config));
	while (config->kind < KINDS && (strlen(kinds[config->kind]) != kind_len ||
					strncmp(text, kinds[config->kind], kind_len)))
		config->kind++;
	if (config->kind == KINDS || (len != kind_len) != (config->kind == VMM_NIC_TAP))
		return right_kind;
	if (config->kind == VMM_NIC_TAP) {
		size_t name_len = len - kind_len - 1;

		if (!name_len || name_len >= sizeof(config->interface) ||
		    memchr(text + kind_len + 1, '/', name_len))
			return right_interface;
		memcpy(config->interface, text + kind_len + 1, name_len);
	}
	while (!right && text[len]) {
		char option[VMM_NIC_PATH_MAX + 8];

		text += len + 1;
		len = strcspn(text, ",");
		if (len >= sizeof(option))
			return right_option;
		memcpy(option, text, len);
		option[len] = '\0';
		right = set_option(config, option);
	}
	return right;
}
