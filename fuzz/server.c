/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The VMBus server with its devices, driven by a list of actions: a hostile guest's messages, rings and
 * doorbells, owner loops that run in any order, time, resets, saves and loads. What must hold whatever
 * happens is checked by the embedder. Each action is one byte and its parameters; an input that ends
 * within one reads zeros.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz_target.h"
#include "fuzz/guest_script.h"
#include "fuzz/input.h"

#define ACTIONS_MAX	 400u
#define CHANNELS_TOUCHED 24u

const unsigned fuzz_cuts = 8;

/* One byte, then what the action takes. scripts/gen-fuzz-seeds reads this list. */
enum action {
	RAW_MESSAGE,
	CONTACT,
	REQUEST_OFFERS,
	UNLOAD,
	GPADL,
	SHARE_RING,
	OPEN,
	CLOSE,
	RELEASE,
	TEARDOWN,
	MODIFY,
	STEP,
	RUN,
	DOORBELL,
	ADVANCE,
	SET_ROOM,
	TAKE,
	RESET,
	SAVE_AND_LOAD,
	POKE,
	SEND_PACKET,
	SERVE,
	TEMPER,
	PLUG,
	INJECT,
	NO_CHANNEL,
	ACTIONS
};

static unsigned accepted[HVP_MSG_END], refused[HVP_MSG_END];

static unsigned below(struct input *in, unsigned limit)
{
	return input_byte(in) % limit;
}

/* Mostly one of those that are there from the start; else any of the first ones, which come and go. */
static unsigned channel(struct input *in)
{
	unsigned value = input_byte(in);

	return value < 0xc0 ? value % EMBEDDER_CHANNELS : value % CHANNELS_TOUCHED;
}

/* The same as an id; 0 is none. */
static uint32_t channel_id_of(struct input *in)
{
	unsigned value = input_byte(in);

	return value < 0xc0 ? value % (EMBEDDER_CHANNELS + 2) : value % (CHANNELS_TOUCHED + 1);
}

static void fill_gpns(struct input *in, uint64_t *gpns, unsigned pages)
{
	unsigned kind = input_byte(in);

	for (unsigned i = 0; i < pages; i++)
		gpns[i] = 8 + i;
	/* One page may be anywhere. */
	if (kind & 0x80)
		gpns[(kind & 0x7f) % pages] = kind & 1 ? EMBEDDER_NO_RAM / HVP_PAGE_SIZE :
							 UINT64_MAX - kind;
}

static void raw_message(struct input *in, struct embedder *e)
{
	static const uint32_t connections[] = { 1, 4, 2, 0x2001 };
	uint32_t connection = connections[below(in, 4)];
	uint8_t bytes[256];
	unsigned len = input_byte(in);

	input_take(in, bytes, len);
	(void)embedder_post(e, connection, bytes, len);
}

static void contact(struct input *in, struct guest *g)
{
	static const uint32_t versions[] = {
#define VERSION(major, minor) HVP_VERSION(major, minor),
		HVP_VERSION_LIST(VERSION)
#undef VERSION
			0x10001,
		UINT32_MAX
	};
	uint32_t version = versions[below(in, sizeof(versions) / sizeof(versions[0]))];

	(void)guest_post_contact(g, version, below(in, 6));
}

static void gpadl(struct input *in, struct guest *g)
{
	static uint64_t gpns[256];
	uint32_t channel_id = channel_id_of(in), handle = below(in, 8);
	unsigned pages = input_byte(in) + 1, messages = below(in, 4), rest = below(in, 4);

	fill_gpns(in, gpns, pages);
	if (rest == 3)
		(void)guest_post_gpadl_rest(g, handle, gpns, pages, messages + 1);
	else
		(void)guest_post_gpadl(g, channel_id, handle, gpns, pages, messages, rest * 4);
}

static void share_ring(struct input *in, struct guest *g)
{
	unsigned index = channel(in), pages = 1 + below(in, 14), split = input_byte(in);
	struct guest_channel *ch = &g->channels[index];

	/* Mostly the middle. */
	guest_ring_pages(g, index, pages, split < 0xc0 ? pages / 2 : split - 0xc0);
	(void)guest_post_gpadl(g, ch->id, ch->gpadl, ch->gpns, pages, 0, 0);
}

