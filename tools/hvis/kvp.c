/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "tools/hvis/kvp.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemons/pool.h"
#include "hvp_kvp.h"
#include "tools/hvis/json.h"

#define FOLDER "/var/lib/hyperv"

#define POOL_NAME(number, id, name) [number] = (name),
static const char *const names[HVP_KVP_POOLS] = { HVP_KVP_POOL_LIST(POOL_NAME) };
#undef POOL_NAME

/* -1: there is no such pool. */
static int pool_of(const char *name)
{
	for (int i = 0; i < HVP_KVP_POOLS; i++)
		if (!strcmp(names[i], name))
			return i;
	return -1;
}

static bool is(const struct hvis_kvp_request *request, const char *order)
{
	return request->order && !strcmp(request->order, order);
}

const char *hvis_kvp_check(const struct hvis_kvp_request *request)
{
	bool set = is(request, "set"), one = is(request, "get") || is(request, "delete");

	if (request->order && !set && !one && !is(request, "list"))
		return "what to do is list, get, set or delete";
	if (set ? !request->value : one ? !request->key || request->value : request->key != NULL)
		return set ? "set needs a key and a value" :
		       one ? "a key is needed, and no more" :
			     "list takes no key";
	if (request->pool && pool_of(request->pool) < 0)
		return "there is no such pool; there are external, guest, auto and auto-external";
	if (request->pool && pool_of(request->pool) == HVP_KVP_POOL_AUTO)
		return "the daemon makes the pool auto when the host asks: there is no file of it";
	if (request->key && (!*request->key || strlen(request->key) >= HVD_KEY_BYTES))
		return "a key has 1 to 511 bytes";
	if (request->value && strlen(request->value) >= HVD_VALUE_BYTES)
		return "a value has at most 2047 bytes";
	return NULL;
}

static int complain(const char *what, int err)
{
	fprintf(stderr, "hvis kvp: %s: %s\n", what,
		err == -ETIMEDOUT ? "another program keeps it locked" : strerror(-err));
	return 1;
}

/* --- what there is ------------------------------------------------------------------------------- */

static void print_text(const char *text)
{
	for (; *text; text++)
		putchar((unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text);
}

static json_t *pair_json(unsigned pool, const struct hvd_pair *pair)
{
	return json_pack("{s:s, s:o, s:o}", "pool", names[pool], "key", hvis_json_text(pair->key),
			 "value", hvis_json_text(pair->value));
}

static void print_pair(unsigned pool, const struct hvd_pair *pair, bool *header)
{
	if (!*header)
		printf("%-14s %-28s VALUE\n", "POOL", "KEY");
	*header = true;
	printf("%-14s ", names[pool]);
	print_text(pair->key);
	printf("%*s ", strlen(pair->key) < 28 ? 28 - (int)strlen(pair->key) : 0, "");
	print_text(pair->value);
	putchar('\n');
}

/* All pairs of the pools that are meant, or the first with the key; false: there is none. Negative: -errno. */
static int find(const struct hvis_kvp_request *request, json_t *json, const char **failed)
{
	static const unsigned order[] = { HVP_KVP_POOL_GUEST, HVP_KVP_POOL_EXTERNAL,
					  HVP_KVP_POOL_AUTO_EXTERNAL };
	bool header = false;
	int found = 0;

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		struct hvd_pair *pairs;
		size_t count;
		int err;

		*failed = names[order[i]];
		if (request->pool && strcmp(request->pool, *failed))
			continue;
		err = hvd_pool_read(order[i], &pairs, &count);
		if (err)
			return err;
		for (size_t k = 0; k < count && !(request->key && found); k++) {
			if (request->key && strcmp(request->key, pairs[k].key))
				continue;
			found = 1;
			if (request->json)
				json_array_append_new(json, pair_json(order[i], &pairs[k]));
			else if (request->key)
				print_text(pairs[k].value), putchar('\n');
			else
				print_pair(order[i], &pairs[k], &header);
		}
		free(pairs);
	}
	return found;
}

static int show(const struct hvis_kvp_request *request)
{
	json_t *json = json_array();
	const char *failed = NULL;
	int found = find(request, json, &failed);

	if (found >= 0 && request->json && (found || !request->key)) {
		json_dumpf(request->key ? json_array_get(json, 0) : json, stdout, JSON_INDENT(2));
		putchar('\n');
	}
	json_decref(json);
	if (found < 0)
		return complain(failed, found);
	if (!found && !request->key && !request->json)
		puts("no pairs");
	if (found || !request->key)
		return 0;
	fprintf(stderr, "hvis kvp: there is no key '%.64s'\n", request->key);
	return 1;
}

/* --- changes ------------------------------------------------------------------------------------- */

static int change(const struct hvis_kvp_request *request)
{
	const char *name = request->pool ? request->pool : names[HVP_KVP_POOL_GUEST];
	unsigned pool = (unsigned)pool_of(name);
	int err = request->value ? hvd_pool_set(pool, request->key, request->value) :
				   hvd_pool_delete(pool, request->key);

	if (err == -ENOENT) {
		fprintf(stderr, "hvis kvp: there is no key '%.64s' in the pool %s\n", request->key,
			name);
		return 1;
	}
	if (err)
		return complain(name, err);
	if (request->json) {
		json_t *json = json_pack("{s:s, s:s, s:o}", "pool", name, "order", request->order,
					 "key", hvis_json_text(request->key));

		json_dumpf(json, stdout, JSON_INDENT(2));
		putchar('\n');
		json_decref(json);
	}
	return 0;
}

int hvis_kvp_run(const struct hvis_kvp_request *request)
{
	const char *root = getenv("HVIS_ROOT");
	bool changes = is(request, "set") || is(request, "delete");
	char folder[4096];
	int err;

	snprintf(folder, sizeof(folder), "%s" FOLDER, root ? root : "");
	err = hvd_pools_open(folder, changes);
	if (err == -ENOENT && !changes) {
		fputs("hvis kvp: there are no pools here: no daemon for them has run (hvis-kvpd, hv_kvp_daemon)\n",
		      stderr);
		return 1;
	}
	if (err)
		return complain(folder, err);
	return changes ? change(request) : show(request);
}
