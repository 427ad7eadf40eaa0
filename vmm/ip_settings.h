/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * IP settings of a guest's adapter, as JSON (docs/control.md) and as the lists of key-value messages.
 */
#ifndef VMM_IP_SETTINGS_H
#define VMM_IP_SETTINGS_H

#include <hvh/hvh_kvp.h>
#include <jansson.h>

/*
 * What `arguments` say: "dhcp": a boolean; "addresses": texts as "10.0.0.2/24" or "2001:db8::2/64"; "gateways"
 * and "dns": addresses. NULL, or what is wrong with them, for people. `ip->adapter` is left alone.
 */
const char *vmm_ip_settings_parse(const json_t *arguments, struct hvh_kvp_ip *ip);

/* The same from a guest, which may say anything: what is no address stays as it was said. */
json_t *vmm_ip_settings_json(const struct hvh_kvp_ip *ip);

#endif
