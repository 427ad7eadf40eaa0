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
		e->trace = realloc(e->trace, e->trace_capacity);
		EMBEDDER_REQUIRE(e->trace);
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

/* A test may add more, and looks after them itself. */
static unsigned channels_of(const struct embedder *e)
{
	return EMBEDDER_CHANNELS + e->with_timesync;
}

/* --- invariants ------------------------------------------------------------------------------ */

static void check_channel(struct hvh_server *server, const struct hvh_channel *channel)
{
	bool mapped = channel->ring.base != NULL;
	const struct gpadl *gpadl;

	EMBEDDER_REQUIRE(channel->state < CHANNEL_STATES);
	EMBEDDER_REQUIRE(mapped == (channel->ring_gpadl != 0));
	EMBEDDER_REQUIRE(mapped ==
			 (channel->state != CHANNEL_RELEASED && channel->state != CHANNEL_OFFERED));
	if (!mapped)
		return;
	gpadl = hvh_gpadl_find(server, channel->ring_gpadl);
	EMBEDDER_REQUIRE(gpadl && gpadl->channel_id == channel->id &&
			 gpadl->state != GPADL_ASSEMBLING);
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
		check_channel(server, server->channels[i]);
		open += server->channels[i]->state == CHANNEL_OPEN;
		mapped += server->channels[i]->ring.base != NULL;
	}
	for (gpadl = server->gpadls; gpadl; gpadl = gpadl->next) {
		bool used = false;

		gpadls++;
		pages += gpadl->pages;
		EMBEDDER_REQUIRE(gpadl->filled <= gpadl->bytes);
		EMBEDDER_REQUIRE((gpadl->state == GPADL_ASSEMBLING) ==
				 (gpadl->filled < gpadl->bytes));
		for (i = 0; i < server->channel_count; i++)
			used |= server->channels[i]->ring_gpadl == gpadl->handle;
		/* A load that failed half way may leave some until the reset is through. */
		EMBEDDER_REQUIRE(gpadl->state != GPADL_TEARING_DOWN || used || e->muted);
	}
	EMBEDDER_REQUIRE(server->stats.gpadls == gpadls && gpadls <= GPADL_MAX);
	EMBEDDER_REQUIRE(server->stats.gpadl_pages == pages && pages <= GPADL_PAGES_MAX);
	EMBEDDER_REQUIRE(server->stats.channels_open == open);
	EMBEDDER_REQUIRE(server->waiting_count <= MESSAGES_WAITING_LIMIT(server->channel_count));
	EMBEDDER_REQUIRE(hvh_mem_held(e->mem) == mapped);
	if (server->state == CONNECTION_NONE)
		EMBEDDER_REQUIRE(!gpadls && !mapped && !server->version);
}

/* An answer goes out: what it gives back is given back. */
static void check_answer(struct embedder *e, const void *bytes)
{
	struct hvw_msg msg;
	unsigned i;

	EMBEDDER_REQUIRE(hvw_msg_parse(&msg, bytes, HVP_MESSAGE_PAYLOAD_MAX, HVP_TO_GUEST) == 0);
	if (msg.u.h.type == HVP_MSG_UNLOAD_RESPONSE || msg.u.h.type == HVP_MSG_VERSION_RESPONSE)
		EMBEDDER_REQUIRE(!e->server->gpadls && !hvh_mem_held(e->mem));
	for (i = 0; msg.u.h.type == HVP_MSG_GPADL_TORNDOWN && i < channels_of(e); i++)
		EMBEDDER_REQUIRE(e->server->channels[i]->ring_gpadl != msg.u.GPADL_TORNDOWN.gpadl);
	if (msg.u.h.type == HVP_MSG_OPEN_RESULT && msg.u.OPEN_RESULT.status)
		EMBEDDER_REQUIRE(!e->server->channels[msg.u.OPEN_RESULT.channel_id - 1]->ring.base);
}

static void action_done(struct embedder *e)
{
	embedder_check(e);
	if (e->after_action)
		e->after_action(e);
}

/* --- the server's ops -------------------------------------------------------------------------- */

static bool op_post_message(void *ctx, uint32_t vp, uint32_t sint, const void *bytes, size_t len)
{
	struct embedder *e = ctx;
	struct embedder_message *message;
	uint8_t whole[HVP_MESSAGE_PAYLOAD_MAX] = { 0 };

	EMBEDDER_REQUIRE(vp < e->config.vps && sint < HVP_SINT_COUNT);
	EMBEDDER_REQUIRE(len >= sizeof(struct hvp_msg_header) && len <= HVP_MESSAGE_PAYLOAD_MAX);
	if (e->muted)
		return true;
	if (e->inbox_count >= e->room)
		return false;
	memcpy(whole, bytes, len);
	if (!e->posting)
		check_answer(e, whole);
	if (e->inbox_count == e->inbox_capacity) {
		e->inbox_capacity = e->inbox_capacity ? 2 * e->inbox_capacity : 16;
		e->inbox = realloc(e->inbox, e->inbox_capacity * sizeof(*e->inbox));
		EMBEDDER_REQUIRE(e->inbox);
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
			 flag <= channels_of(e));
	e->signals[flag - 1]++;
	e->signal_vp[flag - 1] = vp;
}

