/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * IP settings between JSON and the lists of key-value messages.
 */
#include "tap.h"
#include "vmm/ip_settings.h"

static const char *parse(const char *text, struct hvh_kvp_ip *ip)
{
	json_t *json = json_loads(text, 0, NULL);
	const char *wrong;

	TAP_CHECK(json);
	memset(ip, 0, sizeof(*ip));
	wrong = vmm_ip_settings_parse(json, ip);
	json_decref(json);
	return wrong;
}

TAP_TEST(both_families_as_guests_want_them)
{
	struct hvh_kvp_ip ip;

	TAP_CHECK(!parse(
		"{\"addresses\": [\"10.0.0.2/24\", \"2001:db8::2/64\", \"10.1.0.2/0\", \"10.2.0.2/32\"],"
		" \"gateways\": [\"10.0.0.1\"], \"dns\": [\"9.9.9.9\", \"2620:fe::fe\"]}",
		&ip));
	TAP_STR_EQ(ip.addresses, "10.0.0.2;2001:db8::2;10.1.0.2;10.2.0.2");
	TAP_STR_EQ(ip.masks, "255.255.255.0;64;0.0.0.0;255.255.255.255");
	TAP_STR_EQ(ip.gateways, "10.0.0.1");
	TAP_STR_EQ(ip.dns, "9.9.9.9;2620:fe::fe");
	TAP_EQ(ip.family, HVP_KVP_IPV4 | HVP_KVP_IPV6);
	TAP_CHECK(!ip.dhcp);
	TAP_CHECK(!parse("{\"dhcp\": true}", &ip));
	TAP_CHECK(ip.dhcp);
	TAP_STR_EQ(ip.addresses, "");
}

TAP_TEST(what_is_no_setting)
{
	static const char *const texts[] = {
		"{}",
		"{\"dhcp\": 1}",
		"{\"addresses\": [\"10.0.0.2\"]}",
		"{\"addresses\": [\"10.0.0.2/\"]}",
		"{\"addresses\": [\"10.0.0.2/33\"]}",
		"{\"addresses\": [\"10.0.0.2/24x\"]}",
		"{\"addresses\": [\"10.0.0.2/0024\"]}",
		"{\"addresses\": [\"2001:db8::2/129\"]}",
		"{\"addresses\": [\"10.0.0/24\"]}",
		"{\"addresses\": [\"$(reboot)/24\"]}",
		"{\"addresses\": [\"10.0.0.2;10.0.0.3/24\"]}",
		"{\"addresses\": [7]}",
		"{\"dhcp\": true, \"gateways\": [\"router\"]}",
		"{\"dhcp\": true, \"dns\": [\"9.9.9.9;8.8.8.8\"]}",
		"{\"dhcp\": true, \"dns\": [null]}",
	};
	struct hvh_kvp_ip ip;

	for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (!TAP_CHECK(parse(texts[i], &ip)))
			printf("# %s\n", texts[i]);
}

TAP_TEST(no_more_than_a_message_holds)
{
	struct hvh_kvp_ip ip;
	json_t *list = json_array(), *arguments = json_pack("{s:O}", "addresses", list);

	memset(&ip, 0, sizeof(ip));
	for (unsigned i = 0; i < 1000; i++)
		json_array_append_new(list, json_string("10.0.0.2/24"));
	TAP_CHECK(vmm_ip_settings_parse(arguments, &ip));
	TAP_CHECK(strlen(ip.addresses) < sizeof(ip.addresses));
	json_decref(arguments);
	json_decref(list);
}

TAP_TEST(what_a_guest_says)
{
	static const struct hvh_kvp_ip ip = {
		.dhcp = true,
		.addresses = ";10.0.0.2;fe80::1;;10.0.0.3;nonsense;",
		.masks = "255.255.255.0;/64;255.0.255.0;x",
		.gateways = "10.0.0.1;",
	};
	json_t *json = vmm_ip_settings_json(&ip);
	char *text;

	TAP_REQUIRE(json);
	text = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);
	TAP_STR_EQ(
		text,
		"{\"addresses\":[\"10.0.0.2/24\",\"fe80::1/64\",\"10.0.0.3\",\"nonsense\"],\"dhcp\":true,"
		"\"dns\":[],\"gateways\":[\"10.0.0.1\"]}");
	free(text);
	json_decref(json);
}

TAP_MAIN()
