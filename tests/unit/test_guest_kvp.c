/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The guest's key-value service, between a host and a daemon that are late, gone or anew at any time.
 */
#include "hvw_kvp.h"

#define WORLD_DRIVER hvg_kvp_driver
#define SERVICE_CLASS HVP_CLASS_KVP
#define SERVICE_TYPE  HVP_IC_KVP
#include "tests/unit/guest_daemon.h"

/* The guest knows the first. */
static const struct hvp_ic_version messages[] = { { 4, 0 }, { 5, 0 } };

static bool up(struct bed *b, struct world *w)
{
	return service_up(b, w, (struct hvp_guid)HVP_CLASS_KVP, HVP_IC_KVP);
}

/* A daemon that says what it is and reads the answer to that. */
static bool daemon_comes(struct bed *b)
{
	struct hvp_daemon_kvp message = { .op = HVP_DAEMON_KVP_REGISTER };
	int err = hvg_daemon_open(b->device, wake, b);

	W_EQ(b->w, err, 0);
	if (err)
		return false;
	W_EQ(b->w, hvg_daemon_write(b->device, &message, sizeof(message)), sizeof(message));
	W_EQ(b->w, hvg_daemon_readable(b->device), true);
	memset(&message, 0, sizeof(message));
	W_EQ(b->w, hvg_daemon_read(b->device, &message, sizeof(message)), sizeof(message));
	W_EQ(b->w, message.op, HVP_DAEMON_KVP_REGISTER);
	W_EQ(b->w, strcmp(message.version, "3.1"), 0);
	return true;
}

static bool up_with_daemon(struct bed *b, struct world *w)
{
	if (!up(b, w) || !daemon_comes(b))
		return false;
	put_versions(b, messages, 2);
	return chosen(b, messages[0]);
}

static void ask_set(struct bed *b, const char *key, const char *value)
{
	struct hvp_kvp_set set = { .h = { HVP_KVP_SET, HVP_KVP_POOL_EXTERNAL } };

	TAP_EQ(hvw_kvp_put_key(&set.pair, key), 0);
	TAP_EQ(hvw_kvp_put_value(&set.pair, value), 0);
	ask_with(b, &set, sizeof(set));
}

static void ask_enumerate(struct bed *b, uint32_t index)
{
	struct hvp_kvp_enumerate enumerate = { .h = { HVP_KVP_ENUMERATE, HVP_KVP_POOL_AUTO },
					       .index = index };

	ask_with(b, &enumerate, sizeof(enumerate));
}

static bool daemon_reads(struct bed *b, struct hvp_daemon_kvp *message)
{
	int len = hvg_daemon_read(b->device, message, sizeof(*message));

	W_EQ(b->w, len, sizeof(*message));
	return len == sizeof(*message);
}

static void daemon_writes(struct bed *b, struct hvp_daemon_kvp *message, uint32_t status)
{
	message->status = status;
	W_EQ(b->w, hvg_daemon_write(b->device, message, sizeof(*message)), sizeof(*message));
}

/* --- pairs ------------------------------------------------------------------------------------------- */

static void set_scenario(struct world *w)
{
	struct hvp_daemon_kvp message;
	struct bed b;

	if (!up_with_daemon(&b, w))
		return;
	W_EQ(w, hvg_daemon_read(b.device, &message, sizeof(message)), -EAGAIN);
	ask_set(&b, "key", "v\xc3\xa4lue");
	W_EQ(w, b.woken, 1);
	W_EQ(w, hvg_daemon_read(b.device, &message, sizeof(message) - 1), -EINVAL);
	if (!daemon_reads(&b, &message))
		return;
	W_EQ(w, message.op, HVP_KVP_SET);
	W_EQ(w, message.pool, HVP_KVP_POOL_EXTERNAL);
	W_EQ(w, message.set.type, HVP_KVP_STRING);
	W_EQ(w, message.set.key_size, 4);
	W_EQ(w, message.set.value_size, 7);
	W_EQ(w, strcmp(message.set.key, "key"), 0);
	W_EQ(w, strcmp(message.set.value, "v\xc3\xa4lue"), 0);
	W_EQ(w, taken(&b), false);
	daemon_writes(&b, &message, HVP_IC_SUCCESS);
	host_is_told(&b, HVP_IC_SUCCESS);
	/* It answers nothing. */
	W_EQ(w, hvg_daemon_write(b.device, &message, sizeof(message)), -EINVAL);
	hvg_daemon_close(b.device);
}

