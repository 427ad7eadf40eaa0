/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/embedder.h"
#include "host/vmbus/server_priv.h"

_Noreturn void embedder_die(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: not true: %s\n", file, line, what);
	abort();
}

unsigned embedder_allocating;

static void *grow(void *old, size_t size)
{
	void *grown;

	embedder_allocating++;
	grown = realloc(old, size);
	embedder_allocating--;
	EMBEDDER_REQUIRE(grown);
	return grown;
}

/* --- trace ----------------------------------------------------------------------------------- */

void embedder_trace(struct embedder *e, const char *format, ...)
{
	char line[1024];
	va_list args;
	size_t len;

	if (e->muted)
		return;
	va_start(args, format);
	vsnprintf(line, sizeof(line) - 1, format, args);
	va_end(args);
	len = strlen(line);
	line[len++] = '\n';
	if (e->trace_len + len + 1 > e->trace_capacity) {
		e->trace_capacity = (e->trace_len + len + 1) * 2;
		e->trace = grow(e->trace, e->trace_capacity);
	}
	memcpy(e->trace + e->trace_len, line, len);
	e->trace_len += len;
	e->trace[e->trace_len] = '\0';
}

static void trace_message(struct embedder *e, const struct embedder_message *message)
{
	char hex[2 * HVP_MESSAGE_PAYLOAD_MAX + 1] = "";
	uint32_t type, i;

	memcpy(&type, message->bytes, sizeof(type));
	for (i = sizeof(struct hvp_msg_header); i < message->len; i++)
		snprintf(hex + 2 * (i - sizeof(struct hvp_msg_header)), 3, "%02x",
			 message->bytes[i]);
	embedder_trace(e, "%s to vp %u sint %u: %s", hvw_msg_name(type), message->vp, message->sint,
		       hex);
}

/* --- invariants ------------------------------------------------------------------------------ */

/* Mappings of guest memory by the server. */
static unsigned held(const struct embedder *e)
{
	return hvh_mem_held(e->mem) - (e->held ? e->held(e) : 0);
}

static void check_place(struct embedder *e, const struct hvh_channel *channel)
{
	struct hvh_server *server = e->server;

	/* A load that failed half way leaves them so until the server goes; and this is quadratic. */
	if (e->muted || server->channel_count > EMBEDDER_CHANNELS_MAX)
		return;
	EMBEDDER_REQUIRE(channel->id && channel->id <= HVP_CHANNEL_ID_MAX &&
			 hvh_server_any_channel(server, channel->id) == channel);
	/* Sub-channels live behind their device's first channel, and only while that is open. */
	if (channel->index && channel->device && hvh_device_channel(channel->device, channel->index))
		EMBEDDER_REQUIRE(channel->device->channel->state == CHANNEL_OPEN ||
				 channel->device->channel->restored);
	if (channel->stop_due)
		EMBEDDER_REQUIRE(hvh_device_subchannels_busy(channel->device));
	/* An offer waits exactly while there is what it waits for. One that the guest has let go of is past that. */
	if (hvh_channel_known(channel) || !hvh_channel_owned(channel))
		EMBEDDER_REQUIRE(hvh_channel_blocked(channel) ==
				 (channel->state == CHANNEL_REOFFERED));
}

static void check_channel(struct embedder *e, const struct hvh_channel *channel)
{
	struct hvh_server *server = e->server;
	bool mapped = channel->ring.base != NULL;
	const struct gpadl *gpadl;

	EMBEDDER_REQUIRE(channel->state < CHANNEL_STATES);
	EMBEDDER_REQUIRE(mapped == (channel->ring_gpadl != 0));
	EMBEDDER_REQUIRE(mapped == hvh_channel_owned(channel));
	EMBEDDER_REQUIRE((channel->device == NULL) == (channel->state == CHANNEL_REVOKED));
	if (!mapped)
		return;
	gpadl = hvh_gpadl_find(server, channel->ring_gpadl);
	EMBEDDER_REQUIRE(gpadl && gpadl->channel_id == channel->id && gpadl->filled == gpadl->bytes);
	/* Device access to the ring ends with the machine's memory: nobody may be beyond it. */
	EMBEDDER_REQUIRE(channel->broken || !channel->running ||
			 channel->rx.size + channel->tx.size + 2 * HVP_PAGE_SIZE ==
				 channel->ring.bytes);
}

