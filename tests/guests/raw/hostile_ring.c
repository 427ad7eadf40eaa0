/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Rings, packets and signals. The boot processor opens and closes channels; the others write to the
 * rings meanwhile. Whatever was in a ring, its channel can be closed and its memory comes back.
 */
#include "bus.h"
#include "hostile.h"
#include "hv.h"

#define RING_DATA    (BUS_RING_BYTES - HVP_PAGE_SIZE)
#define PACKET_BYTES 256

static const struct hvp_guid services[] = {
	HVP_CLASS_HEARTBEAT,
	HVP_CLASS_SHUTDOWN,
	HVP_CLASS_TIMESYNC,
};
#define SERVICE_COUNT (sizeof(services) / sizeof(services[0]))

/* --- the stage ------------------------------------------------------------------------------------ */

/* The channel that the other processors work on, as long as it is there. */
static struct {
	struct bus_channel *channel;
	uint32_t busy; /* processors that work on it right now */
	bool over;
} stage;

void hostile_stage_clear(void)
{
	stage.channel = NULL;
	stage.over = false;
}

static void stage_set(struct bus_channel *channel)
{
	__atomic_store_n(&stage.channel, channel, __ATOMIC_SEQ_CST);
	while (!channel && __atomic_load_n(&stage.busy, __ATOMIC_SEQ_CST))
		bm_pause();
}

static void stage_end(void)
{
	__atomic_store_n(&stage.over, true, __ATOMIC_SEQ_CST);
}

/* The other processors' part: `act` on whatever channel there is, until the end. */
static void stage_act(uint64_t *chance, void (*act)(uint64_t *chance, struct bus_channel *channel))
{
	while (!__atomic_load_n(&stage.over, __ATOMIC_SEQ_CST)) {
		struct bus_channel *channel;

		__atomic_fetch_add(&stage.busy, 1, __ATOMIC_SEQ_CST);
		channel = __atomic_load_n(&stage.channel, __ATOMIC_SEQ_CST);
		if (channel)
			act(chance, channel);
		__atomic_fetch_sub(&stage.busy, 1, __ATOMIC_SEQ_CST);
		bm_pause();
	}
}

static void signal(const struct bus_channel *channel)
{
	uint16_t status = hv_signal(channel->offer.connection_id, 0);

	if (status != HVP_STATUS_SUCCESS)
		hostile_complain("status 0x%x for a signal on an open channel", status);
}

static void connect(void)
{
	if (!bus_connect(HVP_VERSION_5_3))
		hostile_complain("no contact");
}

static struct bus_channel *open_any(uint64_t *chance)
{
	const struct hvp_guid *service = &services[hostile_below(chance, SERVICE_COUNT)];
	struct bus_channel *channel = bus_open(service, hostile_below(chance, hvos_cpu_count()));

	if (!channel)
		hostile_complain("a channel does not open");
	return channel;
}

static void close(struct bus_channel *channel)
{
	if (!bus_close(channel))
		hostile_complain("a channel does not close");
}

/* --- indices -------------------------------------------------------------------------------------- */

/* A word of either control page. */
static void spoil_control(uint64_t *chance, struct bus_channel *channel)
{
	uint8_t *ring = channel->ring + (hostile_below(chance, 2) ? BUS_RING_BYTES : 0);
	uint32_t *word = (uint32_t *)(void *)ring + hostile_below(chance, 5);

	if (!hostile_below(chance, 8))
		word = (uint32_t *)(void *)(ring + offsetof(struct hvp_ring_control, features));
	__atomic_store_n(word,
			 hostile_below(chance, 2) ? hostile_number(chance) :
						    hostile_below(chance, RING_DATA / 8) * 8,
			 __ATOMIC_RELAXED);
}

static void spoil_data(uint64_t *chance, struct bus_channel *channel)
{
	uint32_t *data = (uint32_t *)(void *)(channel->ring + HVP_PAGE_SIZE);

	__atomic_store_n(&data[hostile_below(chance, RING_DATA / 4)], hostile_number(chance),
			 __ATOMIC_RELAXED);
}

static void spoil(uint64_t *chance, struct bus_channel *channel)
{
	for (unsigned i = 0; i < 16; i++) {
		if (hostile_below(chance, 4))
			spoil_data(chance, channel);
		else
			spoil_control(chance, channel);
	}
	signal(channel);
}