static unsigned index_of(struct embedder *e, const struct hvh_channel *channel)
{
	unsigned i = 0;

	while (hvh_server_channel(e->server, i) != channel)
		EMBEDDER_REQUIRE(++i < channels_of(e));
	return i;
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

static void op_trace_message(void *ctx, enum hvp_direction direction, const void *bytes, size_t len)
{
	struct embedder *e = ctx;

	EMBEDDER_REQUIRE(bytes && len >= sizeof(struct hvp_msg_header) &&
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

static const struct hvh_server_ops server_ops = {
	.post_message = op_post_message,
	.signal = op_signal,
	.channel_start = op_channel_start,
	.channel_stop = op_channel_stop,
	.channel_drained = op_channel_drained,
	.timer = op_timer,
	.attention = op_attention,
	.now_ns = op_now_ns,
	.log = op_log,
	.trace_message = op_trace_message,
	.trace_packet = op_trace_packet,
};

/* --- loops ------------------------------------------------------------------------------------- */

static bool on_owner_loop(enum embedder_work work)
{
	return work == EMBEDDER_START || work == EMBEDDER_NOTIFY || work == EMBEDDER_STOP;
}

static void do_task(struct embedder *e, struct embedder_task task)
{
	struct hvh_channel *channel = hvh_server_channel(e->server, task.channel);
	int result;

	switch (task.work) {
	case EMBEDDER_START:
		/* Ours before the device is: it may arm its timer. */
		e->owned[task.channel] = true;
		result = e->owner_result ? e->owner_result : hvh_channel_start(channel);
		e->owned[task.channel] = !result;
		queue(e, EMBEDDER_STARTED, task.channel, result);
		break;
	case EMBEDDER_STARTED:
		hvh_server_started(e->server, channel, task.result);
		if (!task.result)
			queue(e, EMBEDDER_NOTIFY, task.channel, 0);
		break;
	case EMBEDDER_NOTIFY:
		hvh_channel_notify(channel);
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
	uint16_t status =
		hvh_server_post(e->server, connection_id, HVP_MESSAGE_VMBUS, message, len);
	uint32_t type = HVP_MSG_END;

	if (len >= sizeof(type))
		memcpy(&type, message, sizeof(type));
	if (type < HVP_MSG_END && e->server->stats.violations != before)
		e->refused[type]++;
	/* A contact at a version that we do not speak is no violation, yet not accepted. */
	else if (type < HVP_MSG_END && !status && e->server->state != CONNECTION_NONE)
		e->accepted[type]++;
	action_done(e);
	return status;
}

void embedder_doorbell(struct embedder *e, uint32_t connection_id)
{
	unsigned i;

	/* Also for a channel that is stopped: a doorbell may be on its way when that happens. */
	for (i = 0; i < channels_of(e); i++)
		if (hvh_server_channel(e->server, i)->connection_id == connection_id)
			hvh_channel_notify(hvh_server_channel(e->server, i));
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
		hvh_channel_expire(hvh_server_channel(e->server, (unsigned)i), e->now_ns);
		action_done(e);
	}
	e->now_ns = until_ns;
}

void embedder_drain(struct embedder *e)
{
	echo_device_drain(&e->echo);
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
	int err = hvh_shutdown_request(e->shutdown, flags, "bye", shutdown_done, e);

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

static void server_make(struct embedder *e)
{
	struct echo_device old = e->echo;

	EMBEDDER_REQUIRE(hvh_heartbeat_create(&e->heartbeat) == 0);
	EMBEDDER_REQUIRE(hvh_shutdown_create(&e->shutdown) == 0);
	echo_device_init(&e->echo, 1);
	/* How the test wants it to behave is no state of the device. */
	e->echo.slow = old.slow;
	e->echo.open_result = old.open_result;
	e->echo.period_ns = old.period_ns;
	EMBEDDER_REQUIRE(hvh_server_create(e->mem, &e->config, &server_ops, e, &e->server) == 0);
	EMBEDDER_REQUIRE(hvh_server_add(e->server, e->heartbeat) == 0);
	EMBEDDER_REQUIRE(hvh_server_add(e->server, e->shutdown) == 0);
	EMBEDDER_REQUIRE(hvh_server_add(e->server, &e->echo.device) == 0);
	if (!e->with_timesync)
		return;
	EMBEDDER_REQUIRE(hvh_timesync_create(clock_read, e, &e->timesync) == 0);
	EMBEDDER_REQUIRE(hvh_server_add(e->server, e->timesync) == 0);
}

/* Stop everything as the contract of hvh_server_destroy() wants it. */
static void server_drop(struct embedder *e)
{
	void (*after_action)(struct embedder *) = e->after_action;
	int owner_result = e->owner_result;
	unsigned i, kept = 0;

	/* Its state may have been saved: from here on it must not touch the guest's memory. */
	for (i = 0; i < e->task_count; i++)
		if (e->tasks[i].work != EMBEDDER_NOTIFY)
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
	for (i = 0; i < channels_of(e); i++)
		EMBEDDER_REQUIRE(!e->owned[i] && !e->deadline_ns[i] &&
				 e->server->channels[i]->state == CHANNEL_RELEASED);
	EMBEDDER_REQUIRE(hvh_mem_held(e->mem) == 0 && !e->server->gpadls &&
			 !e->server->waiting_count);
	hvh_server_destroy(e->server);
	hvh_heartbeat_destroy(e->heartbeat);
	hvh_shutdown_destroy(e->shutdown);
	hvh_timesync_destroy(e->timesync);
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
	server_make(e);
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

int embedder_load(struct embedder *e, const uint8_t *state, size_t len)
{
	struct hvh_state_reader r;
	int err;

	server_drop(e);
	server_make(e);
	hvh_state_reader_init(&r, state, len);
	e->posting = true;
	err = hvh_server_load(e->server, &r);
	e->posting = false;
	return err ? err : hvh_state_reader_finish(&r);
}