void embedder_check(struct embedder *e)
{
	struct hvh_server *server = e->server;
	unsigned gpadls = 0, pages = 0, open = 0, mapped = 0, i;
	const struct gpadl *gpadl;

	for (i = 0; i < server->channel_count; i++) {
		check_place(e, server->channels[i]);
		check_channel(e, server->channels[i]);
		open += server->channels[i]->state == CHANNEL_OPEN;
		mapped += server->channels[i]->ring.base != NULL;
		for (unsigned slot = 0; slot < HVH_SHARES_MAX; slot++)
			mapped += server->channels[i]->shares[slot].share != NULL;
	}
	for (gpadl = server->gpadls; gpadl; gpadl = gpadl->next) {
		bool used = false;

		gpadls++;
		pages += gpadl->pages;
		EMBEDDER_REQUIRE(gpadl->filled <= gpadl->bytes);
		EMBEDDER_REQUIRE((gpadl->state == GPADL_ASSEMBLING ||
				  gpadl->state == GPADL_ABORTED) == (gpadl->filled < gpadl->bytes));
		EMBEDDER_REQUIRE(e->muted || hvh_server_any_channel(server, gpadl->channel_id));
		for (i = 0; i < server->channel_count; i++)
			used |= server->channels[i]->ring_gpadl == gpadl->handle ||
				hvh_share_uses(server->channels[i], gpadl->handle);
		/* A load that failed half way may leave some until the reset is through. */
		EMBEDDER_REQUIRE(gpadl->state != GPADL_TEARING_DOWN || used || e->muted);
	}
	EMBEDDER_REQUIRE(server->stats.gpadls == gpadls && gpadls <= GPADL_MAX);
	EMBEDDER_REQUIRE(server->stats.gpadl_pages == pages && pages <= GPADL_PAGES_MAX);
	EMBEDDER_REQUIRE(server->stats.channels_open == open);
	EMBEDDER_REQUIRE(server->waiting_count <= MESSAGES_WAITING_LIMIT);
	EMBEDDER_REQUIRE(held(e) == mapped);
	if (server->state == CONNECTION_NONE)
		EMBEDDER_REQUIRE(!gpadls && !mapped && !server->version);
}

/* An answer goes out: what it gives back is given back. */
static void check_answer(struct embedder *e, const void *bytes)
{
	const struct hvh_channel *channel;
	struct hvw_msg msg;
	unsigned i;

	EMBEDDER_REQUIRE(hvw_msg_parse(&msg, bytes, HVP_MESSAGE_PAYLOAD_MAX, HVP_TO_GUEST) == 0);
	if (msg.u.h.type == HVP_MSG_UNLOAD_RESPONSE || msg.u.h.type == HVP_MSG_VERSION_RESPONSE)
		EMBEDDER_REQUIRE(!e->server->gpadls && !held(e));
	for (i = 0; msg.u.h.type == HVP_MSG_GPADL_TORNDOWN && i < e->server->channel_count; i++)
		EMBEDDER_REQUIRE(e->server->channels[i]->ring_gpadl != msg.u.GPADL_TORNDOWN.gpadl);
	if (msg.u.h.type == HVP_MSG_OPEN_RESULT && msg.u.OPEN_RESULT.status) {
		channel = hvh_server_known_channel(e->server, msg.u.OPEN_RESULT.channel_id);
		EMBEDDER_REQUIRE(e->refusing || !channel || !channel->ring.base);
	}
	if (msg.u.h.type == HVP_MSG_RESCIND_OFFER) {
		channel = hvh_server_known_channel(e->server, msg.u.RESCIND_OFFER.channel_id);
		EMBEDDER_REQUIRE(channel && channel->state == CHANNEL_REVOKED &&
				 !channel->ring.base);
	}
}

