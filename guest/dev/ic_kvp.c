/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Key-value pairs and IP settings: UTF-16 for the host, UTF-8 for the daemon, which keeps the pairs.
 *
 * Bodies lie in the message at addresses that are not aligned, so fields are reached by their offsets.
 */
#include "hvp_daemon.h"
#include "hvp_kvp.h"
#include "hvw_kvp.h"
#include "ic_daemon_priv.h"

/* As the kernel's own driver waits. */
#define TIMEOUT_MS 30000u

/* What the driver tells the daemon it is, and that tells the host: no version of a message, but of all the services. */
#define SERVICES_VERSION "3.1"

#define MESSAGE sizeof(struct hvp_daemon_kvp)

static const struct hvp_ic_version frameworks[] = { { 3, 0 }, { 1, 0 } };
/* 5.0 would have the host give IP settings in a form that daemons do not know. */
static const struct hvp_ic_version messages[] = { { 4, 0 }, { 3, 0 }, { 1, 0 } };

/* --- the host's request for the daemon --------------------------------------------------------------- */

/* 0, or what the host is told: a text that the daemon has no room for. */
static uint32_t ask_key(const uint8_t *pair, char *key, uint32_t *size)
{
	int len = hvw_kvp_get_key(pair, key, HVP_DAEMON_KVP_KEY_BYTES);

	*size = (uint32_t)len;
	return len < 0 ? HVP_IC_INVALID : HVP_IC_SUCCESS;
}

static uint32_t ask_set(const uint8_t *body, size_t size, struct hvp_daemon_pair *set, bool value)
{
	const uint8_t *pair = body + offsetof(struct hvp_kvp_set, pair);
	uint32_t key_size = 0, status;
	int len = 0;

	if (size < sizeof(struct hvp_kvp_set))
		return HVP_IC_INVALID;
	status = ask_key(pair, (char *)set + offsetof(struct hvp_daemon_pair, key), &key_size);
	if (value && !status)
		len = hvw_kvp_get_value(pair, (char *)set + offsetof(struct hvp_daemon_pair, value),
					HVP_DAEMON_KVP_VALUE_BYTES);
	set->type = HVP_KVP_STRING;
	set->key_size = key_size;
	set->value_size = (uint32_t)len;
	return len < 0 ? HVP_IC_INVALID : status;
}

static uint32_t ask_delete(const uint8_t *body, size_t size, struct hvp_daemon_delete *delete)
{
	/* A pair's key with its size, without what stands between the two. */
	struct {
		uint32_t size;
		uint16_t units[HVP_KVP_KEY_UNITS];
	} key;
	int len;

	if (size < sizeof(struct hvp_kvp_delete))
		return HVP_IC_INVALID;
	hvw_memcpy(&key, body + offsetof(struct hvp_kvp_delete, key_size), sizeof(key));
	if (key.size % 2 || key.size > sizeof(key.units))
		return HVP_IC_INVALID;
	len = hvw_utf16_to_utf8((char *)delete + offsetof(struct hvp_daemon_delete, key),
				HVP_DAEMON_KVP_KEY_BYTES, key.units, key.size / 2);
	delete->key_size = (uint32_t)len + 1;
	return len < 0 ? HVP_IC_INVALID : HVP_IC_SUCCESS;
}

static uint32_t ask_enumerate(const uint8_t *body, size_t size, uint32_t *index)
{
	/* The answer goes into the same place. */
	if (size < sizeof(struct hvp_kvp_enumerate))
		return HVP_IC_INVALID;
	hvw_memcpy(index, body + offsetof(struct hvp_kvp_enumerate, index), sizeof(*index));
	return HVP_IC_SUCCESS;
}

/* The texts of IP settings. */
static const struct ip_text {
	uint16_t units_at; /* in the host's message */
	uint16_t bytes_at; /* in the daemon's */
	uint16_t units; /* of the host's, and half as many bytes of the daemon's */
} ip_texts[] = {
#define IP_TEXT(field)                                                                             \
	{ offsetof(struct hvp_kvp_ip, field), offsetof(struct hvp_daemon_ip, field),               \
	  sizeof(((struct hvp_kvp_ip *)NULL)->field) / 2 },
	HVP_KVP_IP_TEXT_LIST(IP_TEXT)
#undef IP_TEXT
};
#define IP_TEXTS (sizeof(ip_texts) / sizeof(ip_texts[0]))

static uint32_t ask_ip(const uint8_t *body, size_t size, struct hvp_daemon_ip *ip)
{
	unsigned i;

	if (size < sizeof(struct hvp_kvp_ip))
		return HVP_IC_INVALID;
	ip->family = body[offsetof(struct hvp_kvp_ip, family)];
	ip->dhcp = body[offsetof(struct hvp_kvp_ip, dhcp)];
	for (i = 0; i < IP_TEXTS; i++) {
		const struct ip_text *text = &ip_texts[i];

		if (hvw_utf16_to_utf8((char *)ip + text->bytes_at, 2 * text->units,
				      body + text->units_at, text->units) < 0)
			return HVP_IC_INVALID;
	}
	return HVP_IC_SUCCESS;
}

