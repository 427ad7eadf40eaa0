/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The server with real threads, as a monitor has them: a control loop, an owner loop, a virtual processor
 * that signals and takes messages from its SynIC, and a reader of statistics on the control loop. For
 * ThreadSanitizer above all.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include <hvh/hvh_synic.h>

#include "fuzz/guest_script.h"
#include "host/vmbus/server_priv.h"
#include "tap.h"

#define SIMP	 (2 * (uint64_t)HVP_PAGE_SIZE)
#define SIEFP	 (3 * (uint64_t)HVP_PAGE_SIZE)
#define CHANNELS 2u /* first channels of two devices that stay */
#define SUBS	 2u /* sub-channels of the first device */
#define IDS	 16u /* channels are counted by their id minus 1 */
#define JOBS_MAX 256u

enum job {
	JOB_START,
	JOB_NOTIFY,
	JOB_STOP,
	JOB_STARTED,
	JOB_STOPPED,
	JOB_POST,
	JOB_FLUSH,
	JOB_WORK,
	JOB_ADD,
	JOB_REMOVE,
	JOB_QUIT
};

/* A loop's queue. */
struct loop {
	pthread_mutex_t mutex;
	pthread_cond_t more;
	struct {
		enum job job;
		unsigned channel;
		int result;
		uint32_t len;
		uint8_t bytes[HVP_MESSAGE_PAYLOAD_MAX];
	} jobs[JOBS_MAX];
	unsigned count;
};

static struct {
	struct hvh_mem *mem;
	struct hvh_server *server;
	struct hvh_synic *synic;
	struct echo_device echo[CHANNELS];
	struct echo_device guest_device; /* comes and goes */
	atomic_uint removed;
	struct loop control, owner;
	/* Started ones; between control and owner loop by way of the jobs. */
	struct hvh_channel *channels[IDS];
	bool owned[IDS]; /* the owner loop's */
	atomic_bool doorbell[IDS];
	_Atomic uint64_t deadline_ns[IDS];
	atomic_uint interrupts;
	pthread_mutex_t processor; /* stands for "on the virtual processor's thread" */
} m;

static void give(struct loop *loop, enum job job, unsigned channel, int result, const void *bytes,
		 uint32_t len)
{
	pthread_mutex_lock(&loop->mutex);
	if (loop->count == JOBS_MAX - 1)
		abort();
	loop->jobs[loop->count].job = job;
	loop->jobs[loop->count].channel = channel;
	loop->jobs[loop->count].result = result;
	loop->jobs[loop->count].len = len;
	if (len)
		memcpy(loop->jobs[loop->count].bytes, bytes, len);
	loop->count++;
	pthread_cond_signal(&loop->more);
	pthread_mutex_unlock(&loop->mutex);
}