static void action_done(struct embedder *e)
{
	embedder_check(e);
	if (e->after_action)
		e->after_action(e);
}

/* --- the server's ops -------------------------------------------------------------------------- */

static void op_withdraw(void *ctx)
{
	struct embedder *e = ctx;

	e->withdrawals++;
}

static bool op_post_message(void *ctx, uint32_t vp, uint32_t sint, const void *bytes, size_t len)
{
	struct embedder *e = ctx;
	struct embedder_message *message;
	uint8_t whole[HVP_MESSAGE_PAYLOAD_MAX] = { 0 };

	EMBEDDER_REQUIRE(vp < e->config.vps && sint < HVP_SINT_COUNT);
	EMBEDDER_REQUIRE(len >= sizeof(struct hvp_msg_header) / (e->injecting ? 2 : 1) &&
			 len <= HVP_MESSAGE_PAYLOAD_MAX);
	if (e->muted)
		return true;
	if (e->inbox_count >= e->room)
		return false;
	memcpy(whole, bytes, len);
	if (!e->posting && !e->injecting)
		check_answer(e, whole);
	if (e->inbox_count == e->inbox_capacity) {
		e->inbox_capacity = e->inbox_capacity ? 2 * e->inbox_capacity : 16;
		e->inbox = grow(e->inbox, e->inbox_capacity * sizeof(*e->inbox));
	}
	message = &e->inbox[e->inbox_count++];
	message->vp = vp;
	message->sint = sint;
	message->len = (uint32_t)len;
	memcpy(message->bytes, whole, sizeof(whole));
	trace_message(e, message);
	return true;
}

static void op_signal(void *ctx, uint32_t vp, uint32_t sint, uint32_t flag)
{
	struct embedder *e = ctx;

	EMBEDDER_REQUIRE(vp < e->config.vps && sint == HVP_VMBUS_SINT && flag >= 1 &&
			 flag <= EMBEDDER_CHANNELS_MAX);
	e->signals[flag - 1]++;
	e->signal_vp[flag - 1] = vp;
	if (e->signal)
		e->signal(e, vp, flag);
}

static unsigned index_of(struct embedder *e, const struct hvh_channel *channel)
{
	struct hvh_channel_info info;

	hvh_channel_info(channel, &info);
	EMBEDDER_REQUIRE(info.id >= 1 && info.id <= EMBEDDER_CHANNELS_MAX);
	EMBEDDER_REQUIRE(embedder_channel(e, info.id - 1) == channel);
	return info.id - 1;
}

struct hvh_channel *embedder_channel(struct embedder *e, unsigned channel)
{
	return hvh_server_any_channel(e->server, channel + 1);
}

static void do_task(struct embedder *e, struct embedder_task task);

static void put_off(struct embedder *e, struct embedder_task task)
{
	EMBEDDER_REQUIRE(e->task_count < sizeof(e->tasks) / sizeof(e->tasks[0]));
	e->tasks[e->task_count++] = task;
}

static void queue(struct embedder *e, enum embedder_work work, unsigned channel, int result)
{
	struct embedder_task task = { work, channel, result };

	if (e->synchronous)
		do_task(e, task);
	else
		put_off(e, task);
}

static int op_channel_start(void *ctx, struct hvh_channel *channel, uint32_t connection_id)
{
	struct embedder *e = ctx;
	unsigned index = index_of(e, channel);

	EMBEDDER_REQUIRE(!e->owned[index] && connection_id == channel->connection_id);
	if (e->start_result)
		return e->start_result;
	queue(e, EMBEDDER_START, index, 0);
	return 0;
}

static void op_channel_stop(void *ctx, struct hvh_channel *channel)
{
	struct embedder *e = ctx;
	unsigned index = index_of(e, channel);

	EMBEDDER_REQUIRE(e->owned[index]);
	queue(e, EMBEDDER_STOP, index, 0);
}

