/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Faults on purpose, between the server and the queue of its messages.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hvh/hvh_inject.h>

#include "server_priv.h"

/* Messages held back at once; the next is not late. */
#define HELD_MAX 64u

struct held_message {
	uint64_t due_ns;
	struct waiting_message message;
};

/* All (s). */
struct injector {
	struct hvh_inject rules;
	uint32_t seen[HVH_INJECT_RULES_MAX]; /* by each rule */
	struct held_message held[HELD_MAX]; /* in order of their time */
	unsigned held_count;
};

struct fault_name {
	const char *name;
	enum hvh_inject_fault fault;
};

static const struct fault_name faults[] = {
#define FAULT(id, name) { name, HVH_INJECT_##id },
	HVH_INJECT_FAULT_LIST(FAULT)
#undef FAULT
};
#define FAULTS (sizeof(faults) / sizeof(faults[0]))

/* --- the text ------------------------------------------------------------------------------------ */

/* "OPEN_RESULT" is written "open-result". */
static bool name_is(const char *text, size_t len, const char *name)
{
	size_t i;

	for (i = 0; i < len && name[i]; i++) {
		char sign = name[i] == '_' ? '-' : (char)(name[i] - 'A' + 'a');

		if (text[i] != sign)
			return false;
	}
	return i == len && !name[i];
}