static void open_channel(struct input *in, struct guest *g)
{
	unsigned index = channel(in), vp = below(in, 8), handle = input_byte(in);
	uint32_t gpadl_own = g->channels[index].gpadl;

	if (handle & 0x80)
		g->channels[index].gpadl = handle & 7;
	(void)guest_post_open(g, index, vp == 7 ? HVP_TARGET_VP_NONE : vp);
	g->channels[index].gpadl = gpadl_own;
}

static void teardown(struct input *in, struct guest *g)
{
	uint32_t channel_id = channel_id_of(in), handle = input_byte(in);

	if (!(handle & 0x80) && channel_id)
		handle = g->channels[channel_id - 1].gpadl;
	(void)guest_post_teardown(g, channel_id, handle & 0x80 ? handle & 7 : handle);
}

/* Any 32-bit word of the ring's control pages, or of the first packets. */
static void poke(struct input *in, struct guest *g)
{
	struct guest_channel *ch = &g->channels[channel(in)];
	unsigned place = input_byte(in);
	uint32_t value;
	size_t offset = (place & 0x1f) * 4;

	input_take(in, &value, sizeof(value));
	if (!ch->ring)
		return;
	if (place & 0x20)
		offset += HVP_PAGE_SIZE;
	if (place & 0x40)
		offset += ch->split * HVP_PAGE_SIZE;
	if (offset + sizeof(value) <= ch->pages * HVP_PAGE_SIZE)
		memcpy(ch->ring + offset, &value, sizeof(value));
}

static void send_packet(struct input *in, struct guest *g)
{
	unsigned index = channel(in), len = input_byte(in) * 4;
	uint8_t bytes[1024];

	input_take(in, bytes, len < 64 ? len : 64);
	memset(bytes + 64, 0x5a, sizeof(bytes) - 64);
	(void)guest_send(g, index, 1, bytes, len);
}

/* An answer to the last request of an integration service, with one field spoilt. */
static void answer(struct input *in, struct guest *g)
{
	unsigned index = channel(in), field = below(in, HVW_IC_HEADERS), value = input_byte(in);
	uint8_t message[4096];
	int len = guest_recv(g, index, message, sizeof(message), NULL);

	if (len < (int)HVW_IC_HEADERS)
		return;
	message[8 + 17] = HVP_IC_FLAG_TRANSACTION | HVP_IC_FLAG_RESPONSE;
	message[field] = (uint8_t)value;
	(void)guest_send(g, index, 0, message, (uint32_t)len);
}

static void advance(struct input *in, struct embedder *e)
{
	static const uint64_t steps_ns[] = { 1,		 10000000,    1000000000,
					     2000000000, 11000000000, 31000000000 };

	embedder_advance(e, steps_ns[below(in, 6)]);
}

static void set_room(struct input *in, struct embedder *e)
{
	static const unsigned rooms[] = { 0, 1, 3, 10000 };

	e->room = rooms[below(in, 4)];
	embedder_flush(e);
}

/*
 * With HVIS_STATE_SEEDS=FOLDER every saved state is written there, as an input of fuzz/state.c under the
 * name of its checksum: how scripts/gen-fuzz-seeds makes those.
 */
static void keep_state(const uint8_t *state, size_t len)
{
	const char *folder = getenv("HVIS_STATE_SEEDS");
	uint64_t sum = 14695981039346656037u;
	char path[4096];
	FILE *file;

	if (!folder)
		return;
	for (size_t i = 0; i < len; i++)
		sum = (sum ^ state[i]) * 1099511628211u;
	snprintf(path, sizeof(path), "%s/%016llx", folder, (unsigned long long)sum);
	file = fopen(path, "wb");
	EMBEDDER_REQUIRE(file && fputc(0, file) == 0 && fwrite(state, 1, len, file) == len);
	EMBEDDER_REQUIRE(!fclose(file));
}