static void op_channel_attend(void *ctx, struct hvh_channel *channel)
{
	struct embedder *e = ctx;
	unsigned index = index_of(e, channel);

	EMBEDDER_REQUIRE(e->owned[index]);
	if (e->attending)
		e->attending(e);
	queue(e, EMBEDDER_ATTEND, index, 0);
}

static void op_channel_drained(void *ctx, struct hvh_channel *channel)
{
	struct embedder *e = ctx;
	unsigned index = index_of(e, channel);

	EMBEDDER_REQUIRE(e->owned[index] && !e->deadline_ns[index]);
	e->owned[index] = false;
	queue(e, EMBEDDER_STOPPED, index, 0);
}

static void op_timer(void *ctx, struct hvh_channel *channel, uint64_t deadline_ns)
{
	struct embedder *e = ctx;
	unsigned index = index_of(e, channel);

	EMBEDDER_REQUIRE(e->owned[index]);
	e->deadline_ns[index] = deadline_ns;
	e->timers_set++;
}

static uint64_t op_now_ns(void *ctx)
{
	return ((struct embedder *)ctx)->now_ns;
}

static void op_log(void *ctx, enum hvh_log_level level, const char *line)
{
	struct embedder *e = ctx;

	EMBEDDER_REQUIRE(level <= HVH_LOG_DEBUG && *line && !strchr(line, '\n'));
	e->lines++;
	snprintf(e->last_line, sizeof(e->last_line), "%s", line);
}

static void op_attention(void *ctx)
{
	struct embedder *e = ctx;

	/* Asked for more than once, it is done once. */
	for (unsigned i = 0; i < e->task_count; i++)
		if (e->tasks[i].work == EMBEDDER_WORK)
			return;
	put_off(e, (struct embedder_task){ .work = EMBEDDER_WORK });
}

static void op_work_at(void *ctx, uint64_t deadline_ns)
{
	((struct embedder *)ctx)->work_ns = deadline_ns;
}

static void op_trace_message(void *ctx, enum hvp_direction direction, const void *bytes, size_t len)
{
	struct embedder *e = ctx;

	EMBEDDER_REQUIRE(bytes && len >= sizeof(struct hvp_msg_header) / (e->injecting ? 2 : 1) &&
			 len <= HVP_MESSAGE_PAYLOAD_MAX);
	e->traced_messages[direction]++;
}

static void op_trace_packet(void *ctx, const struct hvh_trace_packet *packet)
{
	struct embedder *e = ctx;
	struct embedder_packet *last = &e->traced[packet->direction];

	EMBEDDER_REQUIRE(packet->channel->running);
	e->traced_packets[packet->direction]++;
	e->traced_split += packet->payload[1].iov_len != 0;
	last->type = packet->type;
	last->flags = packet->flags;
	last->transaction_id = packet->transaction_id;
	last->len = 0;
	for (unsigned i = 0; i < 2; i++) {
		const uint8_t *bytes = packet->payload[i].iov_base;

		for (size_t at = 0; at < packet->payload[i].iov_len; at++, last->len++)
			if (last->len < sizeof(last->bytes))
				last->bytes[last->len] = bytes[at];
	}
}

static void device_destroy(struct embedder *e, struct hvh_device *device, enum embedder_slot slot)
{
	if (slot == EMBEDDER_HEARTBEAT)
		hvh_heartbeat_destroy(device);
	else if (slot == EMBEDDER_SHUTDOWN)
		hvh_shutdown_destroy(device);
	else if (slot == EMBEDDER_TIMESYNC)
		hvh_timesync_destroy(device);
	else if (slot == EMBEDDER_HOT && e->own_create)
		e->own_destroy(device);
	else if (slot >= EMBEDDER_HOT)
		free(device);
}

static void op_device_removed(void *ctx, struct hvh_device *device)
{
	struct embedder *e = ctx;
	unsigned i = 0;

	while (e->leaving[i].device != device)
		EMBEDDER_REQUIRE(++i < e->leaving_count);
	device_destroy(e, device, e->leaving[i].slot);
	e->leaving[i] = e->leaving[--e->leaving_count];
	e->removed++;
}