static uint32_t ask(uint8_t *body, size_t size, uint8_t *message, uint32_t *status)
{
	struct hvp_daemon_kvp *kvp = (struct hvp_daemon_kvp *)message;
	struct hvp_kvp_header header;

	*status = HVP_IC_INVALID;
	if (size < sizeof(header))
		return 0;
	hvw_memcpy(&header, body, sizeof(header));
	if (header.pool >= HVP_KVP_POOLS)
		return 0;
	hvw_memset(kvp, 0, sizeof(*kvp));
	kvp->op = header.op;
	kvp->pool = header.pool;
	switch (header.op) {
	case HVP_KVP_GET:
	case HVP_KVP_SET:
		*status = ask_set(body, size, &kvp->set, header.op == HVP_KVP_SET);
		break;
	case HVP_KVP_DELETE:
		*status = ask_delete(body, size, &kvp->delete);
		break;
	case HVP_KVP_ENUMERATE:
		*status = ask_enumerate(body, size, &kvp->enumerate.index);
		break;
	case HVP_KVP_GET_IP:
	case HVP_KVP_SET_IP:
		*status = ask_ip(body, size, &kvp->ip);
		break;
	default:
		*status = HVP_IC_NOT_SUPPORTED;
	}
	return *status ? 0 : MESSAGE;
}

static uint32_t timeout_ms(const uint8_t *message)
{
	(void)message;
	return TIMEOUT_MS;
}

/* --- the daemon's answer for the host ---------------------------------------------------------------- */

static void answer_value(const struct hvp_daemon_pair *from, uint8_t *pair)
{
	hvw_kvp_put_any_value(pair, (const char *)from + offsetof(struct hvp_daemon_pair, value),
			      HVP_DAEMON_KVP_VALUE_BYTES);
}

static void answer_ip(const struct hvp_daemon_ip *ip, uint8_t *body)
{
	unsigned i;

	body[offsetof(struct hvp_kvp_ip, family)] = ip->family;
	body[offsetof(struct hvp_kvp_ip, dhcp)] = ip->dhcp;
	for (i = 0; i < IP_TEXTS; i++) {
		const struct ip_text *text = &ip_texts[i];

		hvw_utf16_from_any(body + text->units_at, text->units,
				   (const char *)ip + text->bytes_at, 2 * text->units);
	}
}

/* `body` is the request still, which was long enough for its operation. */
static uint32_t answer(const uint8_t *message, uint8_t *body, size_t size)
{
	const struct hvp_daemon_kvp *kvp = (const struct hvp_daemon_kvp *)message;
	uint8_t *pair = body + offsetof(struct hvp_kvp_enumerate, pair);

	(void)size;
	if (kvp->status)
		return kvp->status;
	switch (body[offsetof(struct hvp_kvp_header, op)]) {
	case HVP_KVP_ENUMERATE:
		hvw_kvp_put_any_key(pair,
				    (const char *)&kvp->enumerate +
					    offsetof(struct hvp_daemon_enumerate, pair.key),
				    HVP_DAEMON_KVP_KEY_BYTES);
		answer_value(&kvp->enumerate.pair, pair);
		break;
	case HVP_KVP_GET:
		answer_value(&kvp->set, body + offsetof(struct hvp_kvp_set, pair));
		break;
	case HVP_KVP_GET_IP:
		answer_ip(&kvp->ip, body);
		break;
	}
	return HVP_IC_SUCCESS;
}

/* --- the daemon says what it is ---------------------------------------------------------------------- */

static bool hello(const uint8_t *message, size_t size)
{
	return size >= MESSAGE &&
	       message[offsetof(struct hvp_daemon_kvp, op)] == HVP_DAEMON_KVP_REGISTER;
}

static void greet(uint8_t *message)
{
	struct hvp_daemon_kvp *kvp = (struct hvp_daemon_kvp *)message;

	hvw_memset(kvp, 0, sizeof(*kvp));
	kvp->op = HVP_DAEMON_KVP_REGISTER;
	hvw_memcpy(kvp->version, SERVICES_VERSION, sizeof(SERVICES_VERSION));
}

static const struct hvg_daemon_service service = {
	.ic = {
		HVG_DAEMON_IC(MESSAGE),
		.listens = hvg_daemon_listens,
		.name = "kvp",
		.type = HVP_IC_KVP,
		.framework = frameworks,
		.frameworks = sizeof(frameworks) / sizeof(frameworks[0]),
		.message = messages,
		.messages = sizeof(messages) / sizeof(messages[0]),
		.message_max = HVW_IC_HEADERS + sizeof(struct hvp_kvp_ip) + 8,
	},
	.answer_bytes = MESSAGE,
	.greeting_bytes = MESSAGE,
	.ask = ask,
	.timeout_ms = timeout_ms,
	.answer = answer,
	.hello = hello,
	.greet = greet,
};

static int attach(struct hvg_device *device)
{
	return hvg_ic_attach(device, &service.ic);
}

const struct hvg_driver hvg_kvp_driver = {
	.name = "kvp",
	.class_id = HVP_CLASS_KVP,
	.attach = attach,
	.detach = hvg_ic_detach,
	.suspend = hvg_ic_suspend,
	.resume = hvg_ic_resume,
};