static void save_and_load(struct embedder *e)
{
	uint8_t *state;
	size_t len;
	int err = embedder_save(e, &state, &len);

	if (err) {
		EMBEDDER_REQUIRE(err == -EBUSY);
		return;
	}
	keep_state(state, len);
	err = embedder_load(e, state, len);
	/* A state of ours is good, unless the embedder itself cannot start. */
	EMBEDDER_REQUIRE(!err || e->start_result);
	if (err) {
		e->start_result = 0;
		EMBEDDER_REQUIRE(embedder_load(e, state, len) == 0);
	}
	/* Until all is started the guest does not run. */
	embedder_run(e);
	free(state);
}

static void temper(struct input *in, struct embedder *e, struct guest *g)
{
	unsigned kind = input_byte(in);

	switch (kind & 7) {
	case 0:
		e->echo.behaviour.slow = kind & 8;
		break;
	case 1:
		e->echo.behaviour.open_result = kind & 8 ? -EIO : 0;
		break;
	case 2:
		e->owner_result = kind & 8 ? -ENOMEM : 0;
		break;
	case 3:
		e->start_result = kind & 8 ? -EMFILE : 0;
		break;
	case 4:
		g->mute = kind & 8;
		break;
	case 5:
		g->version_count = kind >> 3 & 3;
		break;
	case 6:
		e->echo.behaviour.period_ns = kind & 8 ? 500000000 : 0;
		break;
	default:
		/* Only when no work is put off. */
		embedder_run(e);
		e->synchronous = kind & 8;
	}
}

/* Devices come and go, and ask for sub-channels. */
static void plug(struct input *in, struct embedder *e)
{
	unsigned kind = input_byte(in), slot = kind % EMBEDDER_SLOTS;
	struct echo_device *echo;

	switch (kind >> 3 & 3) {
	case 0:
		(void)embedder_add(e, slot);
		break;
	case 1:
		(void)embedder_remove(e, slot);
		break;
	case 2:
		if (e->slots[slot])
			hvh_device_request_subchannels(e->slots[slot],
						       below(in, ECHO_SUBCHANNELS + 1));
		break;
	default:
		echo = embedder_echo(e, slot);
		if (echo) {
			echo->behaviour.slow = kind & 0x20;
			echo->behaviour.open_result = kind & 0x40 ? -EIO : 0;
			echo->behaviour.period_ns = kind & 0x80 ? 500000000 : 0;
			echo->behaviour.subchannels = below(in, ECHO_SUBCHANNELS + 1);
		}
	}
}

static void no_channel(struct input *in, struct guest *g)
{
	struct hvp_msg_open_reserved open = { .h.type = HVP_MSG_OPEN_RESERVED };
	struct hvp_msg_close_reserved close = { .h.type = HVP_MSG_CLOSE_RESERVED };
	struct hvp_msg_tl_connect_request connect = { .h.type = HVP_MSG_TL_CONNECT_REQUEST };
	unsigned kind = input_byte(in);

	open.channel_id = close.channel_id = kind;
	open.target_vp = close.target_vp = kind >> 4;
	open.target_sint = close.target_sint = below(in, HVP_SINT_COUNT + 1);
	if (kind % 3 == 0)
		(void)guest_post(g, &open, sizeof(open));
	else if (kind % 3 == 1)
		(void)guest_post(g, &close, sizeof(close));
	else
		(void)guest_post(g, &connect, sizeof(connect));
}

/* Faults on purpose, from a text that may be one. */
static void inject(struct input *in, struct embedder *e)
{
	struct hvh_inject rules;
	char text[256], error[64];
	unsigned len = input_byte(in);

	memset(text, 0, sizeof(text));
	input_take(in, text, len);
	if (hvh_inject_parse(text, &rules, error, sizeof(error)))
		return;
	EMBEDDER_REQUIRE(hvh_server_inject(e->server, &rules) == 0);
	e->injecting = true;
}