static void enumerate_scenario(struct world *w)
{
	struct hvp_kvp_enumerate body;
	struct hvp_daemon_kvp message;
	char text[HVW_KVP_VALUE];
	struct bed b;

	if (!up_with_daemon(&b, w))
		return;
	ask_enumerate(&b, 7);
	if (!daemon_reads(&b, &message))
		return;
	W_EQ(w, message.op, HVP_KVP_ENUMERATE);
	W_EQ(w, message.enumerate.index, 7);
	strcpy(message.enumerate.pair.key, "k\xff");
	/* Without a terminator. */
	memset(message.enumerate.pair.value, 'v', sizeof(message.enumerate.pair.value));
	daemon_writes(&b, &message, HVP_IC_SUCCESS);
	if (!host_is_told(&b, HVP_IC_SUCCESS))
		return;
	W_EQ(w, hvw_ic_read(&b.ic, 0, &body, sizeof(body)), 0);
	W_EQ(w, body.pair.type, HVP_KVP_STRING);
	W_EQ(w, hvw_kvp_get_key(&body.pair, text, sizeof(text)), 5);
	W_EQ(w, strcmp(text, "k\xef\xbf\xbd"), 0);
	W_EQ(w, hvw_kvp_get_value(&body.pair, text, sizeof(text)), HVP_KVP_VALUE_UNITS);
	ask_enumerate(&b, 8);
	if (!daemon_reads(&b, &message))
		return;
	daemon_writes(&b, &message, HVP_IC_NO_MORE_ITEMS);
	host_is_told(&b, HVP_IC_NO_MORE_ITEMS);
	hvg_daemon_close(b.device);
}

static void get_and_delete_scenario(struct world *w)
{
	struct hvp_kvp_set get = { .h = { HVP_KVP_GET, HVP_KVP_POOL_GUEST } };
	struct hvp_kvp_delete delete = { .h = { HVP_KVP_DELETE, HVP_KVP_POOL_GUEST },
					 .key_size = 4,
					 .key = { 'd' } };
	struct hvp_daemon_kvp message;
	char text[HVW_KVP_VALUE];
	struct bed b;

	if (!up_with_daemon(&b, w))
		return;
	TAP_EQ(hvw_kvp_put_key(&get.pair, "g"), 0);
	ask_with(&b, &get, sizeof(get));
	if (!daemon_reads(&b, &message))
		return;
	W_EQ(w, strcmp(message.set.key, "g"), 0);
	strcpy(message.set.value, "got");
	daemon_writes(&b, &message, HVP_IC_SUCCESS);
	if (!host_is_told(&b, HVP_IC_SUCCESS))
		return;
	W_EQ(w, hvw_ic_read(&b.ic, 0, &get, sizeof(get)), 0);
	W_EQ(w, hvw_kvp_get_value(&get.pair, text, sizeof(text)), 4);
	W_EQ(w, strcmp(text, "got"), 0);
	ask_with(&b, &delete, sizeof(delete));
	if (!daemon_reads(&b, &message))
		return;
	W_EQ(w, message.op, HVP_KVP_DELETE);
	W_EQ(w, message.delete.key_size, 2);
	W_EQ(w, strcmp(message.delete.key, "d"), 0);
	daemon_writes(&b, &message, HVP_IC_SUCCESS);
	host_is_told(&b, HVP_IC_SUCCESS);
	hvg_daemon_close(b.device);
}

static void ip_scenario(struct world *w)
{
	struct hvp_kvp_ip ip = { .h = { HVP_KVP_GET_IP, 0 }, .adapter = { '0', '1' }, .family = 3 };
	struct hvp_daemon_kvp message;
	struct bed b;

	if (!up_with_daemon(&b, w))
		return;
	ask_with(&b, &ip, sizeof(ip));
	if (!daemon_reads(&b, &message))
		return;
	W_EQ(w, strcmp(message.ip.adapter, "01"), 0);
	W_EQ(w, message.ip.family, 3);
	strcpy(message.ip.addresses, "10.0.0.1;::1");
	message.ip.family = 1;
	message.ip.dhcp = 1;
	memset(message.ip.dns, 'd', sizeof(message.ip.dns));
	daemon_writes(&b, &message, HVP_IC_SUCCESS);
	if (!host_is_told(&b, HVP_IC_SUCCESS))
		return;
	W_EQ(w, hvw_ic_read(&b.ic, 0, &ip, sizeof(ip)), 0);
	W_EQ(w, ip.family, 1);
	W_EQ(w, ip.dhcp, 1);
	W_EQ(w, memcmp(ip.addresses, "1\0000\0.\0", 6), 0);
	W_EQ(w, ip.dns[1022], 'd');
	W_EQ(w, ip.dns[1023], 0);
	hvg_daemon_close(b.device);
}