static const struct hvh_server_ops server_ops = {
	.post_message = op_post_message,
	.withdraw = op_withdraw,
	.signal = op_signal,
	.channel_start = op_channel_start,
	.channel_stop = op_channel_stop,
	.channel_drained = op_channel_drained,
	.channel_attend = op_channel_attend,
	.timer = op_timer,
	.attention = op_attention,
	.work_at = op_work_at,
	.device_removed = op_device_removed,
	.now_ns = op_now_ns,
	.log = op_log,
	.trace_message = op_trace_message,
	.trace_packet = op_trace_packet,
};

/* --- loops ------------------------------------------------------------------------------------- */

static bool on_owner_loop(enum embedder_work work)
{
	return work == EMBEDDER_START || work == EMBEDDER_NOTIFY || work == EMBEDDER_ATTEND ||
	       work == EMBEDDER_STOP;
}

static void do_task(struct embedder *e, struct embedder_task task)
{
	struct hvh_channel *channel = embedder_channel(e, task.channel);
	struct hvh_channel_info info;
	int result;

	EMBEDDER_REQUIRE(channel || task.work == EMBEDDER_WORK);
	switch (task.work) {
	case EMBEDDER_START:
		/* Ours before the device is: it may arm its timer. */
		e->owned[task.channel] = true;
		result = e->owner_result ? e->owner_result : hvh_channel_start(channel);
		e->owned[task.channel] = !result;
		queue(e, EMBEDDER_STARTED, task.channel, result);
		break;
	case EMBEDDER_STARTED:
		if (hvh_server_started(e->server, channel, task.result)) {
			hvh_channel_info(channel, &info);
			EMBEDDER_REQUIRE(info.open);
			queue(e, EMBEDDER_NOTIFY, task.channel, 0);
		}
		break;
	case EMBEDDER_NOTIFY:
		hvh_channel_notify(channel);
		break;
	case EMBEDDER_ATTEND:
		hvh_channel_attend(channel);
		break;
	case EMBEDDER_STOP:
		hvh_channel_stop(channel);
		break;
	case EMBEDDER_WORK:
		hvh_server_work(e->server);
		break;
	case EMBEDDER_STOPPED:
		hvh_server_stopped(e->server, channel);
		break;
	}
}

bool embedder_step(struct embedder *e, unsigned pick)
{
	struct embedder_task task;
	unsigned i = 0;

	if (!e->task_count)
		return false;
	task = e->tasks[pick % e->task_count];
	/* The oldest of the same loop and channel. */
	while (e->tasks[i].channel != task.channel ||
	       on_owner_loop(e->tasks[i].work) != on_owner_loop(task.work))
		i++;
	task = e->tasks[i];
	e->task_count--;
	memmove(&e->tasks[i], &e->tasks[i + 1], (e->task_count - i) * sizeof(task));
	do_task(e, task);
	action_done(e);
	return true;
}

void embedder_run(struct embedder *e)
{
	while (embedder_step(e, 0))
		;
}

uint16_t embedder_post(struct embedder *e, uint32_t connection_id, const void *message, size_t len)
{
	uint64_t before = e->server->stats.violations;
	uint32_t type = HVP_MSG_END;
	uint16_t status;

	if (len >= sizeof(type))
		memcpy(&type, message, sizeof(type));
	e->refusing = type == HVP_MSG_OPEN_RESERVED;
	status = hvh_server_post(e->server, connection_id, HVP_MESSAGE_VMBUS, message, len);
	e->refusing = false;
	if (type < HVP_MSG_END && e->server->stats.violations != before)
		e->refused[type]++;
	/* A contact at a version that we do not speak is no violation, yet not accepted. */
	else if (type < HVP_MSG_END && !status &&
		 (type != HVP_MSG_INITIATE_CONTACT || e->server->state != CONNECTION_NONE))
		e->accepted[type]++;
	action_done(e);
	return status;
}