static void act(struct input *in, struct embedder *e, struct guest *g)
{
	struct embedder_message message;
	unsigned i;

	switch (below(in, ACTIONS)) {
	case RAW_MESSAGE:
		raw_message(in, e);
		break;
	case CONTACT:
		contact(in, g);
		break;
	case REQUEST_OFFERS:
		(void)guest_post_header(g, HVP_MSG_REQUEST_OFFERS);
		break;
	case UNLOAD:
		(void)guest_post_header(g, input_byte(in) & 1 ? HVP_MSG_UNLOAD : HVP_MSG_PAUSE);
		break;
	case GPADL:
		gpadl(in, g);
		break;
	case SHARE_RING:
		share_ring(in, g);
		break;
	case OPEN:
		open_channel(in, g);
		break;
	case CLOSE:
		(void)guest_post_close(g, channel(in));
		break;
	case RELEASE:
		(void)guest_post_channel(g, HVP_MSG_RELID_RELEASED, channel_id_of(in));
		break;
	case TEARDOWN:
		teardown(in, g);
		break;
	case MODIFY:
		i = channel(in);
		(void)guest_post_modify(g, i, below(in, 6));
		break;
	case STEP:
		(void)embedder_step(e, input_byte(in));
		break;
	case RUN:
		embedder_run(e);
		break;
	case DOORBELL:
		embedder_doorbell(e, g->channels[channel(in)].connection_id);
		break;
	case ADVANCE:
		advance(in, e);
		break;
	case SET_ROOM:
		set_room(in, e);
		break;
	case TAKE:
		for (i = below(in, 8); i && embedder_take(e, &message); i--)
			;
		break;
	case RESET:
		if (input_byte(in) & 1)
			embedder_reset(e);
		else
			embedder_drain(e);
		break;
	case SAVE_AND_LOAD:
		save_and_load(e);
		break;
	case POKE:
		poke(in, g);
		break;
	case SEND_PACKET:
		send_packet(in, g);
		break;
	case SERVE:
		if (input_byte(in) & 1)
			answer(in, g);
		else
			(void)guest_serve(g, channel(in));
		break;
	case PLUG:
		plug(in, e);
		break;
	case NO_CHANNEL:
		no_channel(in, g);
		break;
	case INJECT:
		inject(in, e);
		break;
	default: /* TEMPER */
		if (input_byte(in) & 1)
			(void)embedder_shutdown(e, below(in, 8));
		else
			temper(in, e, g);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct input in = { data, len };
	struct embedder e;
	struct guest g;
	unsigned i;

	memset(&e, 0, sizeof(e));
	e.config.version_max = HVP_VERSION_5_3;
	e.config.vps = 4;
	e.with_timesync = true;
	embedder_init(&e);
	guest_init(&g, &e);
	for (i = 0; i < CHANNELS_TOUCHED; i++) {
		g.channels[i].id = i + 1;
		g.channels[i].connection_id = 0x2000 | (i + 1);
	}
	for (i = 0; in.left && i < ACTIONS_MAX; i++) {
		act(&in, &e, &g);
		embedder_check(&e);
	}
	for (i = 0; i < HVP_MSG_END; i++) {
		accepted[i] += e.accepted[i];
		refused[i] += e.refused[i];
	}
	guest_fini(&g);
	embedder_fini(&e);
	return 0;
}

/* Messages of later versions: none may be accepted. */
static bool supported(uint32_t type)
{
	return hvw_msg_since(type) < HVP_VERSION_6_0;
}

int fuzz_corpus_complete(void)
{
	int missing = 0;

#define CHECK_MESSAGE(number, name, type, least, direction, version)                               \
	if ((direction) == HVP_TO_HOST && !refused[number]) {                                      \
		printf("# never refused: " #name "\n");                                            \
		missing++;                                                                         \
	}                                                                                          \
	if (((direction) == HVP_TO_HOST && supported(number)) != (accepted[number] != 0)) {        \
		printf("# %s accepted: " #name "\n", accepted[number] ? "wrongly" : "never");      \
		missing++;                                                                         \
	}
	HVP_MSG_LIST(CHECK_MESSAGE)
#undef CHECK_MESSAGE
	return missing;
}