/* 0: none of those to the guest. */
static uint32_t type_of(const char *text, size_t len)
{
#define TYPE(number, name, type, least, direction, version)                                        \
	if ((direction) == HVP_TO_GUEST && name_is(text, len, #name))                              \
		return number;
	HVP_MSG_LIST(TYPE)
#undef TYPE
	return 0;
}

static const struct fault_name *fault_of(const char *text, size_t len)
{
	unsigned i;

	for (i = 0; i < FAULTS; i++)
		if (strlen(faults[i].name) == len && !memcmp(faults[i].name, text, len))
			return &faults[i];
	return NULL;
}

/* "N" or "N+" of `len` signs. False: neither. */
static bool parse_which(const char *text, size_t len, struct hvh_inject_rule *rule)
{
	bool on = len && text[len - 1] == '+';
	uint64_t number = 0;
	size_t i;

	len -= on;
	if (!len || len > 9)
		return false;
	for (i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		number = number * 10 + (uint64_t)(text[i] - '0');
	}
	rule->first = (uint32_t)number;
	rule->last = on ? UINT32_MAX : rule->first;
	return number != 0;
}

/* NULL, or what is wrong with the rule. */
static const char *parse_rule(const char *text, size_t len, struct hvh_inject_rule *rule)
{
	const char *end = text + len, *colon = memchr(text, ':', len), *second;
	const struct fault_name *fault;

	if (!colon)
		return "a rule is MESSAGE:FAULT or MESSAGE:FAULT:N";
	second = memchr(colon + 1, ':', (size_t)(end - colon - 1));
	rule->type = type_of(text, (size_t)(colon - text));
	if (!rule->type)
		return "no such message to the guest, as open-result or gpadl-created";
	fault = fault_of(colon + 1, (size_t)((second ? second : end) - colon - 1));
	if (!fault)
		return "the fault must be one of"
#define FAULT_TEXT(id, name) " " name
			HVH_INJECT_FAULT_LIST(FAULT_TEXT)
#undef FAULT_TEXT
				;
	rule->fault = fault->fault;
	rule->first = 1;
	rule->last = UINT32_MAX;
	if (second && !parse_which(second + 1, (size_t)(end - second - 1), rule))
		return "which one must be a number from 1 on, or one with a plus sign behind it";
	return NULL;
}

/* NULL, or what is wrong with the rule, which is none for messages. */
static const char *parse_nic(const char *text, size_t len, struct hvh_inject *inject)
{
	static const char *const names[] = {
#define NIC_NAME(id, name) [HVH_INJECT_NIC_##id] = name,
		HVH_INJECT_NIC_LIST(NIC_NAME)
#undef NIC_NAME
	};
	static const char late[] = ":late";
	struct hvh_inject_rule which = { .first = HVH_INJECT_NIC_EVERY };
	size_t name_len = strcspn(text, ":"), end = name_len + sizeof(late) - 1;
	unsigned nic = 0;

	while (nic < HVH_INJECT_NICS &&
	       (strlen(names[nic]) != name_len || strncmp(text, names[nic], name_len)))
		nic++;
	if (nic == HVH_INJECT_NICS)
		return "of network adapters there are nic.send, nic.completion and nic.ring";
	if (len < end || strncmp(text + name_len, late, sizeof(late) - 1) ||
	    (len > end && text[end] != ':'))
		return "the fault must be late";
	if (len > end && (!parse_which(text + end + 1, len - end - 1, &which) || which.first < 2 ||
			  which.last == UINT32_MAX))
		return "which ones must be a number from 2 on: each N-th";
	inject->nic_every[nic] = which.first;
	return NULL;
}

int hvh_inject_parse(const char *text, struct hvh_inject *inject, char *error, size_t error_size)
{
	struct hvh_inject parsed = { .count = 0 };
	const char *reason;
	size_t len;

	for (;; text += len + 1) {
		len = strcspn(text, ",");
		if (!strncmp(text, "nic.", 4))
			reason = parse_nic(text, len, &parsed);
		else
			reason = parsed.count == HVH_INJECT_RULES_MAX ?
					 "too many rules" :
					 parse_rule(text, len, &parsed.rules[parsed.count]);
		if (reason) {
			snprintf(error, error_size, "'%.*s': %s", len > 64 ? 64 : (int)len, text,
				 reason);
			return -EINVAL;
		}
		parsed.count += strncmp(text, "nic.", 4) != 0;
		if (!text[len])
			break;
	}
	*inject = parsed;
	return 0;
}

/* --- the faults ---------------------------------------------------------------------------------- */

/* Where a message has its id, and how that is spoilt. */
enum id_kind { ID_NONE, ID_CHANNEL, ID_HANDLE, ID_GUID };

static const struct {
	enum id_kind kind;
	size_t offset;
} ids[HVP_MSG_END] = {
#define ID(name, kind, type, field)                                                                \
	[HVP_MSG_##name] = { kind, offsetof(struct hvp_msg_##type, field) }
	ID(OFFER_CHANNEL, ID_CHANNEL, offer_channel, channel_id),
	ID(RESCIND_OFFER, ID_CHANNEL, channel_ref, channel_id),
	ID(OPEN_RESULT, ID_CHANNEL, open_result, channel_id),
	ID(GPADL_CREATED, ID_HANDLE, gpadl_created, gpadl),
	ID(GPADL_TORNDOWN, ID_HANDLE, gpadl_torndown, gpadl),
	ID(VERSION_RESPONSE, ID_HANDLE, version_response, connection_id),
	ID(CLOSE_RESERVED_RESPONSE, ID_CHANNEL, channel_ref, channel_id),
	ID(TL_CONNECT_RESULT, ID_GUID, tl_connect_result, endpoint_id),
	ID(MODIFY_CHANNEL_RESPONSE, ID_CHANNEL, modify_channel_response, channel_id),
#undef ID
};

static void add32(uint8_t *at, uint32_t more)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	value += more;
	memcpy(at, &value, sizeof(value));
}

static void spoil_id(struct waiting_message *message, uint32_t type)
{
	uint8_t *at = message->bytes + ids[type].offset;
	unsigned i;

	switch (ids[type].kind) {
	case ID_NONE:
		add32(message->bytes, 0x100);
		break;
	case ID_CHANNEL:
		add32(at, HVP_CHANNEL_ID_MAX + 1);
		break;
	case ID_HANDLE:
		add32(at, 0x80000000u);
		break;
	case ID_GUID:
		for (i = 0; i < sizeof(struct hvp_guid); i++)
			at[i] = (uint8_t)~at[i];
	}
}

static void say(struct hvh_server *server, uint32_t type, enum hvh_inject_fault fault,
		uint32_t number)
{
	unsigned i = 0;

	while (faults[i].fault != fault)
		i++;
	server->stats.injected++;
	hvh_server_log(server, &server->inject_limit, HVH_LOG_WARNING,
		       "on purpose: %s number %u: %s", hvw_msg_name(type), number, faults[i].name);
}

/* False: no room. */
static bool hold(struct hvh_server *server, const struct waiting_message *message)
{
	struct injector *injector = server->injector;
	struct held_message *held;

	if (injector->held_count == HELD_MAX)
		return false;
	held = &injector->held[injector->held_count++];
	held->due_ns = server->ops->now_ns(server->ctx) + HVH_INJECT_LATE_NS;
	held->message = *message;
	if (injector->held_count == 1)
		server->ops->work_at(server->ctx, held->due_ns);
	return true;
}

static void commit(struct hvh_server *server, struct waiting_message *message, uint32_t type,
		   enum hvh_inject_fault fault)
{
	switch (fault) {
	case HVH_INJECT_SHORT:
		message->len /= 2;
		break;
	case HVH_INJECT_LONG:
		memset(message->bytes + message->len, 0xff, sizeof(message->bytes) - message->len);
		message->len = sizeof(message->bytes);
		break;
	case HVH_INJECT_BAD_ID:
		spoil_id(message, type);
		break;
	case HVH_INJECT_DUPLICATE:
		hvh_queue_post(server, message);
		break;
	case HVH_INJECT_LATE:
		if (hold(server, message))
			return;
		break;
	case HVH_INJECT_NEVER:
		return;
	case HVH_INJECT_WRONG_STATE:
		break;
	}
	hvh_queue_post(server, message);
}

/* The rule that this message, or this occasion for a wrong one, falls under: -1 none. All rules count. */
static int rule_for(struct injector *injector, uint32_t type, bool occasion)
{
	int found = -1;
	unsigned i;

	for (i = 0; i < injector->rules.count; i++) {
		const struct hvh_inject_rule *rule = &injector->rules.rules[i];

		if (rule->type != type || (rule->fault == HVH_INJECT_WRONG_STATE) != occasion)
			continue;
		/* Stays put at its end: no wrapping to "the first". */
		injector->seen[i] += injector->seen[i] != UINT32_MAX;
		if (found < 0 && injector->seen[i] >= rule->first && injector->seen[i] <= rule->last)
			found = (int)i;
	}
	return found;
}

/* An invented message of that type. */
static void send_unasked(struct hvh_server *server, uint32_t type)
{
	struct waiting_message message = {
		.vp = server->message_vp,
		.sint = server->message_sint,
		.len = hvw_msg_least(type),
	};
	int rule = rule_for(server->injector, type, true);

	if (rule < 0)
		return;
	memcpy(message.bytes, &type, sizeof(type));
	if (ids[type].kind == ID_CHANNEL || ids[type].kind == ID_HANDLE)
		add32(message.bytes + ids[type].offset, 1);
	if (type == HVP_MSG_GPADL_CREATED)
		add32(message.bytes + offsetof(struct hvp_msg_gpadl_created, channel_id), 1);
	say(server, type, HVH_INJECT_WRONG_STATE, server->injector->seen[rule]);
	hvh_queue_post(server, &message);
}

/* Now nothing else is due. */
static void occasion(struct hvh_server *server, uint32_t sent)
{
	uint32_t type;

	if (sent == HVP_MSG_ALL_OFFERS_DELIVERED) {
		send_unasked(server, HVP_MSG_VERSION_RESPONSE);
		return;
	}
	if (sent != HVP_MSG_VERSION_RESPONSE || server->state != CONNECTION_READY)
		return;
	for (type = 1; type < HVP_MSG_END; type++)
		if (type != HVP_MSG_VERSION_RESPONSE)
			send_unasked(server, type);
}

void hvh_inject_send(struct hvh_server *server, struct waiting_message *message)
{
	uint32_t type;
	int rule;

	memcpy(&type, message->bytes, sizeof(type));
	rule = rule_for(server->injector, type, false);
	if (rule < 0) {
		hvh_queue_post(server, message);
	} else {
		enum hvh_inject_fault fault = server->injector->rules.rules[rule].fault;

		say(server, type, fault, server->injector->seen[rule]);
		commit(server, message, type, fault);
	}
	occasion(server, type);
}

void hvh_inject_work(struct hvh_server *server)
{
	struct injector *injector = server->injector;
	uint64_t now_ns = server->ops->now_ns(server->ctx);
	unsigned due = 0;

	while (due < injector->held_count && injector->held[due].due_ns <= now_ns)
		hvh_queue_post(server, &injector->held[due++].message);
	injector->held_count -= due;
	memmove(&injector->held[0], &injector->held[due],
		injector->held_count * sizeof(injector->held[0]));
	if (injector->held_count)
		server->ops->work_at(server->ctx, injector->held[0].due_ns);
}

void hvh_inject_forget(struct hvh_server *server)
{
	server->injector->held_count = 0;
}

bool hvh_inject_holds(const struct hvh_server *server)
{
	return server->injector && server->injector->held_count;
}

/* --- setting it up ------------------------------------------------------------------------------- */

static bool to_guest(uint32_t type)
{
#define TO_GUEST(number, name, struct_type, least, direction, version)                             \
	if (type == (number))                                                                      \
		return (direction) == HVP_TO_GUEST;
	HVP_MSG_LIST(TO_GUEST)
#undef TO_GUEST
	return false;
}

int hvh_server_inject(struct hvh_server *server, const struct hvh_inject *inject)
{
	unsigned i;

	if (inject->count > HVH_INJECT_RULES_MAX)
		return -EINVAL;
	for (i = 0; i < inject->count; i++) {
		const struct hvh_inject_rule *rule = &inject->rules[i];

		if (!to_guest(rule->type) || (unsigned)rule->fault >= FAULTS || !rule->first ||
		    rule->last < rule->first ||
		    (rule->fault == HVH_INJECT_LATE && !server->ops->work_at))
			return -EINVAL;
	}
	if (!server->injector)
		server->injector = calloc(1, sizeof(*server->injector));
	if (!server->injector)
		return -ENOMEM;
	server->injector->rules = *inject;
	memset(server->injector->seen, 0, sizeof(server->injector->seen));
	return 0;
}