void embedder_doorbell(struct embedder *e, uint32_t connection_id)
{
	unsigned i;

	/* Also for a channel that is stopped: a doorbell may be on its way when that happens. */
	for (i = 0; i < e->server->channel_count; i++) {
		struct hvh_channel *channel = hvh_server_channel(e->server, i);

		if (channel->connection_id == connection_id && hvh_channel_owned(channel)) {
			hvh_channel_notify(channel);
			break;
		}
	}
	action_done(e);
}

void embedder_flush(struct embedder *e)
{
	e->posting = true;
	hvh_server_flush(e->server);
	e->posting = false;
	action_done(e);
}

bool embedder_take(struct embedder *e, struct embedder_message *message)
{
	if (!e->inbox_count)
		return false;
	*message = e->inbox[0];
	e->inbox_count--;
	memmove(e->inbox, e->inbox + 1, e->inbox_count * sizeof(*e->inbox));
	embedder_flush(e);
	return true;
}

/* The device whose timer is due first, or -1. */
static int next_timer(const struct embedder *e, uint64_t until_ns)
{
	int first = -1, i;

	for (i = 0; i < EMBEDDER_CHANNELS_MAX; i++)
		if (e->deadline_ns[i] && e->deadline_ns[i] <= until_ns &&
		    (first < 0 || e->deadline_ns[i] < e->deadline_ns[first]))
			first = i;
	return first;
}

void embedder_advance(struct embedder *e, uint64_t ns)
{
	uint64_t until_ns = e->now_ns + ns;
	unsigned fired = 0;
	int i;

	while ((i = next_timer(e, until_ns)) >= 0) {
		/* What is due now and is set to now again would never end. */
		EMBEDDER_REQUIRE(++fired < 100000);
		if (e->now_ns < e->deadline_ns[i])
			e->now_ns = e->deadline_ns[i];
		e->deadline_ns[i] = 0;
		hvh_channel_expire(embedder_channel(e, (unsigned)i), e->now_ns);
		action_done(e);
	}
	e->now_ns = until_ns;
	if (e->work_ns && e->work_ns <= e->now_ns) {
		e->work_ns = 0;
		hvh_server_work(e->server);
		action_done(e);
	}
}

void embedder_inject(struct embedder *e, const char *text)
{
	struct hvh_inject rules;
	char error[128];

	EMBEDDER_REQUIRE(hvh_inject_parse(text, &rules, error, sizeof(error)) == 0);
	EMBEDDER_REQUIRE(hvh_server_inject(e->server, &rules) == 0);
	e->injecting = true;
}

void embedder_drain(struct embedder *e)
{
	unsigned i;

	echo_device_drain(&e->echo);
	for (i = EMBEDDER_HOT; i < EMBEDDER_SLOTS; i++)
		if (embedder_echo(e, i))
			echo_device_drain(embedder_echo(e, i));
	for (i = 0; i < e->leaving_count; i++)
		if (e->leaving[i].slot >= EMBEDDER_HOT &&
		    !(e->leaving[i].slot == EMBEDDER_HOT && e->own_create))
			echo_device_drain((struct echo_device *)e->leaving[i].device);
	action_done(e);
}

void embedder_reset(struct embedder *e)
{
	hvh_server_reset(e->server);
	e->inbox_count = 0;
	action_done(e);
}

static void shutdown_done(void *ctx, int result, uint32_t status)
{
	struct embedder *e = ctx;

	e->shutdowns_ended++;
	e->shutdown_result = result;
	e->shutdown_status = status;
}

int embedder_shutdown(struct embedder *e, uint32_t flags)
{
	int err = e->shutdown ? hvh_shutdown_request(e->shutdown, flags, "bye", shutdown_done, e) :
				-ENOENT;

	action_done(e);
	return err;
}

/* --- life, save and load ------------------------------------------------------------------------ */

static bool clock_read(void *ctx, uint64_t *host_time, uint64_t *reference_time)
{
	const struct embedder *e = ctx;

	*host_time = EMBEDDER_HOST_TIME(e->now_ns);
	*reference_time = EMBEDDER_REFERENCE(e->now_ns);
	return !e->clock_stopped;
}