/* Requests that never reach the daemon. */
static void refused_scenario(struct world *w)
{
	static const struct {
		uint8_t op, pool;
		uint16_t size;
		uint32_t key_size;
		uint32_t status;
	} cases[] = {
		{ HVP_KVP_SET, 0, 1, 0, HVP_IC_INVALID },
		{ HVP_KVP_SET, 4, sizeof(struct hvp_kvp_set), 4, HVP_IC_INVALID },
		{ HVP_KVP_SET, 0xff, sizeof(struct hvp_kvp_set), 4, HVP_IC_INVALID },
		{ HVP_KVP_SET, 0, sizeof(struct hvp_kvp_set) - 1, 4, HVP_IC_INVALID },
		{ HVP_KVP_SET, 0, sizeof(struct hvp_kvp_set), 3, HVP_IC_INVALID },
		{ HVP_KVP_SET, 0, sizeof(struct hvp_kvp_set), 514, HVP_IC_INVALID },
		{ HVP_KVP_SET, 0, sizeof(struct hvp_kvp_set), 512,
		  HVP_IC_INVALID }, /* in UTF-8 it is too long */
		{ HVP_KVP_ENUMERATE, 0, sizeof(struct hvp_kvp_enumerate) - 1, 4, HVP_IC_INVALID },
		{ HVP_KVP_DELETE, 0, sizeof(struct hvp_kvp_delete) - 1, 4, HVP_IC_INVALID },
		{ HVP_KVP_GET_IP, 0, sizeof(struct hvp_kvp_ip) - 1, 4, HVP_IC_INVALID },
		{ 6, 0, sizeof(struct hvp_kvp_set), 4, HVP_IC_NOT_SUPPORTED },
	};
	struct bed b;

	if (!up_with_daemon(&b, w))
		return;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct hvp_kvp_set set = {
			.h = { cases[i].op, cases[i].pool },
			.pair = { .type = HVP_KVP_STRING, .key_size = cases[i].key_size },
		};
		uint8_t body[sizeof(struct hvp_kvp_ip)] = { 0 };

		for (unsigned k = 0; k < HVP_KVP_KEY_UNITS; k++)
			set.pair.key[k] = 0x20ac;
		memcpy(body, &set, sizeof(set));
		ask_with(&b, body, cases[i].size);
		if (!host_is_told(&b, cases[i].status))
			return;
		W_EQ(w, hvg_daemon_readable(b.device), false);
	}
	/* Deleting has its size elsewhere. */
	for (uint32_t size = 513; size < 515; size++) {
		struct hvp_kvp_delete delete = { .h = { HVP_KVP_DELETE, 0 }, .key_size = size };

		ask_with(&b, &delete, sizeof(delete));
		if (!host_is_told(&b, HVP_IC_INVALID))
			return;
	}
	hvg_daemon_close(b.device);
}

/* --- daemons ----------------------------------------------------------------------------------------- */

static void nobody_scenario(struct world *w)
{
	struct hvp_daemon_kvp message = { .op = HVP_KVP_SET };
	struct bed b;

	if (!up(&b, w))
		return;
	put_versions(&b, messages, 2);
	W_EQ(w, taken(&b), false);
	if (hvg_daemon_open(b.device, wake, &b))
		return;
	W_EQ(w, hvg_daemon_open(b.device, wake, &b), -EBUSY);
	/* Not what a daemon says first. */
	W_EQ(w, hvg_daemon_write(b.device, &message, sizeof(message)), -EINVAL);
	message.op = HVP_DAEMON_KVP_REGISTER;
	W_EQ(w, hvg_daemon_write(b.device, &message, sizeof(message) - 1), -EINVAL);
	W_EQ(w, taken(&b), false);
	hvg_daemon_close(b.device);
	if (!daemon_comes(&b))
		return;
	chosen(&b, messages[0]);
	/* One that has gone: the host is told at once from now on. */
	hvg_daemon_close(b.device);
	ask_set(&b, "a", "b");
	host_is_told(&b, HVP_IC_FAIL);
}

static void gone_scenario(struct world *w)
{
	struct hvp_daemon_kvp message;
	struct bed b;

	if (!up_with_daemon(&b, w))
		return;
	ask_set(&b, "a", "b");
	hvg_daemon_close(b.device);
	if (!host_is_told(&b, HVP_IC_FAIL) || !daemon_comes(&b))
		return;
	ask_set(&b, "c", "d");
	if (!daemon_reads(&b, &message))
		return;
	hvg_daemon_close(b.device);
	if (!host_is_told(&b, HVP_IC_FAIL) || !daemon_comes(&b))
		return;
	ask_set(&b, "e", "f");
	if (!daemon_reads(&b, &message))
		return;
	W_EQ(w, strcmp(message.set.key, "e"), 0);
	daemon_writes(&b, &message, HVP_IC_SUCCESS);
	host_is_told(&b, HVP_IC_SUCCESS);
	hvg_daemon_close(b.device);
}

