/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "vmm/ip_settings.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* HVP_KVP_IPV4, HVP_KVP_IPV6, or 0: it is no address. */
static uint8_t family_of(const char *address)
{
	struct in6_addr parsed;

	if (inet_pton(AF_INET, address, &parsed) == 1)
		return HVP_KVP_IPV4;
	return inet_pton(AF_INET6, address, &parsed) == 1 ? HVP_KVP_IPV6 : 0;
}

/* --- to the guest ------------------------------------------------------------------------------------ */

/* False: no room. */
static bool add(char *list, size_t size, const char *item)
{
	size_t len = strlen(list), item_len = strlen(item);

	if (len + (len != 0) + item_len >= size)
		return false;
	snprintf(list + len, size - len, "%s%s", len ? ";" : "", item);
	return true;
}

static const char right_addresses[] =
	"addresses must be like 10.0.0.2/24 or 2001:db8::2/64, and not too many";
static const char right_others[] = "gateways and dns must be IP addresses, and not too many";

/* A prefix as IPv4 guests want it; IPv6 ones want the number. */
static void format_mask(uint8_t family, unsigned prefix, char mask[INET_ADDRSTRLEN])
{
	uint32_t bits = prefix ? UINT32_MAX << (32 - prefix % 33) : 0;

	if (family == HVP_KVP_IPV4)
		snprintf(mask, INET_ADDRSTRLEN, "%u.%u.%u.%u", bits >> 24, bits >> 16 & 0xff,
			 bits >> 8 & 0xff, bits & 0xff);
	else
		snprintf(mask, INET_ADDRSTRLEN, "%u", prefix);
}

/* ADDRESS/PREFIX. */
static bool add_address(struct hvh_kvp_ip *ip, const char *text)
{
	char address[INET6_ADDRSTRLEN], mask[INET_ADDRSTRLEN];
	const char *slash = text ? strchr(text, '/') : NULL;
	unsigned prefix = 0, digits = 0;
	uint8_t family;

	if (!slash || (size_t)(slash - text) >= sizeof(address))
		return false;
	snprintf(address, sizeof(address), "%.*s", (int)(slash - text), text);
	family = family_of(address);
	for (const char *c = slash + 1; *c >= '0' && *c <= '9' && digits < 3; c++, digits++)
		prefix = 10 * prefix + (unsigned)(*c - '0');
	if (!family || !digits || slash[1 + digits] ||
	    prefix > (family == HVP_KVP_IPV4 ? 32u : 128u))
		return false;
	format_mask(family, prefix, mask);
	ip->family |= family;
	return add(ip->addresses, sizeof(ip->addresses), address) &&
	       add(ip->masks, sizeof(ip->masks), mask);
}

static bool add_plain(struct hvh_kvp_ip *ip, char *list, size_t size, const char *text)
{
	uint8_t family = text ? family_of(text) : 0;

	ip->family |= family;
	return family && add(list, size, text);
}

const char *vmm_ip_settings_parse(const json_t *arguments, struct hvh_kvp_ip *ip)
{
	const json_t *dhcp = json_object_get(arguments, "dhcp"), *text;
	size_t i;

	if (dhcp && !json_is_boolean(dhcp))
		return "\"dhcp\" must be true or false";
	ip->dhcp = json_is_true(dhcp);
	json_array_foreach(json_object_get(arguments, "addresses"), i,
			   text) if (!add_address(ip,
						  json_string_value(text))) return right_addresses;
	json_array_foreach(json_object_get(arguments, "gateways"), i,
			   text) if (!add_plain(ip, ip->gateways, sizeof(ip->gateways),
						json_string_value(text))) return right_others;
	json_array_foreach(json_object_get(arguments, "dns"), i,
			   text) if (!add_plain(ip, ip->dns, sizeof(ip->dns),
						json_string_value(text))) return right_others;
	if (!ip->dhcp && !ip->addresses[0])
		return "say dhcp or an address";
	return NULL;
}

/* --- from the guest ---------------------------------------------------------------------------------- */

/* The next item of a list into `item`; false: there is none. */
static bool next(const char **list, char *item, size_t size)
{
	size_t len;

	*list += strspn(*list, ";");
	len = strcspn(*list, ";");
	snprintf(item, size, "%.*s", (int)len, *list);
	*list += len;
	return len != 0;
}

/* "255.255.255.0", "/64" or "64"; -1: none of these. */
static int prefix_of(const char *mask)
{
	struct in_addr parsed;
	uint32_t bits;
	int prefix = 0;

	if (inet_pton(AF_INET, mask, &parsed) != 1) {
		mask += *mask == '/';
		return *mask && strspn(mask, "0123456789") == strlen(mask) && strlen(mask) < 4 ?
			       atoi(mask) :
			       -1;
	}
	for (bits = ntohl(parsed.s_addr); bits & 0x80000000u; bits <<= 1)
		prefix++;
	return bits ? -1 : prefix;
}

static json_t *addresses_json(const struct hvh_kvp_ip *ip)
{
	const char *addresses = ip->addresses, *masks = ip->masks;
	json_t *array = json_array();
	char address[sizeof(ip->addresses)], mask[sizeof(ip->masks)];

	while (next(&addresses, address, sizeof(address))) {
		int prefix = next(&masks, mask, sizeof(mask)) ? prefix_of(mask) : -1;

		json_array_append_new(array, prefix < 0 ? json_string(address) :
							  json_sprintf("%s/%d", address, prefix));
	}
	return array;
}

static json_t *list_json(const char *list)
{
	json_t *array = json_array();
	char item[HVW_UTF16_ROOM(1023)];

	while (next(&list, item, sizeof(item)))
		json_array_append_new(array, json_string(item));
	return array;
}

json_t *vmm_ip_settings_json(const struct hvh_kvp_ip *ip)
{
	return json_pack("{s:b, s:o, s:o, s:o}", "dhcp", (int)ip->dhcp, "addresses",
			 addresses_json(ip), "gateways", list_json(ip->gateways), "dns",
			 list_json(ip->dns));
}