struct echo_device *embedder_echo(struct embedder *e, enum embedder_slot slot)
{
	return slot == EMBEDDER_ECHO ||
			       (slot >= EMBEDDER_HOT && !(slot == EMBEDDER_HOT && e->own_create)) ?
		       (struct echo_device *)e->slots[slot] :
		       NULL;
}

static struct hvh_device *device_create(struct embedder *e, enum embedder_slot slot)
{
	struct echo_device *echo;
	struct hvh_device *device = NULL;

	switch (slot) {
	case EMBEDDER_HEARTBEAT:
		EMBEDDER_REQUIRE(hvh_heartbeat_create(&device) == 0);
		break;
	case EMBEDDER_SHUTDOWN:
		EMBEDDER_REQUIRE(hvh_shutdown_create(&device) == 0);
		break;
	case EMBEDDER_ECHO:
		echo_device_init(&e->echo, 1);
		return &e->echo.device;
	case EMBEDDER_TIMESYNC:
		EMBEDDER_REQUIRE(hvh_timesync_create(clock_read, e, &device) == 0);
		break;
	default:
		if (slot == EMBEDDER_HOT && e->own_create)
			return e->own_create(e);
		echo = malloc(sizeof(*echo));
		EMBEDDER_REQUIRE(echo);
		echo_device_init(echo, (uint8_t)(1 + slot));
		device = &echo->device;
	}
	return device;
}

static void set_slot(struct embedder *e, enum embedder_slot slot, struct hvh_device *device)
{
	e->slots[slot] = device;
	e->heartbeat = e->slots[EMBEDDER_HEARTBEAT];
	e->shutdown = e->slots[EMBEDDER_SHUTDOWN];
	e->timesync = e->slots[EMBEDDER_TIMESYNC];
}

static int device_add(struct embedder *e, enum embedder_slot slot)
{
	struct hvh_device *device;
	unsigned i;
	int err;

	if (e->slots[slot])
		return -EBUSY;
	for (i = 0; i < e->leaving_count; i++)
		if (e->leaving[i].device == &e->echo.device && slot == EMBEDDER_ECHO)
			return -EBUSY;
	embedder_allocating++;
	device = device_create(e, slot);
	embedder_allocating--;
	err = hvh_server_add(e->server, device);
	if (err)
		device_destroy(e, device, slot);
	else
		set_slot(e, slot, device);
	return err;
}

int embedder_add(struct embedder *e, enum embedder_slot slot)
{
	int err = device_add(e, slot);

	action_done(e);
	return err;
}

int embedder_remove(struct embedder *e, enum embedder_slot slot)
{
	struct hvh_device *device = e->slots[slot];
	int err;

	if (!device)
		return -ENOENT;
	EMBEDDER_REQUIRE(e->leaving_count < EMBEDDER_CHANNELS_MAX);
	e->leaving[e->leaving_count].device = device;
	e->leaving[e->leaving_count++].slot = slot;
	set_slot(e, slot, NULL);
	err = hvh_server_remove(e->server, device);
	EMBEDDER_REQUIRE(hvh_server_remove(e->server, device) == -ENOENT);
	action_done(e);
	return err;
}

/* `there`: a bit for each slot. */
static void server_make(struct embedder *e, unsigned there)
{
	unsigned slot;

	e->injecting = false;
	e->work_ns = 0;
	embedder_allocating++;
	EMBEDDER_REQUIRE(hvh_server_create(e->mem, &e->config, &server_ops, e, &e->server) == 0);
	for (slot = 0; slot < EMBEDDER_SLOTS; slot++)
		if (there & 1u << slot)
			EMBEDDER_REQUIRE(device_add(e, slot) == 0);
	embedder_allocating--;
}

