/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * `hvhost kvp` and `hvhost ip`: what the guest's daemon for key-value pairs does.
 */
#include <string.h>

#include "hvp_kvp.h"
#include "vmm/ask.h"
#include "vmm/commands.h"
#include "vmm/log.h"

/* A guest's daemon may take its time, and others may ask as well. */
#define ANSWER_TIMEOUT_S 150

/* As the guest's own programs come first for those who look a key up. */
static const char *const pools[] = { "guest", "auto", "external", "auto-external" };
#define POOLS (sizeof(pools) / sizeof(pools[0]))
_Static_assert(POOLS == HVP_KVP_POOLS, "each pool has its place in the order");

/* The pairs of a pool, each with its name, behind those that are in `pairs`. False after a line to stderr. */
static bool fetch_pool(const char *vm, const char *pool, json_t *pairs)
{
	json_int_t index = 0;
	json_t *page, *next, *pair;
	size_t i;

	do {
		page = vmm_ask(vm,
			       json_pack("{s:s, s:s, s:s, s:I}", "command", "kvp", "order", "list",
					 "pool", pool, "index", index),
			       ANSWER_TIMEOUT_S);
		if (!page)
			return false;
		json_array_foreach(json_object_get(page, "pairs"), i, pair) json_array_append_new(
			pairs, json_pack("{s:s, s:O?, s:O?}", "pool", pool, "key",
					 json_object_get(pair, "key"), "value",
					 json_object_get(pair, "value")));
		next = json_object_get(page, "next");
		/* What does not go on is the end, whatever the other side says. */
		index = json_integer_value(next) > index ? json_integer_value(next) : 0;
		json_decref(page);
	} while (index);
	return true;
}

/* NULL after a line to stderr. */
static json_t *fetch(const struct vmm_query *query)
{
	json_t *pairs = json_array();

	for (size_t i = 0; i < POOLS; i++)
		if ((!query->pool || !strcmp(query->pool, pools[i])) &&
		    !fetch_pool(query->name, pools[i], pairs)) {
			json_decref(pairs);
			return NULL;
		}
	return pairs;
}

static const char *text_of(const json_t *pair, const char *name)
{
	const char *text = json_string_value(json_object_get(pair, name));

	return text ? text : "";
}

static enum vmm_exit list(const struct vmm_query *query)
{
	json_t *pairs = fetch(query), *pair;
	size_t i;

	if (!pairs)
		return VMM_EXIT_FAILED;
	if (query->json) {
		vmm_print_json(pairs);
		return VMM_EXIT_DONE;
	}
	if (!json_array_size(pairs))
		vmm_print("%s: no pairs\n", query->name);
	else
		vmm_print("%-14s %-28s %s\n", "POOL", "KEY", "VALUE");
	json_array_foreach(pairs, i, pair) vmm_print("%-14s %-28s %s\n", text_of(pair, "pool"),
						     text_of(pair, "key"), text_of(pair, "value"));
	json_decref(pairs);
	return VMM_EXIT_DONE;
}

static enum vmm_exit get(const struct vmm_query *query)
{
	json_t *pairs = fetch(query), *pair = NULL;
	size_t i;

	if (!pairs)
		return VMM_EXIT_FAILED;
	for (i = 0; i < json_array_size(pairs) && !pair; i++)
		if (!strcmp(text_of(json_array_get(pairs, i), "key"), query->key))
			pair = json_incref(json_array_get(pairs, i));
	json_decref(pairs);
	if (!pair) {
		vmm_log(HVH_LOG_ERROR, "the VM '%s': the guest has no key '%s'%s%s%s", query->name,
			query->key, query->pool ? " in the pool '" : "",
			query->pool ? query->pool : "", query->pool ? "'" : "");
		return VMM_EXIT_FAILED;
	}
	if (query->json) {
		vmm_print_json(pair);
		return VMM_EXIT_DONE;
	}
	vmm_print("%s\n", text_of(pair, "value"));
	json_decref(pair);
	return VMM_EXIT_DONE;
}

static enum vmm_exit change(const struct vmm_query *query)
{
	const char *pool = query->pool ? query->pool : "external";
	json_t *request = json_pack("{s:s, s:s, s:s, s:s, s:s*}", "command", "kvp", "order",
				    query->kvp_order, "pool", pool, "key", query->key, "value",
				    query->value);
	json_t *result;

	if (!request) {
		vmm_log(HVH_LOG_ERROR, "key and value must be UTF-8");
		return VMM_EXIT_FAILED;
	}
	result = vmm_ask(query->name, request, ANSWER_TIMEOUT_S);
	if (!result)
		return VMM_EXIT_FAILED;
	json_decref(result);
	if (query->json)
		vmm_print_json(json_pack("{s:s, s:s, s:s, s:s*}", "pool", pool, "order",
					 query->kvp_order, "key", query->key, "value",
					 query->value));
	return VMM_EXIT_DONE;
}

enum vmm_exit vmm_command_kvp(const struct vmm_query *query)
{
	if (!strcmp(query->kvp_order, "list"))
		return list(query);
	return strcmp(query->kvp_order, "get") ? change(query) : get(query);
}

/* --- IP settings -------------------------------------------------------------------------------- */

static json_t *list_json(const char *const list[VMM_QUERY_LIST_MAX])
{
	json_t *array = json_array();

	for (unsigned i = 0; i < VMM_QUERY_LIST_MAX && list[i]; i++)
		json_array_append_new(array, json_string(list[i]));
	return array;
}

static void print_list(const char *title, const json_t *list)
{
	const json_t *text;
	size_t i;

	json_array_foreach(list, i, text)
		vmm_print("%-10s %s\n", i ? "" : title, json_string_value(text));
}

enum vmm_exit vmm_command_ip(const struct vmm_query *query)
{
	json_t *request = json_pack("{s:s, s:s, s:i, s:b, s:o, s:o, s:o}", "command", "ip", "order",
				    query->ip_set ? "set" : "get", "nic", (int)query->nic, "dhcp",
				    (int)query->dhcp, "addresses", list_json(query->addresses),
				    "gateways", list_json(query->gateways), "dns",
				    list_json(query->dns));
	json_t *result;

	if (!request) {
		vmm_log(HVH_LOG_ERROR, "addresses must be plain text");
		return VMM_EXIT_FAILED;
	}
	result = vmm_ask(query->name, request, ANSWER_TIMEOUT_S);
	if (!result)
		return VMM_EXIT_FAILED;
	if (query->json) {
		vmm_print_json(result);
		return VMM_EXIT_DONE;
	}
	if (query->ip_set) {
		vmm_print("%s: network adapter %u: the guest has these settings\n", query->name,
			  query->nic);
	} else {
		vmm_print("%-10s %s\n", "DHCP",
			  json_is_true(json_object_get(result, "dhcp")) ? "yes" : "no");
		print_list("Addresses", json_object_get(result, "addresses"));
		print_list("Gateways", json_object_get(result, "gateways"));
		print_list("DNS", json_object_get(result, "dns"));
	}
	json_decref(result);
	return VMM_EXIT_DONE;
}
