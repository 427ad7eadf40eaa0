/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Key-value pairs and IP settings.
 */
#include <hvh/hvh_kvp.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <hvh/hvh_state.h>

#include "ic_queue_priv.h"

#define STATE_TAG     HVH_STATE_TAG('K', 'V', 'P', 'X')
#define STATE_VERSION 1

#define TIMEOUT_NS (HVH_KVP_TIMEOUT_MS * 1000000ull)

/* 5.0 would have the guest want IP settings in another form. */
static const struct hvp_ic_version versions[] = { { 3, 0 }, { 4, 0 } };

struct kvp {
	struct ic_queue queue;
	const struct hvh_kvp_fact *facts;
	unsigned fact_count;
	unsigned fact; /* that is under way */
	unsigned facts_taken;
	struct hvh_kvp_request own; /* gives the guest the facts, one after the other */
};

/* --- bodies ------------------------------------------------------------------------------------------ */

/* Bodies are reached by their offsets: they need not be aligned. */
static int build_pair(const struct hvh_kvp_request *request, uint8_t *body)
{
	const struct hvp_kvp_header h = { (uint8_t)request->op, request->pool };
	struct hvp_kvp_pair pair;
	int err;

	memcpy(body, &h, sizeof(h));
	switch (request->op) {
	case HVP_KVP_SET:
		body += offsetof(struct hvp_kvp_set, pair);
		err = hvw_kvp_put_key(body, request->key);
		return err ? err : hvw_kvp_put_value(body, request->value);
	case HVP_KVP_DELETE:
		err = hvw_kvp_put_key(&pair, request->key);
		if (err)
			return err;
		memcpy(body + offsetof(struct hvp_kvp_delete, key_size), &pair.key_size,
		       sizeof(pair.key_size));
		memcpy(body + offsetof(struct hvp_kvp_delete, key), pair.key, pair.key_size);
		return 0;
	default:
		memcpy(body + offsetof(struct hvp_kvp_enumerate, index), &request->index,
		       sizeof(request->index));
		return 0;
	}
}

#define UNITS(field) (sizeof(((struct hvp_kvp_ip *)NULL)->field) / sizeof(uint16_t))

static int put_text(void *field, size_t units, const char *text)
{
	int len = hvw_utf16_from_utf8(field, units, text);

	return len < 0 ? len : 0;
}

static int build_ip(const struct hvh_kvp_request *request, uint8_t *body)
{
	struct hvp_kvp_ip ip = {
		.h = { (uint8_t)request->op, request->pool },
		.family = request->ip->family,
		.dhcp = request->ip->dhcp,
	};
	int err = put_text(ip.adapter, UNITS(adapter), request->ip->adapter);

	if (request->op == HVP_KVP_SET_IP) {
#define PUT_TEXT(field)                                                                            \
	if (!err)                                                                                  \
		err = put_text(ip.field, UNITS(field), request->ip->field);
		HVP_KVP_IP_TEXT_LIST(PUT_TEXT)
#undef PUT_TEXT
	}
	memcpy(body, &ip, sizeof(ip));
	return err;
}

static int body_bytes(const struct hvh_ic_link *link)
{
	switch (((const struct hvh_kvp_request *)link)->op) {
	case HVP_KVP_SET:
	case HVP_KVP_DELETE:
	case HVP_KVP_ENUMERATE:
		return (int)HVP_KVP_PAIR_BODY;
	case HVP_KVP_GET_IP:
	case HVP_KVP_SET_IP:
		return (int)sizeof(struct hvp_kvp_ip);
	case HVP_KVP_GET:
		break;
	}
	return -EINVAL;
}

static int build(const struct hvh_ic_link *link, uint8_t *body)
{
	const struct hvh_kvp_request *request = (const struct hvh_kvp_request *)link;

	return request->op == HVP_KVP_GET_IP || request->op == HVP_KVP_SET_IP ?
		       build_ip(request, body) :
		       build_pair(request, body);
}

static int parse_pair(const struct hvw_ic *message, struct hvh_kvp_request *request)
{
	struct hvp_kvp_enumerate body;
	int err = hvw_ic_read(message, 0, &body, sizeof(body));

	if (err)
		return err;
	if (hvw_kvp_get_key(&body.pair, request->key, sizeof(request->key)) < 0 ||
	    hvw_kvp_get_value(&body.pair, request->value, sizeof(request->value)) < 0)
		return -EPROTO;
	return 0;
}

static int get_text(char *text, size_t room, const void *field, size_t units)
{
	return hvw_utf16_to_utf8(text, room, field, units) < 0 ? -EPROTO : 0;
}

static int parse_ip(const struct hvw_ic *message, struct hvh_kvp_ip *ip)
{
	struct hvp_kvp_ip body;
	int err = hvw_ic_read(message, 0, &body, sizeof(body));

	if (err)
		return err;
	ip->family = body.family & (HVP_KVP_IPV4 | HVP_KVP_IPV6);
	ip->dhcp = body.dhcp != 0;
#define GET_TEXT(field)                                                                            \
	if (!err)                                                                                  \
		err = get_text(ip->field, sizeof(ip->field), body.field, UNITS(field));
	HVP_KVP_IP_TEXT_LIST(GET_TEXT)
#undef GET_TEXT
	return err;
}