/* Stop everything as the contract of hvh_server_destroy() wants it. */
static void server_drop(struct embedder *e)
{
	void (*after_action)(struct embedder *) = e->after_action;
	int owner_result = e->owner_result;
	unsigned i, kept = 0;

	/* Its state may have been saved: from here on it must not touch the guest's memory. */
	for (i = 0; i < e->task_count; i++)
		if (e->tasks[i].work != EMBEDDER_NOTIFY && e->tasks[i].work != EMBEDDER_ATTEND)
			e->tasks[kept++] = e->tasks[i];
	e->task_count = kept;
	e->after_action = NULL;
	e->owner_result = 0;
	e->muted = true;
	hvh_server_reset(e->server);
	do {
		embedder_run(e);
		embedder_drain(e);
	} while (e->task_count);
	for (i = 0; i < EMBEDDER_CHANNELS_MAX; i++)
		EMBEDDER_REQUIRE(!e->owned[i] && !e->deadline_ns[i]);
	for (i = 0; i < e->server->channel_count; i++)
		EMBEDDER_REQUIRE(e->server->channels[i]->state == CHANNEL_RELEASED);
	EMBEDDER_REQUIRE(held(e) == 0 && !e->server->gpadls && !e->server->waiting_count &&
			 !e->leaving_count);
	hvh_server_destroy(e->server);
	for (i = 0; i < EMBEDDER_SLOTS; i++) {
		if (e->slots[i])
			device_destroy(e, e->slots[i], i);
		set_slot(e, i, NULL);
	}
	e->muted = false;
	e->after_action = after_action;
	e->owner_result = owner_result;
}

void embedder_init(struct embedder *e)
{
	if (!e->config.vps)
		e->config = (struct hvh_server_config){ .version_max = HVP_VERSION_5_3, .vps = 4 };
	e->room = 1000;
	e->now_ns = 1000000000;
	EMBEDDER_REQUIRE(hvh_mem_create(&e->mem) == 0);
	EMBEDDER_REQUIRE(hvh_mem_add(e->mem, 0, EMBEDDER_RAM) == 0);
	server_make(e, 1u << EMBEDDER_HEARTBEAT | 1u << EMBEDDER_SHUTDOWN | 1u << EMBEDDER_ECHO |
			       (e->with_timesync ? 1u << EMBEDDER_TIMESYNC : 0));
	embedder_check(e);
}

void embedder_fini(struct embedder *e)
{
	server_drop(e);
	hvh_mem_destroy(e->mem);
	free(e->inbox);
	free(e->trace);
}

int embedder_save(struct embedder *e, uint8_t **state, size_t *len)
{
	struct hvh_state_writer w;
	int err;

	hvh_state_writer_init(&w);
	err = hvh_server_save(e->server, &w);
	if (err) {
		free(w.bytes);
		return err;
	}
	*state = w.bytes;
	*len = w.len;
	return 0;
}

unsigned embedder_there(const struct embedder *e)
{
	unsigned there = 0, slot;

	for (slot = 0; slot < EMBEDDER_SLOTS; slot++)
		there |= e->slots[slot] ? 1u << slot : 0;
	return there;
}

int embedder_load(struct embedder *e, const uint8_t *state, size_t len)
{
	return embedder_load_with(e, embedder_there(e), state, len);
}

int embedder_load_with(struct embedder *e, unsigned there, const uint8_t *state, size_t len)
{
	struct hvh_state_reader r;
	struct echo_behaviour behaviour[EMBEDDER_SLOTS];
	unsigned slot;
	int err;

	/* How the test wants its devices to behave is no state of theirs. */
	memset(behaviour, 0, sizeof(behaviour));
	for (slot = 0; slot < EMBEDDER_SLOTS; slot++)
		if (embedder_echo(e, slot))
			behaviour[slot] = embedder_echo(e, slot)->behaviour;
	server_drop(e);
	server_make(e, there);
	for (slot = 0; slot < EMBEDDER_SLOTS; slot++)
		if (embedder_echo(e, slot))
			embedder_echo(e, slot)->behaviour = behaviour[slot];
	hvh_state_reader_init(&r, state, len);
	e->posting = true;
	err = hvh_server_load(e->server, &r);
	e->posting = false;
	return err ? err : hvh_state_reader_finish(&r);
}
