/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * hvis-kvpd: keeps the pairs that host and guest exchange, and tells and takes IP settings.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemons/facts.h"
#include "daemons/ip.h"
#include "daemons/pool.h"
#include "daemons/service.h"
#include "hvp_daemon.h"
#include "hvp_ic.h"
#include "hvp_kvp.h"

#define DEVICE "/dev/vmbus/hv_kvp"
#define POOLS  "/var/lib/hyperv"
#define HOOK   "/usr/libexec/hypervkvpd/hv_set_ifconfig"

_Static_assert(HVD_KEY_BYTES == HVP_DAEMON_KVP_KEY_BYTES &&
		       HVD_VALUE_BYTES == HVP_DAEMON_KVP_VALUE_BYTES,
	       "a pair's texts have the same room in messages and files");

static struct hvd_ip_config config = { .root = "", .folder = POOLS, .hook = HOOK };
static char services[HVP_DAEMON_KVP_VERSION_BYTES + 1]; /* their version */

static bool set_pools(const char *value)
{
	config.folder = value;
	return true;
}

static bool set_hook(const char *value)
{
	config.hook = value;
	return value[0] == '/';
}

static bool set_root(const char *value)
{
	config.root = value;
	return true;
}

/* A text of a message: false: it does not end. */
static bool is_text(const char *text, size_t size)
{
	return memchr(text, '\0', size) != NULL;
}

static uint32_t status_of(int err)
{
	/* Hosts take this for "no such key" and for "it is too long", as the kernel's own daemon has it. */
	if (err == -ENOENT || err == -EFBIG)
		return HVP_IC_NO_MORE_ITEMS;
	if (err)
		hvd_log(LOG_ERR, "a pool cannot be used: %s", strerror(-err));
	return err ? HVP_IC_FAIL : HVP_IC_SUCCESS;
}

static uint32_t set(uint8_t pool, const struct hvp_daemon_pair *pair)
{
	if (!is_text(pair->key, sizeof(pair->key)) || !is_text(pair->value, sizeof(pair->value)) ||
	    !pair->key[0])
		return HVP_IC_INVALID;
	/* That one is made of facts. */
	if (pool == HVP_KVP_POOL_AUTO)
		return HVP_IC_INVALID;
	return status_of(hvd_pool_set(pool, pair->key, pair->value));
}

static uint32_t get(uint8_t pool, struct hvp_daemon_pair *pair)
{
	int err;

	if (!is_text(pair->key, sizeof(pair->key)))
		return HVP_IC_INVALID;
	err = hvd_pool_get(pool, pair->key, pair->value);
	pair->value_size = err ? 0 : (uint32_t)strlen(pair->value) + 1;
	return status_of(err);
}

static uint32_t delete (uint8_t pool, const struct hvp_daemon_delete *message)
{
	if (!is_text(message->key, sizeof(message->key)) || pool == HVP_KVP_POOL_AUTO)
		return HVP_IC_INVALID;
	return status_of(hvd_pool_delete(pool, message->key));
}

static uint32_t enumerate(uint8_t pool, struct hvp_daemon_enumerate *message)
{
	struct hvd_pair pair = { .key = "" };
	const char *key;
	int err = 0;

	if (pool != HVP_KVP_POOL_AUTO)
		err = hvd_pool_at(pool, message->index, &pair);
	else if (!hvd_fact(message->index, services, config.root, &key, pair.value,
			   sizeof(pair.value)))
		err = -ENOENT;
	else
		snprintf(pair.key, sizeof(pair.key), "%s", key);
	if (err)
		return status_of(err);
	message->pair.type = HVP_KVP_STRING;
	memcpy(message->pair.key, pair.key, sizeof(pair.key));
	memcpy(message->pair.value, pair.value, sizeof(pair.value));
	message->pair.key_size = (uint32_t)strlen(pair.key) + 1;
	message->pair.value_size = (uint32_t)strlen(pair.value) + 1;
	return HVP_IC_SUCCESS;
}

static uint32_t serve(struct hvp_daemon_kvp *message)
{
	if (message->pool >= HVP_KVP_POOLS)
		return HVP_IC_INVALID;
	switch (message->op) {
	case HVP_KVP_SET:
		return set(message->pool, &message->set);
	case HVP_KVP_GET:
		return get(message->pool, &message->set);
	case HVP_KVP_DELETE:
		return delete (message->pool, &message->delete);
	case HVP_KVP_ENUMERATE:
		return enumerate(message->pool, &message->enumerate);
	case HVP_KVP_GET_IP:
		return hvd_ip_get(&config, &message->ip);
	case HVP_KVP_SET_IP:
		return hvd_ip_set(&config, &message->ip);
	}
	return HVP_IC_NOT_SUPPORTED;
}

static int serve_all(int device)
{
	static struct hvp_daemon_kvp message;

	for (;;) {
		ssize_t n = hvd_read(device, &message, sizeof(message));
		int err = n == (ssize_t)sizeof(message) ? 0 : n > 0 ? -EPROTO : (int)n;

		if (n == -EINTR)
			return 0;
		if (!err && n) {
			message.status = serve(&message);
			err = hvd_write(device, &message, sizeof(message));
		}
		if (err || !n) {
			hvd_log(err ? LOG_ERR : LOG_INFO, "%s",
				err ? strerror(-err) : "the driver has gone");
			return err != 0;
		}
	}
}

int main(int argc, char **argv)
{
	static const struct hvd_option options[] = {
		{ "--pools", "FOLDER  for the pools (" POOLS ")", set_pools },
		{ "--hook", "PROGRAM  that applies IP settings (" HOOK ")", set_hook },
		{ "--root", "FOLDER   where /etc, /run and /sys are (/)", set_root },
		{ NULL, NULL, NULL },
	};
	const char *path = hvd_arguments(argc, argv, "hvis-kvpd", DEVICE, options);
	struct hvp_daemon_kvp hello = { .op = HVP_DAEMON_KVP_REGISTER }, answer;
	int device, err;
	ssize_t n;

	hvd_catch_signals();
	err = hvd_pools_open(config.folder, true);
	if (err) {
		hvd_log(LOG_ERR, "%s: %s", config.folder, strerror(-err));
		return 1;
	}
	device = hvd_open(path);
	if (device < 0)
		return 1;
	n = hvd_register(device, &hello, sizeof(hello), &answer, sizeof(answer));
	if (n != sizeof(answer))
		return n == -EINTR ? 0 : 1;
	memcpy(services, answer.version, sizeof(answer.version));
	hvd_log(LOG_INFO, "serves key-value pairs");
	return serve_all(device);
}