static int parse(const struct hvw_ic *message, struct hvh_ic_link *link)
{
	struct hvh_kvp_request *request = (struct hvh_kvp_request *)link;

	if (request->op == HVP_KVP_ENUMERATE)
		return parse_pair(message, request);
	return request->op == HVP_KVP_GET_IP ? parse_ip(message, request->ip) : 0;
}

/* --- the queue --------------------------------------------------------------------------------------- */

static uint64_t timeout_ns(const struct hvh_ic_link *link)
{
	(void)link;
	return TIMEOUT_NS;
}

static void done(struct ic_queue *queue, struct hvh_ic_link *link, int result, uint32_t status)
{
	struct hvh_kvp_request *request = (struct hvh_kvp_request *)link;

	(void)queue;
	request->done(request, result, status);
}

int hvh_kvp_request(struct hvh_device *device, struct hvh_kvp_request *request)
{
	struct ic_queue *queue = (struct ic_queue *)device;
	int err = hvh_ic_queue_check(queue, &request->link);

	if (err)
		return err;
	hvh_ic_queue_add(queue, &request->link);
	hvh_ic_queue_go_on(queue);
	return 0;
}

/* --- facts ------------------------------------------------------------------------------------------- */

static void give_fact(struct kvp *kvp)
{
	if (kvp->fact == kvp->fact_count)
		return;
	memcpy(kvp->own.key, kvp->facts[kvp->fact].key, sizeof(kvp->facts->key));
	memcpy(kvp->own.value, kvp->facts[kvp->fact].value, sizeof(kvp->facts->value));
	hvh_ic_queue_add(&kvp->queue, &kvp->own.link);
}

static void fact_given(struct hvh_kvp_request *request, int result, uint32_t status)
{
	struct kvp *kvp = request->ctx;

	/* A guest that does not answer gets no more of them: its administrator's requests would wait behind each. */
	if (result)
		return;
	kvp->facts_taken += status == HVP_IC_SUCCESS;
	kvp->fact++;
	give_fact(kvp);
}

static void give_facts(struct kvp *kvp)
{
	kvp->fact = 0;
	kvp->facts_taken = 0;
	give_fact(kvp);
}

/* --- the service ------------------------------------------------------------------------------------- */

static void ready(struct ic_queue *queue)
{
	give_facts((struct kvp *)queue);
}

static void save(const struct hvh_device *device, struct hvh_state_writer *w)
{
	hvh_state_begin(w, STATE_TAG, STATE_VERSION);
	hvh_ic_queue_save((const struct ic_queue *)device, w);
	hvh_state_end(w);
}

static int load(struct hvh_device *device, struct hvh_state_reader *r)
{
	struct kvp *kvp = (struct kvp *)device;
	int err;

	hvh_state_enter(r, STATE_TAG, STATE_VERSION);
	err = hvh_ic_queue_load(&kvp->queue, r);
	hvh_state_leave(r);
	if (err || r->err)
		return -EPROTO;
	if (kvp->queue.ic.status.state != HVH_IC_READY)
		return 0;
	/* It may be another host. */
	give_facts(kvp);
	hvh_ic_queue_loaded(&kvp->queue);
	return 0;
}

static const struct ic_queue_class kvp_class = {
	.ic = {
		IC_QUEUE_CLASS,
		.type = HVP_IC_KVP,
		.versions = versions,
		.version_count = sizeof(versions) / sizeof(versions[0]),
	},
	.timeout_max_ns = TIMEOUT_NS,
	.body_bytes = body_bytes,
	.build = build,
	.timeout_ns = timeout_ns,
	.parse = parse,
	.done = done,
	.ready = ready,
};

static const struct hvh_device_ops kvp_ops = {
	IC_QUEUE_OPS,
	.save = save,
	.load = load,
};

int hvh_kvp_create(const struct hvh_kvp_fact *facts, unsigned count, struct hvh_device **device)
{
	struct kvp *kvp = calloc(1, sizeof(*kvp));

	if (!kvp)
		return -ENOMEM;
	hvh_ic_queue_init(&kvp->queue, &kvp_class, &kvp_ops, "kvp", (struct hvp_guid)HVP_CLASS_KVP,
			  (struct hvp_guid)HVP_INSTANCE_KVP);
	kvp->facts = facts;
	kvp->fact_count = count;
	kvp->own.op = HVP_KVP_SET;
	kvp->own.pool = HVP_KVP_POOL_AUTO_EXTERNAL;
	kvp->own.done = fact_given;
	kvp->own.ctx = kvp;
	*device = &kvp->queue.ic.device;
	return 0;
}

void hvh_kvp_destroy(struct hvh_device *device)
{
	free(device);
}

void hvh_kvp_status(const struct hvh_device *device, struct hvh_kvp_status *status)
{
	const struct kvp *kvp = (const struct kvp *)device;

	status->ic = kvp->queue.ic.status;
	status->facts = kvp->facts_taken;
}