/* An index that no ring has, in one of four places, before the host sees it. */
static void spoilt_before_open(uint64_t *chance)
{
	static const uint32_t impossible[] = { 1,	   4,	      RING_DATA, RING_DATA + 8,
					       0x80000000, 0xfffffff8 };
	struct bus_channel *channel = bus_find(&services[hostile_below(chance, SERVICE_COUNT)]);
	uint8_t *ring;
	int32_t status;

	if (!channel || !bus_share(channel)) {
		hostile_complain("a ring cannot be shared");
		return;
	}
	ring = channel->ring + (hostile_below(chance, 2) ? BUS_RING_BYTES : 0);
	((uint32_t *)(void *)ring)[hostile_below(chance, 2)] = impossible[hostile_below(chance, 6)];
	status = bus_open_shared(channel, 0);
	if (!status || status == -ETIMEDOUT)
		hostile_complain("status 0x%x for a ring with an impossible index",
				 (uint32_t)status);
	if (!bus_unshare(channel))
		hostile_complain("a ring that was refused does not come back");
}

static void spoilt_after_open(uint64_t *chance)
{
	struct bus_channel *channel = open_any(chance);

	if (!channel)
		return;
	for (unsigned i = 0; i < 4; i++) {
		spoil_control(chance, channel);
		signal(channel);
	}
	close(channel);
}

static void spoilt_while_read(uint64_t *chance)
{
	struct bus_channel *channel = open_any(chance);

	if (!channel)
		return;
	stage_set(channel);
	for (unsigned i = 0; i < 50; i++)
		spoil(chance, channel);
	stage_set(NULL);
	close(channel);
}

void hostile_rings(uint64_t *chance, unsigned rounds)
{
	if (cpu_this()->index) {
		stage_act(chance, spoil);
		return;
	}
	connect();
	for (unsigned i = 0; i < rounds / 8 + 1; i++) {
		spoilt_before_open(chance);
		spoilt_after_open(chance);
		spoilt_while_read(chance);
	}
	stage_end();
}

/* --- packets -------------------------------------------------------------------------------------- */

/* A descriptor with one thing wrong or more, where the host reads next; the index says that it is there. */
static void write_packet(uint64_t *chance, struct bus_channel *channel)
{
	struct hvw_tx *tx = &channel->tx;
	uint32_t payload = hostile_below(chance, PACKET_BYTES);
	uint32_t space = hvw_packet_space(0, payload);
	struct hvp_packet p = {
		.type = hostile_below(chance, 2) ? HVP_PACKET_INBAND :
						   (uint16_t)hostile_number(chance),
		.offset8 = hostile_below(chance, 2) ? 2 : (uint16_t)hostile_number(chance),
		.length8 = hostile_below(chance, 2) ? (uint16_t)((space - HVP_PACKET_TRAILER) / 8) :
						      (uint16_t)hostile_number(chance),
		.flags = (uint16_t)hostile_number(chance),
		.transaction_id = chance_next(chance),
	};
	uint32_t at = tx->write;

	at = hvw_tx_write(tx, at, &p, sizeof(p));
	for (uint32_t i = 0; i < (space - sizeof(p)) / 8; i++) {
		uint64_t word = chance_next(chance);

		at = hvw_tx_write(tx, hvw_ring_wrap(at, tx->size), &word, sizeof(word));
	}
	tx->write = hvw_ring_wrap(at, tx->size);
	__atomic_store_n(&tx->control->write_index, tx->write, __ATOMIC_RELEASE);
}

void hostile_packets(uint64_t *chance, unsigned rounds)
{
	if (cpu_this()->index) {
		stage_act(chance, spoil_data);
		return;
	}
	connect();
	for (unsigned i = 0; i < rounds / 4 + 1; i++) {
		struct bus_channel *channel = open_any(chance);

		if (!channel)
			continue;
		if (hostile_below(chance, 2))
			stage_set(channel);
		for (unsigned j = 0; j < 8; j++) {
			write_packet(chance, channel);
			signal(channel);
		}
		stage_set(NULL);
		close(channel);
	}
	stage_end();
}

/* --- integration services ------------------------------------------------------------------------- */

