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

#define ACTIONS_MAX 400u

const unsigned fuzz_cuts = 8;

struct input {
	const uint8_t *next;
	size_t left;
};

static unsigned accepted[HVP_MSG_END], refused[HVP_MSG_END];

static void take(struct input *in, void *dst, size_t len)
{
	size_t some = len < in->left ? len : in->left;

	memset(dst, 0, len);
	if (some)
		memcpy(dst, in->next, some);
	in->next += some;
	in->left -= some;
}

static unsigned byte(struct input *in)
{
	uint8_t value;

	take(in, &value, sizeof(value));
	return value;
}

static unsigned below(struct input *in, unsigned limit)
{
	return byte(in) % limit;
}

static void fill_gpns(struct input *in, uint64_t *gpns, unsigned pages)
{
	unsigned kind = byte(in);

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
	unsigned len = byte(in);

	take(in, bytes, len);
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
	uint32_t channel_id = below(in, EMBEDDER_CHANNELS + 2), handle = below(in, 8);
	unsigned pages = byte(in) + 1, messages = below(in, 4), rest = below(in, 4);

	fill_gpns(in, gpns, pages);
	if (rest == 3)
		(void)guest_post_gpadl_rest(g, handle, gpns, pages, messages + 1);
	else
		(void)guest_post_gpadl(g, channel_id, handle, gpns, pages, messages, rest * 4);
}

static void share_ring(struct input *in, struct guest *g)
{
	unsigned channel = below(in, EMBEDDER_CHANNELS), pages = 1 + below(in, 14),
		 split = byte(in);
	struct guest_channel *ch = &g->channels[channel];

	/* Mostly the middle. */
	guest_ring_pages(g, channel, pages, split < 0xc0 ? pages / 2 : split - 0xc0);
	(void)guest_post_gpadl(g, ch->id, ch->gpadl, ch->gpns, pages, 0, 0);
}

static void open_channel(struct input *in, struct guest *g)
{
	unsigned channel = below(in, EMBEDDER_CHANNELS), vp = below(in, 8), handle = byte(in);
	uint32_t gpadl_own = g->channels[channel].gpadl;

	if (handle & 0x80)
		g->channels[channel].gpadl = handle & 7;
	(void)guest_post_open(g, channel, vp == 7 ? HVP_TARGET_VP_NONE : vp);
	g->channels[channel].gpadl = gpadl_own;
}

static void teardown(struct input *in, struct guest *g)
{
	uint32_t channel_id = below(in, EMBEDDER_CHANNELS + 1), handle = byte(in);

	if (!(handle & 0x80) && channel_id)
		handle = g->channels[channel_id - 1].gpadl;
	(void)guest_post_teardown(g, channel_id, handle & 0x80 ? handle & 7 : handle);
}

/* Any 32-bit word of the ring's control pages, or of the first packets. */
static void poke(struct input *in, struct guest *g)
{
	struct guest_channel *ch = &g->channels[below(in, EMBEDDER_CHANNELS)];
	unsigned place = byte(in);
	uint32_t value;
	size_t offset = (place & 0x1f) * 4;

	take(in, &value, sizeof(value));
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
	unsigned channel = below(in, EMBEDDER_CHANNELS), len = byte(in) * 4;
	uint8_t bytes[1024];

	take(in, bytes, len < 64 ? len : 64);
	memset(bytes + 64, 0x5a, sizeof(bytes) - 64);
	(void)guest_send(g, channel, 1, bytes, len);
}

/* An answer to the last request of an integration service, with one field spoilt. */
static void answer(struct input *in, struct guest *g)
{
	unsigned channel = below(in, 2), field = below(in, HVW_IC_HEADERS), value = byte(in);
	uint8_t message[4096];
	int len = guest_recv(g, channel, message, sizeof(message), NULL);

	if (len < (int)HVW_IC_HEADERS)
		return;
	message[8 + 17] = HVP_IC_FLAG_TRANSACTION | HVP_IC_FLAG_RESPONSE;
	message[field] = (uint8_t)value;
	(void)guest_send(g, channel, 0, message, (uint32_t)len);
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
	unsigned kind = byte(in);

	switch (kind & 7) {
	case 0:
		e->echo.slow = kind & 8;
		break;
	case 1:
		e->echo.open_result = kind & 8 ? -EIO : 0;
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
		e->echo.period_ns = kind & 8 ? 500000000 : 0;
		break;
	default:
		/* Only when no work is put off. */
		embedder_run(e);
		e->synchronous = kind & 8;
	}
}

static void act(struct input *in, struct embedder *e, struct guest *g)
{
	struct embedder_message message;
	unsigned i;

	switch (below(in, 23)) {
	case 0:
		raw_message(in, e);
		break;
	case 1:
		contact(in, g);
		break;
	case 2:
		(void)guest_post_header(g, HVP_MSG_REQUEST_OFFERS);
		break;
	case 3:
		(void)guest_post_header(g, byte(in) & 1 ? HVP_MSG_UNLOAD : HVP_MSG_PAUSE);
		break;
	case 4:
		gpadl(in, g);
		break;
	case 5:
		share_ring(in, g);
		break;
	case 6:
		open_channel(in, g);
		break;
	case 7:
		(void)guest_post_close(g, below(in, EMBEDDER_CHANNELS));
		break;
	case 8:
		(void)guest_post_channel(g, HVP_MSG_RELID_RELEASED,
					 below(in, EMBEDDER_CHANNELS + 2));
		break;
	case 9:
		teardown(in, g);
		break;
	case 10:
		i = below(in, EMBEDDER_CHANNELS);
		(void)guest_post_modify(g, i, below(in, 6));
		break;
	case 11:
		(void)embedder_step(e, byte(in));
		break;
	case 12:
		embedder_run(e);
		break;
	case 13:
		embedder_doorbell(e, g->channels[below(in, EMBEDDER_CHANNELS)].connection_id);
		break;
	case 14:
		advance(in, e);
		break;
	case 15:
		set_room(in, e);
		break;
	case 16:
		for (i = below(in, 8); i && embedder_take(e, &message); i--)
			;
		break;
	case 17:
		if (byte(in) & 1)
			embedder_reset(e);
		else
			embedder_drain(e);
		break;
	case 18:
		save_and_load(e);
		break;
	case 19:
		poke(in, g);
		break;
	case 20:
		send_packet(in, g);
		break;
	case 21:
		if (byte(in) & 1)
			answer(in, g);
		else
			(void)guest_serve(g, below(in, 2));
		break;
	default:
		if (byte(in) & 1)
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
	embedder_init(&e);
	guest_init(&g, &e);
	for (i = 0; i < EMBEDDER_CHANNELS; i++) {
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

/* Messages of later versions, and of services that are not offered: none may be accepted. */
static bool supported(uint32_t type)
{
	return type != HVP_MSG_OPEN_RESERVED && type != HVP_MSG_CLOSE_RESERVED &&
	       type != HVP_MSG_TL_CONNECT_REQUEST && type != HVP_MSG_MODIFY_CONNECTION &&
	       type != HVP_MSG_PAUSE && type != HVP_MSG_RESUME;
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