/* The answer to a request that was given up must not be taken for that to the next. */
static void late_scenario(struct world *w)
{
	struct hvp_daemon_kvp message;
	struct bed b;

	if (!up_with_daemon(&b, w))
		return;
	ask_set(&b, "a", "b");
	if (!daemon_reads(&b, &message))
		return;
	hvos_sleep_ms(29000);
	W_EQ(w, taken(&b), false);
	hvos_sleep_ms(1000);
	if (!host_is_told(&b, HVP_IC_FAIL))
		return;
	ask_set(&b, "c", "d");
	daemon_writes(&b, &message, HVP_IC_SUCCESS);
	W_EQ(w, taken(&b), false);
	if (!daemon_reads(&b, &message))
		return;
	W_EQ(w, strcmp(message.set.key, "c"), 0);
	daemon_writes(&b, &message, HVP_IC_NO_MORE_ITEMS);
	if (!host_is_told(&b, HVP_IC_NO_MORE_ITEMS))
		return;
	/* One that it has not even read it does not get to see. */
	ask_set(&b, "e", "f");
	hvos_sleep_ms(30000);
	host_is_told(&b, HVP_IC_FAIL);
	W_EQ(w, hvg_daemon_readable(b.device), false);
	W_EQ(w, hvg_daemon_write(b.device, &message, sizeof(message)), -EINVAL);
	hvg_daemon_close(b.device);
}

/* The host speaks again without waiting for the answer. */
static void impatient_scenario(struct world *w)
{
	struct hvp_daemon_kvp message;
	struct bed b;

	if (!up_with_daemon(&b, w))
		return;
	ask_set(&b, "a", "b");
	if (!daemon_reads(&b, &message))
		return;
	put_versions(&b, messages, 2);
	chosen(&b, messages[0]);
	ask_set(&b, "c", "d");
	daemon_writes(&b, &message, HVP_IC_SUCCESS);
	W_EQ(w, taken(&b), false);
	if (!daemon_reads(&b, &message))
		return;
	W_EQ(w, strcmp(message.set.key, "c"), 0);
	daemon_writes(&b, &message, HVP_IC_SUCCESS);
	host_is_told(&b, HVP_IC_SUCCESS);
	W_EQ(w, taken(&b), false);
	hvg_daemon_close(b.device);
}

/* The machine sleeps while the daemon works. */
static void suspend_scenario(struct world *w)
{
	struct hvp_daemon_kvp message;
	struct bed b;

	if (!up_with_daemon(&b, w))
		return;
	ask_set(&b, "a", "b");
	if (!daemon_reads(&b, &message))
		return;
	if (hvg_bus_suspend(w->bus))
		return;
	daemon_writes(&b, &message, HVP_IC_SUCCESS);
	if (hvg_bus_resume(w->bus) || hvg_bus_settle(w->bus, SETTLE_MS) || !b.channel->open)
		return;
	put_versions(&b, messages, 2);
	chosen(&b, messages[0]);
	ask_set(&b, "c", "d");
	if (!daemon_reads(&b, &message))
		return;
	daemon_writes(&b, &message, HVP_IC_SUCCESS);
	host_is_told(&b, HVP_IC_SUCCESS);
	hvg_daemon_close(b.device);
}

/* It goes with a request under way, in each of its states. */
static void leaving_scenario(struct world *w)
{
	struct hvp_daemon_kvp message;
	struct bed b;

	if (!up_with_daemon(&b, w))
		return;
	ask_set(&b, "a", "b");
	if (w->n > 0 && !daemon_reads(&b, &message))
		return;
	if (w->n > 1)
		daemon_writes(&b, &message, HVP_IC_SUCCESS);
}

#define SCENARIO(name)                                                                             \
	TAP_TEST(name)                                                                             \
	{                                                                                          \
		world_run(name##_scenario, 0);                                                     \
	}

SCENARIO(set)
SCENARIO(enumerate)
SCENARIO(get_and_delete)
SCENARIO(ip)
SCENARIO(refused)
SCENARIO(nobody)
SCENARIO(gone)
SCENARIO(late)
SCENARIO(impatient)
SCENARIO(suspend)

TAP_TEST(leaving)
{
	for (unsigned n = 0; n < 3; n++)
		world_run(leaving_scenario, n);
}

TAP_MAIN()