/* Framing as it should be, mostly; the rest what no driver answers. */
static uint32_t draft_message(uint64_t *chance, uint8_t *bytes)
{
	static const uint16_t types[] = { HVP_IC_NEGOTIATE, HVP_IC_HEARTBEAT, HVP_IC_SHUTDOWN,
					  HVP_IC_TIMESYNC };
	uint32_t body = hostile_below(chance, PACKET_BYTES - (uint32_t)HVW_IC_HEADERS);
	struct hvp_ic_header h = {
		.framework = { (uint16_t)hostile_below(chance, 4),
			       (uint16_t)hostile_number(chance) },
		.message = { (uint16_t)hostile_below(chance, 5),
			     (uint16_t)hostile_below(chance, 3) },
		.type = hostile_below(chance, 8) ? types[hostile_below(chance, 4)] :
						   (uint16_t)hostile_number(chance),
		.size = (uint16_t)body,
		.status = hostile_below(chance, 2) ? HVP_IC_SUCCESS : hostile_number(chance),
		.transaction_id = (uint8_t)hostile_below(chance, 4),
		.flags = hostile_below(chance, 4) ? HVP_IC_FLAG_RESPONSE | HVP_IC_FLAG_TRANSACTION :
						    (uint8_t)hostile_number(chance),
	};
	struct hvp_pipe_header pipe;
	uint32_t len;

	for (uint32_t i = 0; i < PACKET_BYTES; i++)
		bytes[i] = (uint8_t)hostile_below(chance, 4);
	len = (uint32_t)hvw_ic_build(bytes, &h);
	if (hostile_below(chance, 8))
		return len;
	hvw_memcpy(&pipe, bytes, sizeof(pipe));
	if (hostile_below(chance, 2))
		pipe.type = hostile_number(chance);
	else
		pipe.length = hostile_number(chance);
	hvw_memcpy(bytes, &pipe, sizeof(pipe));
	return hostile_below(chance, len + 1);
}

static void talk_nonsense(uint64_t *chance, const struct hvp_guid *service, unsigned rounds)
{
	struct bus_channel *channel = bus_open(service, 0);
	uint8_t bytes[PACKET_BYTES];

	if (!channel) {
		hostile_complain("a channel does not open");
		return;
	}
	if (hostile_below(chance, 2) && !bus_ic_negotiate(channel))
		hostile_complain("a service does not negotiate");
	stage_set(channel);
	for (unsigned i = 0; i < rounds; i++)
		/* A full ring is the host's business: it will look when it is signalled. */
		if (!bus_send(channel, bytes, draft_message(chance, bytes)))
			signal(channel);
	stage_set(NULL);
	close(channel);
}

static void only_signal(uint64_t *chance, struct bus_channel *channel)
{
	(void)chance;
	signal(channel);
}

void hostile_services(uint64_t *chance, unsigned rounds)
{
	if (cpu_this()->index) {
		stage_act(chance, only_signal);
		return;
	}
	connect();
	for (unsigned i = 0; i < 2 * SERVICE_COUNT; i++)
		talk_nonsense(chance, &services[i % SERVICE_COUNT], rounds);
	stage_end();
}

/* --- signals -------------------------------------------------------------------------------------- */

static void signal_anybody(uint64_t *chance, struct bus_channel *channel)
{
	uint32_t own = channel->offer.connection_id;
	uint16_t status;

	for (unsigned i = 0; i < 32; i++)
		signal(channel);
	status = hv_signal(hostile_below(chance, 2) ? own + hostile_below(chance, 8) :
						      hostile_number(chance),
			   hostile_below(chance, 2) ? 0 : (uint16_t)hostile_number(chance));
	if (status != HVP_STATUS_SUCCESS && status != HVP_STATUS_INVALID_CALL_INPUT &&
	    status != HVP_STATUS_INVALID_PORT_ID && status != HVP_STATUS_INVALID_CONNECTION_ID)
		hostile_complain("status 0x%x for a signal", status);
}

void hostile_signals(uint64_t *chance, unsigned rounds)
{
	struct bus_channel *channel;

	if (cpu_this()->index) {
		stage_act(chance, signal_anybody);
		return;
	}
	connect();
	channel = open_any(chance);
	stage_set(channel);
	for (unsigned i = 0; channel && i < rounds; i++)
		signal_anybody(chance, channel);
	stage_set(NULL);
	if (channel)
		close(channel);
	stage_end();
}