static uint64_t now_ns(void *ctx)
{
	struct timespec now;

	(void)ctx;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static bool post_message(void *ctx, uint32_t vp, uint32_t sint, const void *bytes, size_t len)
{
	int err;

	(void)ctx;
	(void)vp;
	pthread_mutex_lock(&m.processor);
	err = hvh_synic_post(m.synic, sint, HVP_MESSAGE_VMBUS, bytes, len);
	pthread_mutex_unlock(&m.processor);
	return !err;
}

static void signal_guest(void *ctx, uint32_t vp, uint32_t sint, uint32_t flag)
{
	(void)ctx;
	(void)vp;
	if (hvh_synic_signal(m.synic, sint, flag))
		atomic_fetch_add(&m.interrupts, 1);
}

/* An id never changes, so any thread may ask for it. */
static unsigned index_of(const struct hvh_channel *channel)
{
	if (channel->id > IDS)
		abort();
	return channel->id - 1;
}

static int channel_start(void *ctx, struct hvh_channel *channel, uint32_t connection_id)
{
	(void)ctx;
	(void)connection_id;
	m.channels[index_of(channel)] = channel;
	give(&m.owner, JOB_START, index_of(channel), 0, NULL, 0);
	return 0;
}

static void channel_stop(void *ctx, struct hvh_channel *channel)
{
	(void)ctx;
	give(&m.owner, JOB_STOP, index_of(channel), 0, NULL, 0);
}

static void channel_drained(void *ctx, struct hvh_channel *channel)
{
	(void)ctx;
	m.owned[index_of(channel)] = false;
	give(&m.control, JOB_STOPPED, index_of(channel), 0, NULL, 0);
}

static void timer(void *ctx, struct hvh_channel *channel, uint64_t deadline_ns)
{
	(void)ctx;
	atomic_store(&m.deadline_ns[index_of(channel)], deadline_ns);
}

static void attention(void *ctx)
{
	(void)ctx;
	give(&m.control, JOB_WORK, 0, 0, NULL, 0);
}

static void device_removed(void *ctx, struct hvh_device *device)
{
	(void)ctx;
	if (device != &m.guest_device.device)
		abort();
	/* As a caller that frees it would. */
	memset(&m.guest_device, 0xa5, sizeof(m.guest_device));
	atomic_fetch_add(&m.removed, 1);
}

static void log_line(void *ctx, enum hvh_log_level level, const char *line)
{
	(void)ctx;
	(void)level;
	(void)line;
}

static const struct hvh_server_ops ops = {
	.post_message = post_message,
	.signal = signal_guest,
	.channel_start = channel_start,
	.channel_stop = channel_stop,
	.channel_drained = channel_drained,
	.timer = timer,
	.attention = attention,
	.device_removed = device_removed,
	.now_ns = now_ns,
	.log = log_line,
};

/* --- the two loops ------------------------------------------------------------------------------- */

static void do_control(unsigned i)
{
	struct hvh_channel *channel = m.channels[m.control.jobs[i].channel];
	int result = m.control.jobs[i].result;
	struct hvh_channel_info info;
	struct hvh_server_stats stats;
	unsigned n;

	switch (m.control.jobs[i].job) {
	case JOB_STARTED:
		if (hvh_server_started(m.server, channel, result))
			give(&m.owner, JOB_NOTIFY, m.control.jobs[i].channel, 0, NULL, 0);
		break;
	case JOB_STOPPED:
		hvh_server_stopped(m.server, channel);
		break;
	case JOB_POST:
		hvh_server_post(m.server, HVP_CONNECTION_MESSAGE_1, HVP_MESSAGE_VMBUS,
				m.control.jobs[i].bytes, m.control.jobs[i].len);
		break;
	case JOB_WORK:
		hvh_server_work(m.server);
		break;
	case JOB_ADD:
		echo_device_init(&m.guest_device, 77);
		m.guest_device.behaviour.subchannels = 1;
		if (hvh_server_add(m.server, &m.guest_device.device))
			abort();
		break;
	case JOB_REMOVE:
		if (hvh_server_remove(m.server, &m.guest_device.device))
			abort();
		break;
	default:
		hvh_server_flush(m.server);
	}
	hvh_server_stats(m.server, &stats);
	for (n = 0; (channel = hvh_server_channel(m.server, n)); n++)
		hvh_channel_info(channel, &info);
}

static void do_owner(enum job job, unsigned index)
{
	struct hvh_channel *channel = m.channels[index];

	if (job == JOB_START) {
		int err = hvh_channel_start(channel);

		m.owned[index] = !err;
		give(&m.control, JOB_STARTED, index, err, NULL, 0);
	} else if (job == JOB_NOTIFY) {
		hvh_channel_notify(channel);
	} else {
		hvh_channel_stop(channel);
	}
}

static void *owner_loop(void *arg)
{
	(void)arg;
	for (;;) {
		enum job job = JOB_FLUSH;
		unsigned channel = 0, i;

		pthread_mutex_lock(&m.owner.mutex);
		if (m.owner.count) {
			job = m.owner.jobs[0].job;
			channel = m.owner.jobs[0].channel;
			memmove(&m.owner.jobs[0], &m.owner.jobs[1],
				--m.owner.count * sizeof(m.owner.jobs[0]));
		}
		pthread_mutex_unlock(&m.owner.mutex);
		if (job == JOB_QUIT)
			return NULL;
		if (job != JOB_FLUSH)
			do_owner(job, channel);
		for (i = 0; i < IDS; i++) {
			uint64_t deadline_ns = atomic_load(&m.deadline_ns[i]);
			bool rung = atomic_exchange(&m.doorbell[i], false);

			if (rung && m.owned[i])
				hvh_channel_notify(m.channels[i]);
			if (deadline_ns && now_ns(NULL) >= deadline_ns && m.owned[i]) {
				atomic_store(&m.deadline_ns[i], 0);
				hvh_channel_expire(m.channels[i], now_ns(NULL));
			}
		}
	}
}

static void *control_loop(void *arg)
{
	(void)arg;
	for (;;) {
		pthread_mutex_lock(&m.control.mutex);
		while (!m.control.count)
			pthread_cond_wait(&m.control.more, &m.control.mutex);
		/* One copy, in the place behind the last: nobody else gets that far. */
		m.control.jobs[JOBS_MAX - 1] = m.control.jobs[0];
		memmove(&m.control.jobs[0], &m.control.jobs[1],
			--m.control.count * sizeof(m.control.jobs[0]));
		pthread_mutex_unlock(&m.control.mutex);
		if (m.control.jobs[JOBS_MAX - 1].job == JOB_QUIT)
			return NULL;
		do_control(JOBS_MAX - 1);
	}
}

/* --- the guest: this test's main thread ----------------------------------------------------------- */

static void post(const void *message, size_t len)
{
	give(&m.control, JOB_POST, 0, 0, message, (uint32_t)len);
}

static void post_channel(uint32_t type, uint32_t channel_id)
{
	struct hvp_msg_channel_ref msg = { .h.type = type, .channel_id = channel_id };

	post(&msg, sizeof(msg));
}

/* Wait for a message of this type, dropping others; false after 60 seconds. */
static bool wait_for(uint32_t type, struct hvw_msg *msg)
{
	uint64_t slot = SIMP + HVP_VMBUS_SINT * sizeof(struct hvp_synic_message);
	uint64_t end_ns = now_ns(NULL) + 60000000000u;
	struct hvp_synic_message message;
	const uint32_t none = HVP_MESSAGE_NONE;

	while (now_ns(NULL) < end_ns) {
		bool taken;

		pthread_mutex_lock(&m.processor);
		taken = !hvh_mem_read(m.mem, slot, &message, sizeof(message)) &&
			message.type == HVP_MESSAGE_VMBUS &&
			!hvh_mem_write(m.mem, slot, &none, sizeof(none));
		pthread_mutex_unlock(&m.processor);
		if (!taken)
			continue;
		give(&m.control, JOB_FLUSH, 0, 0, NULL, 0); /* EOM */
		if (hvw_msg_parse(msg, message.payload, message.size, HVP_TO_GUEST))
			return false;
		if (msg->u.h.type == type)
			return true;
	}
	return false;
}

static bool open_channel(struct guest *g, unsigned channel)
{
	struct guest_channel *ch = &g->channels[channel];
	struct {
		struct hvp_msg_gpadl_header h;
		struct hvp_gpa_range range;
		uint64_t gpns[8];
	} HVP_WIRE(4) gpadl = { .range.byte_count = 8 * HVP_PAGE_SIZE };
	struct hvp_msg_open_channel open = { .h.type = HVP_MSG_OPEN_CHANNEL,
					     .channel_id = channel + 1,
					     .downstream_page = 4 };
	struct hvw_msg msg;

	guest_ring_pages(g, channel, 8, 4);
	gpadl.h = (struct hvp_msg_gpadl_header){ .h.type = HVP_MSG_GPADL_HEADER,
						 .channel_id = channel + 1,
						 .gpadl = ch->gpadl,
						 .range_bytes = 72,
						 .range_count = 1 };
	memcpy(gpadl.gpns, ch->gpns, sizeof(gpadl.gpns));
	post(&gpadl, sizeof(gpadl));
	if (!wait_for(HVP_MSG_GPADL_CREATED, &msg) || msg.u.GPADL_CREATED.status)
		return false;
	open.ring_gpadl = ch->gpadl;
	post(&open, sizeof(open));
	return wait_for(HVP_MSG_OPEN_RESULT, &msg) && !msg.u.OPEN_RESULT.status;
}

/* Send and get back; the echo is not waited for before the next is sent. */
static unsigned exchange(struct guest *g, unsigned channel, unsigned packets)
{
	struct guest_channel *ch = &g->channels[channel];
	uint64_t end_ns = now_ns(NULL) + 60000000000u;
	uint64_t payload[8] = { 0 }, back[8];
	struct hvw_rx_packet packet;
	unsigned sent = 0, got = 0;
	bool signal;

	while (got < packets && now_ns(NULL) < end_ns) {
		payload[0] = sent;
		if (sent < packets &&
		    !hvw_tx_send(&ch->tx, 0, sent, payload, sizeof(payload), &signal)) {
			sent++;
			if (signal)
				atomic_store(&m.doorbell[channel], true);
		}
		while (!hvw_rx_next(&ch->rx, &packet)) {
			TAP_EQ(hvw_rx_copy(&ch->rx, &packet, packet.header_len, back, sizeof(back)),
			       0);
			TAP_EQ(back[0], got);
			got++;
			if (hvw_rx_release(&ch->rx))
				atomic_store(&m.doorbell[channel], true);
		}
	}
	return got;
}

static bool close_channel(struct guest *g, unsigned channel)
{
	struct hvp_msg_gpadl_teardown teardown = { .h.type = HVP_MSG_GPADL_TEARDOWN,
						   .channel_id = channel + 1,
						   .gpadl = g->channels[channel].gpadl };
	struct hvw_msg msg;

	/* A doorbell on its way when the channel closes. */
	atomic_store(&m.doorbell[channel], true);
	post_channel(HVP_MSG_CLOSE_CHANNEL, channel + 1);
	post(&teardown, sizeof(teardown));
	return wait_for(HVP_MSG_GPADL_TORNDOWN, &msg);
}

static pthread_t control_thread, owner_thread;

/* When nothing is under way any more. */
static void finish(void)
{
	give(&m.owner, JOB_QUIT, 0, 0, NULL, 0);
	pthread_join(owner_thread, NULL);
	give(&m.control, JOB_QUIT, 0, 0, NULL, 0);
	pthread_join(control_thread, NULL);
}

static void make(void)
{
	const struct hvh_server_config config = { .version_max = HVP_VERSION_5_3, .vps = 1 };

	memset(&m, 0, sizeof(m));
	pthread_mutex_init(&m.processor, NULL);
	pthread_mutex_init(&m.control.mutex, NULL);
	pthread_mutex_init(&m.owner.mutex, NULL);
	pthread_cond_init(&m.control.more, NULL);
	pthread_cond_init(&m.owner.more, NULL);
	if (hvh_mem_create(&m.mem) || hvh_mem_add(m.mem, 0, EMBEDDER_RAM) ||
	    hvh_synic_create(m.mem, &m.synic) ||
	    hvh_synic_set(m.synic, HVP_MSR_ENABLE, SIEFP | HVP_MSR_ENABLE, SIMP | HVP_MSR_ENABLE) ||
	    hvh_server_create(m.mem, &config, &ops, NULL, &m.server))
		abort();
	for (unsigned i = 0; i < CHANNELS; i++) {
		echo_device_init(&m.echo[i], (uint8_t)(i + 1));
		m.echo[i].behaviour.period_ns = 100000;
		if (hvh_server_add(m.server, &m.echo[i].device))
			abort();
	}
	if (pthread_create(&control_thread, NULL, control_loop, NULL) ||
	    pthread_create(&owner_thread, NULL, owner_loop, NULL))
		abort();
}

static void drop(void)
{
	hvh_server_destroy(m.server);
	hvh_synic_destroy(m.synic);
	TAP_EQ(hvh_mem_held(m.mem), 0);
	hvh_mem_destroy(m.mem);
}

TAP_TEST(guest_control_loop_and_owner_loop_work_together)
{
	struct hvp_msg_initiate_contact contact = { .h.type = HVP_MSG_INITIATE_CONTACT,
						    .version = HVP_VERSION_4_1 };
	struct embedder shell = { 0 };
	struct guest g;
	struct hvw_msg msg;

	make();
	shell.mem = m.mem; /* all that the script needs of it here */
	guest_init(&g, &shell);
	for (unsigned round = 0; round < 20; round++) {
		post(&contact, sizeof(contact));
		TAP_CHECK(wait_for(HVP_MSG_VERSION_RESPONSE, &msg));
		post(&(struct hvp_msg_header){ .type = HVP_MSG_REQUEST_OFFERS },
		     sizeof(struct hvp_msg_header));
		TAP_CHECK(wait_for(HVP_MSG_ALL_OFFERS_DELIVERED, &msg));
		for (unsigned channel = 0; channel < CHANNELS; channel++) {
			TAP_CHECK(open_channel(&g, channel));
			TAP_EQ(exchange(&g, channel, 500), 500);
			post(&(struct hvp_msg_modify_channel){ .h.type = HVP_MSG_MODIFY_CHANNEL,
							       .channel_id = channel + 1 },
			     sizeof(struct hvp_msg_modify_channel));
		}
		TAP_CHECK(close_channel(&g, round % 2));
		/* The other one stays open: unload, or the next contact, takes it away. */
		if (round % 3 == 0) {
			post(&(struct hvp_msg_header){ .type = HVP_MSG_UNLOAD },
			     sizeof(struct hvp_msg_header));
			TAP_CHECK(wait_for(HVP_MSG_UNLOAD_RESPONSE, &msg));
		}
	}
	post(&contact, sizeof(contact));
	TAP_CHECK(wait_for(HVP_MSG_VERSION_RESPONSE, &msg));
	finish();
	/* The guest polls and clears no flag: one interrupt for each channel. */
	TAP_EQ(atomic_load(&m.interrupts), CHANNELS);
	TAP_EQ(m.echo[0].echoed + m.echo[1].echoed, 2 * 20 * 500);
	guest_fini(&g);
	drop();
}

/* Wait for an offer; the channel's index, or IDS. */
static unsigned offered(void)
{
	struct hvw_msg msg;

	return wait_for(HVP_MSG_OFFER_CHANNEL, &msg) ? msg.u.OFFER_CHANNEL.channel_id - 1 : IDS;
}

/* A device comes, is used on two channels, and goes while both are busy. */
static void device_comes_and_goes(struct guest *g)
{
	unsigned removed = atomic_load(&m.removed), first, sub;
	uint64_t end_ns = now_ns(NULL) + 60000000000u;
	struct hvw_msg msg;

	give(&m.control, JOB_ADD, 0, 0, NULL, 0);
	first = offered();
	TAP_REQUIRE(first < IDS && open_channel(g, first));
	sub = offered();
	TAP_REQUIRE(sub < IDS && open_channel(g, sub));
	TAP_EQ(exchange(g, first, 100), 100);
	TAP_EQ(exchange(g, sub, 100), 100);
	atomic_store(&m.doorbell[first], true);
	atomic_store(&m.doorbell[sub], true);
	give(&m.control, JOB_REMOVE, 0, 0, NULL, 0);
	atomic_store(&m.doorbell[sub], true);
	TAP_CHECK(wait_for(HVP_MSG_RESCIND_OFFER, &msg));
	TAP_EQ(msg.u.RESCIND_OFFER.channel_id, sub + 1);
	TAP_CHECK(wait_for(HVP_MSG_RESCIND_OFFER, &msg));
	TAP_EQ(msg.u.RESCIND_OFFER.channel_id, first + 1);
	atomic_store(&m.doorbell[first], true);
	post_channel(HVP_MSG_RELID_RELEASED, sub + 1);
	post_channel(HVP_MSG_RELID_RELEASED, first + 1);
	while (atomic_load(&m.removed) == removed && now_ns(NULL) < end_ns)
		;
}

TAP_TEST(devices_and_sub_channels_come_and_go_between_the_loops)
{
	struct hvp_msg_initiate_contact contact = { .h.type = HVP_MSG_INITIATE_CONTACT,
						    .version = HVP_VERSION_4_1 };
	struct embedder shell = { 0 };
	struct guest g;
	struct hvw_msg msg;

	make();
	shell.mem = m.mem;
	guest_init(&g, &shell);
	m.echo[0].behaviour.subchannels = SUBS;
	post(&contact, sizeof(contact));
	TAP_CHECK(wait_for(HVP_MSG_VERSION_RESPONSE, &msg));
	post(&(struct hvp_msg_header){ .type = HVP_MSG_REQUEST_OFFERS },
	     sizeof(struct hvp_msg_header));
	TAP_CHECK(wait_for(HVP_MSG_ALL_OFFERS_DELIVERED, &msg));
	for (unsigned round = 0; round < 10; round++) {
		unsigned subs[SUBS];

		TAP_REQUIRE(open_channel(&g, 0));
		for (unsigned i = 0; i < SUBS; i++)
			subs[i] = offered();
		for (unsigned i = 0; i < SUBS; i++) {
			TAP_REQUIRE(subs[i] < IDS && open_channel(&g, subs[i]));
			TAP_EQ(exchange(&g, subs[i], 100), 100);
		}
		device_comes_and_goes(&g);
		/* The sub-channels go with the first channel. */
		post_channel(HVP_MSG_CLOSE_CHANNEL, 1);
		for (unsigned i = 0; i < SUBS; i++) {
			TAP_CHECK(wait_for(HVP_MSG_RESCIND_OFFER, &msg));
			post_channel(HVP_MSG_RELID_RELEASED, msg.u.RESCIND_OFFER.channel_id);
		}
	}
	post(&contact, sizeof(contact));
	TAP_CHECK(wait_for(HVP_MSG_VERSION_RESPONSE, &msg));
	finish();
	TAP_EQ(atomic_load(&m.removed), 10);
	guest_fini(&g);
	drop();
}

TAP_MAIN()
