/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Save, destroy, load, go on: after every single action of a scenario the guest must see what it sees
 * without. And states that were damaged or made up are refused, or are as good as any.
 */
#include <errno.h>

#include "tests/unit/bed.h"

#define SECOND	 1000000000ull
#define ECHO	 2u
#define SHUTDOWN 1u
#define HOT	 3u
#define SUB	 3u /* HOT's id is free by then */

static void drop(struct bed *b)
{
	b->e.after_action = NULL;
	bed_drop(b);
}

/* --- the scenario ------------------------------------------------------------------------------- */

static void connect_and_share(struct bed *b)
{
	struct guest *g = &b->g;
	uint64_t gpns[100];

	TAP_CHECK(!guest_contact(g, HVP_VERSION_6_0, 0));
	TAP_CHECK(guest_contact(g, HVP_VERSION_5_3, 1));
	TAP_CHECK(guest_request_offers(g));
	/* Two lists assembled at once, one of them never to its end, and one that is torn down. */
	for (unsigned i = 0; i < 100; i++)
		gpns[i] = 5 + i;
	guest_post_gpadl(g, 3, 71, gpns, 100, 2, 0);
	guest_post_gpadl(g, 3, 72, gpns, 60, 1, 0);
	guest_post_gpadl(g, 3, 73, gpns, 60, 1, 0);
	guest_post_gpadl_rest(g, 72, gpns, 60, 1);
	guest_post_teardown(g, 3, 73);
	guest_post_gpadl_rest(g, 71, gpns, 100, 2);
	guest_post_gpadl(g, 3, 74, gpns, 60, 2, 0);
}

static void heartbeats(struct bed *b)
{
	struct guest *g = &b->g;

	TAP_CHECK(guest_expect(g, HVP_MSG_GPADL_CREATED, &(struct hvw_msg){ 0 }));
	TAP_CHECK(guest_expect(g, HVP_MSG_GPADL_TORNDOWN, &(struct hvw_msg){ 0 }));
	TAP_CHECK(guest_expect(g, HVP_MSG_GPADL_CREATED, &(struct hvw_msg){ 0 }));
	TAP_CHECK(guest_share_ring(g, 0, 8, 4) && guest_open(g, 0, 2));
	embedder_advance(&b->e, SECOND); /* the negotiation is outstanding */
	guest_serve(g, 0);
	embedder_advance(&b->e, 5 * SECOND);
	guest_serve(g, 0);
	g->mute = true; /* for three periods and a half */
	embedder_advance(&b->e, 2 * SECOND);
	guest_serve(g, 0);
	embedder_advance(&b->e, 5 * SECOND);
	guest_serve(g, 0);
	embedder_advance(&b->e, 15 * SECOND); /* long enough to be lost */
	g->mute = false;
	guest_serve(g, 0);
	embedder_advance(&b->e, 3 * SECOND);
	guest_serve(g, 0);
}

static void shutdowns(struct bed *b)
{
	struct guest *g = &b->g;

	TAP_CHECK(guest_share_ring(g, SHUTDOWN, 4, 2) &&
		  guest_open(g, SHUTDOWN, HVP_TARGET_VP_NONE));
	embedder_run(&b->e);
	guest_serve(g, SHUTDOWN);
	TAP_EQ(embedder_shutdown(&b->e, 0), 0);
	embedder_advance(&b->e, 7 * SECOND);
	guest_serve(g, SHUTDOWN);
	TAP_EQ(embedder_shutdown(&b->e, 0), 0);
	embedder_advance(&b->e, 20 * SECOND);
	TAP_EQ(embedder_shutdown(&b->e, 0), -EBUSY);
	embedder_advance(&b->e, 11 * SECOND); /* and now it has timed out */
	TAP_EQ(embedder_shutdown(&b->e, 0), -EAGAIN);
	guest_serve(g, SHUTDOWN);
}

static void echoes(struct bed *b)
{
	struct guest *g = &b->g;
	uint8_t bytes[ECHO_PACKET_MAX];
	uint64_t id, sent = 0;

	TAP_CHECK(guest_share_ring(g, ECHO, 8, 4) && guest_open(g, ECHO, 3));
	memset(bytes, 0x42, sizeof(bytes));
	/* Until the host's ring is full and the device keeps a packet. */
	while (!b->e.echo.lanes[0].kept_len && sent < 100)
		TAP_EQ(guest_send(g, ECHO, ++sent, bytes, sizeof(bytes)), 0);
	embedder_advance(&b->e, 25000000);
	while (guest_recv(g, ECHO, bytes, sizeof(bytes), &id) >= 0)
		embedder_trace(&b->e, "echo %u", (unsigned)id);
	guest_post_modify(g, ECHO, 0);
	TAP_CHECK(guest_expect(g, HVP_MSG_MODIFY_CHANNEL_RESPONSE, &(struct hvw_msg){ 0 }));
	/* The ring is asked back while the device still uses it. */
	guest_post_teardown(g, ECHO + 1, g->channels[ECHO].gpadl);
	TAP_EQ(guest_send(g, ECHO, 1000, bytes, 8), 0);
	TAP_EQ(guest_recv(g, ECHO, bytes, sizeof(bytes), &id), 8);
	b->e.echo.behaviour.slow = true;
	guest_post_close(g, ECHO);
	guest_post_modify(g, ECHO, 1);
	embedder_run(&b->e);
	embedder_drain(&b->e);
	TAP_CHECK(guest_expect(g, HVP_MSG_MODIFY_CHANNEL_RESPONSE, &(struct hvw_msg){ 0 }));
	TAP_CHECK(guest_expect(g, HVP_MSG_GPADL_TORNDOWN, &(struct hvw_msg){ 0 }));
	b->e.echo.behaviour.slow = false;
}

static void broken_ring(struct bed *b)
{
	struct guest *g = &b->g;
	uint8_t byte = 0;

	TAP_CHECK(guest_share_ring(g, ECHO, 8, 4) && guest_open(g, ECHO, 3));
	((struct hvp_ring_control *)(void *)g->channels[ECHO].ring)->write_index = 3;
	embedder_doorbell(&b->e, g->channels[ECHO].connection_id);
	embedder_trace(&b->e, "broken: %d", guest_recv(g, ECHO, &byte, 1, NULL));
	guest_post_close(g, ECHO);
	TAP_CHECK(guest_unshare_ring(g, ECHO));
}

static void messages_wait(struct bed *b)
{
	struct guest *g = &b->g;

	b->e.room = 1;
	for (unsigned i = 0; i < 5; i++)
		guest_post_gpadl(g, 1, 900 + i, &(uint64_t){ i < 3 ? 7 : EMBEDDER_NO_RAM }, 1, 0,
				 0);
	for (unsigned i = 0; i < 5; i++)
		TAP_CHECK(guest_expect(g, HVP_MSG_GPADL_CREATED, &(struct hvw_msg){ 0 }));
	b->e.room = 1000;
}

static void leave_and_return(struct bed *b)
{
	struct guest *g = &b->g;

	/* Lists of a channel that the guest has released. */
	guest_post_close(g, SHUTDOWN);
	embedder_run(&b->e);
	guest_post_channel(g, HVP_MSG_RELID_RELEASED, SHUTDOWN + 1);
	guest_post_teardown(g, SHUTDOWN + 1, g->channels[SHUTDOWN].gpadl);
	TAP_CHECK(guest_expect(g, HVP_MSG_GPADL_TORNDOWN, &(struct hvw_msg){ 0 }));
	TAP_CHECK(guest_unload(g));
	embedder_advance(&b->e, SECOND);
	TAP_CHECK(guest_contact(g, HVP_VERSION_4_0, 0) && guest_request_offers(g));
	TAP_CHECK(guest_share_ring(g, 0, 8, 4) && guest_open(g, 0, 0));
	embedder_run(&b->e);
	guest_serve(g, 0);
	TAP_CHECK(guest_contact(g, HVP_VERSION_5_2, 0) && guest_request_offers(g));
	embedder_reset(&b->e);
	embedder_run(&b->e);
	TAP_CHECK(guest_contact(g, HVP_VERSION_3_0, 0));
}

static bool expect(struct bed *b, uint32_t type)
{
	return guest_expect(&b->g, type, &(struct hvw_msg){ 0 });
}

static void echo_once(struct bed *b, unsigned channel, uint64_t id)
{
	uint8_t bytes[16];
	uint64_t back;

	memset(bytes, (int)id, sizeof(bytes));
	TAP_EQ(guest_send(&b->g, channel, id, bytes, sizeof(bytes)), 0);
	embedder_run(&b->e);
	TAP_EQ(guest_recv(&b->g, channel, bytes, sizeof(bytes), &back), sizeof(bytes));
	embedder_trace(&b->e, "echo %u on channel %u", (unsigned)back, channel + 1);
}

/* A device is added, used, removed while lists are incomplete, and added again. */
static void device_comes_and_goes(struct bed *b)
{
	struct guest *g = &b->g;
	uint64_t gpns[60];

	for (unsigned i = 0; i < 60; i++)
		gpns[i] = 5 + i;
	TAP_EQ(embedder_add(&b->e, EMBEDDER_HOT), 0);
	TAP_CHECK(expect(b, HVP_MSG_OFFER_CHANNEL));
	TAP_CHECK(guest_share_ring(g, HOT, 8, 4) && guest_open(g, HOT, 3));
	echo_once(b, HOT, 1);
	TAP_EQ(guest_post_gpadl(g, HOT + 1, 81, gpns, 60, 1, 0), HVP_STATUS_SUCCESS);
	embedder_echo(&b->e, EMBEDDER_HOT)->behaviour.slow = true;
	TAP_EQ(embedder_remove(&b->e, EMBEDDER_HOT), 0);
	TAP_EQ(embedder_add(&b->e, EMBEDDER_HOT), 0);
	embedder_run(&b->e);
	embedder_drain(&b->e);
	TAP_CHECK(expect(b, HVP_MSG_GPADL_CREATED) && expect(b, HVP_MSG_RESCIND_OFFER));
	TAP_EQ(guest_post_gpadl_rest(g, 81, gpns, 60, 1), HVP_STATUS_SUCCESS);
	guest_post_close(g, HOT);
	TAP_CHECK(guest_unshare_ring(g, HOT));
	TAP_EQ(embedder_add(&b->e, EMBEDDER_HOT + 1), 0);
	TAP_CHECK(expect(b, HVP_MSG_OFFER_CHANNEL));
	guest_post_channel(g, HVP_MSG_RELID_RELEASED, HOT + 1);
	TAP_CHECK(expect(b, HVP_MSG_OFFER_CHANNEL));
	TAP_CHECK(guest_share_ring(g, HOT + 1, 8, 4) && guest_open(g, HOT + 1, 0));
	echo_once(b, HOT + 1, 2);
	TAP_EQ(embedder_remove(&b->e, EMBEDDER_HOT + 1), 0);
	TAP_CHECK(expect(b, HVP_MSG_RESCIND_OFFER));
	TAP_EQ(embedder_remove(&b->e, EMBEDDER_HOT), 0);
	TAP_CHECK(expect(b, HVP_MSG_RESCIND_OFFER));
	guest_post_channel(g, HVP_MSG_RELID_RELEASED, HOT + 2);
}

/* Two sub-channels, in each of their states; and again after the first channel was closed. */
static void subchannels(struct bed *b)
{
	struct guest *g = &b->g;

	b->e.echo.behaviour.subchannels = 2;
	TAP_CHECK(guest_share_ring(g, ECHO, 8, 4) && guest_open(g, ECHO, 3));
	TAP_CHECK(expect(b, HVP_MSG_OFFER_CHANNEL) && expect(b, HVP_MSG_OFFER_CHANNEL));
	/* The lowest free ids. */
	TAP_CHECK(guest_share_ring(g, SUB, 8, 4) && guest_open(g, SUB, 1));
	TAP_CHECK(guest_share_ring(g, SUB + 1, 8, 4) && guest_open(g, SUB + 1, 2));
	for (unsigned i = 0; i < 2; i++) {
		echo_once(b, ECHO, 10 + i);
		echo_once(b, SUB, 20 + i);
		echo_once(b, SUB + 1, 30 + i);
	}
	guest_post_close(g, SUB + 1);
	TAP_CHECK(guest_unshare_ring(g, SUB + 1));
	b->e.echo.behaviour.slow = true;
	guest_post_close(g, ECHO);
	for (unsigned i = 0; i < 2; i++) {
		embedder_run(&b->e);
		embedder_drain(&b->e);
	}
	b->e.echo.behaviour.slow = false;
	TAP_CHECK(expect(b, HVP_MSG_RESCIND_OFFER) && expect(b, HVP_MSG_RESCIND_OFFER));
	TAP_CHECK(guest_open(g, ECHO, 0));
	guest_post_channel(g, HVP_MSG_RELID_RELEASED, SUB + 2);
	TAP_CHECK(expect(b, HVP_MSG_OFFER_CHANNEL));
	TAP_CHECK(guest_unshare_ring(g, SUB));
	guest_post_channel(g, HVP_MSG_RELID_RELEASED, SUB + 1);
	TAP_CHECK(expect(b, HVP_MSG_OFFER_CHANNEL));
	guest_post_close(g, ECHO);
	TAP_CHECK(expect(b, HVP_MSG_RESCIND_OFFER) && expect(b, HVP_MSG_RESCIND_OFFER));
	TAP_CHECK(guest_unshare_ring(g, ECHO));
	b->e.echo.behaviour.subchannels = 0;
}

static void scenario(struct bed *b)
{
	connect_and_share(b);
	heartbeats(b);
	shutdowns(b);
	echoes(b);
	broken_ring(b);
	device_comes_and_goes(b);
	subchannels(b);
	messages_wait(b);
	leave_and_return(b);
}

/* What the devices know at the end of a part, into the trace. */
static void trace_devices(struct bed *b)
{
	struct hvh_heartbeat_status hb;
	struct hvh_ic_status sd;

	hvh_heartbeat_status(b->e.heartbeat, &hb);
	hvh_shutdown_status(b->e.shutdown, &sd);
	embedder_trace(
		&b->e,
		"heartbeat %s %s: %u requests %u replies %u violations, sequence %u, last reply %u ms ago",
		hvh_ic_state_name(hb.ic.state), hvh_heartbeat_verdict_name(hb.verdict),
		(unsigned)hb.ic.requests, (unsigned)hb.ic.replies, (unsigned)hb.ic.violations,
		(unsigned)hb.sequence,
		hb.last_reply_ns ? (unsigned)((b->e.now_ns - hb.last_reply_ns) / 1000000) : 0);
	embedder_trace(&b->e, "shutdown %s: %u requests %u replies %u violations",
		       hvh_ic_state_name(sd.state), (unsigned)sd.requests, (unsigned)sd.replies,
		       (unsigned)sd.violations);
}

/* --- after every action -------------------------------------------------------------------------- */

static struct {
	unsigned action; /* counts */
	unsigned at; /* save and load after this one; 0: none, UINT_MAX: after each */
	unsigned loaded, busy;
} when;

static bool settled(struct embedder *e)
{
	static const char *const moving[] = { "opening", "closing" };
	struct hvh_channel_info info;

	struct hvh_channel *channel;

	for (unsigned i = 0; (channel = hvh_server_channel(e->server, i)); i++) {
		hvh_channel_info(channel, &info);
		for (unsigned m = 0; m < 2; m++)
			if (!strncmp(info.state, moving[m], strlen(moving[m])))
				return false;
	}
	for (unsigned slot = 0; slot < EMBEDDER_SLOTS; slot++)
		if (e->slots[slot] && e->slots[slot]->subchannels_wanted)
			return false;
	return !e->leaving_count;
}

static void save_and_load(struct embedder *e)
{
	unsigned before[EMBEDDER_CHANNELS_MAX];
	struct hvh_channel_info info;
	struct hvh_channel *channel;
	uint8_t *state;
	size_t len;
	int err = embedder_save(e, &state, &len);

	TAP_EQ(err, settled(e) ? 0 : -EBUSY);
	if (err) {
		when.busy++;
		return;
	}
	memcpy(before, e->signals, sizeof(before));
	TAP_EQ(embedder_load(e, state, len), 0);
	free(state);
	embedder_run(e);
	/* Whatever interrupt was under way is made up for. */
	for (unsigned i = 0; (channel = hvh_server_channel(e->server, i)); i++) {
		hvh_channel_info(channel, &info);
		TAP_CHECK(!info.open || info.target_vp == HVP_TARGET_VP_NONE ||
			  e->signals[info.id - 1] > before[info.id - 1]);
	}
	when.loaded++;
}

static void each_action(struct embedder *e)
{
	when.action++;
	if (when.at != UINT32_MAX && when.action != when.at)
		return;
	e->after_action = NULL;
	save_and_load(e);
	e->after_action = each_action;
}

/* The scenario's trace; the caller frees it. */
static char *run(unsigned at)
{
	struct bed b;
	char *trace;

	bed_make(&b);
	memset(&when, 0, sizeof(when));
	when.at = at;
	b.e.after_action = each_action;
	scenario(&b);
	trace_devices(&b);
	trace = strdup(b.e.trace);
	drop(&b);
	return trace;
}

static bool same(const char *trace, const char *expected)
{
	const char *line = expected;

	for (size_t i = 0; trace[i] == expected[i]; i++) {
		if (!trace[i])
			return true;
		if (trace[i] == '\n')
			line = expected + i + 1;
	}
	printf("# expected: %.*s\n# got: %.*s\n", (int)strcspn(line, "\n"), line,
	       (int)strcspn(trace + (line - expected), "\n"), trace + (line - expected));
	return false;
}

TAP_TEST(the_guest_notices_no_save_and_load_after_any_action)
{
	char *expected = run(0);
	unsigned actions = when.action, busy = 0;

	TAP_REQUIRE(actions > 100);
	for (unsigned at = 1; at <= actions; at++) {
		char *trace = run(at);

		TAP_EQ(when.loaded + when.busy, 1);
		busy += when.busy;
		if (!same(trace, expected)) {
			TAP_EQ(at, 0);
			at = actions;
		}
		free(trace);
	}
	TAP_CHECK(busy && busy < actions / 2);
	printf("# %u actions, %u of them while a channel opens or closes\n", actions, busy);
	free(expected);
}

TAP_TEST(nor_after_all_of_them)
{
	char *expected = run(0), *trace = run(UINT32_MAX);

	TAP_CHECK(same(trace, expected));
	TAP_CHECK(when.loaded > 100);
	free(expected);
	free(trace);
}

/* --- hostile states ------------------------------------------------------------------------------- */

#define STATES_MAX 1000u

static struct {
	uint8_t *bytes;
	size_t len;
	unsigned there; /* its devices */
} states[STATES_MAX];
static unsigned state_count;

static void keep_state(struct embedder *e)
{
	uint8_t *bytes;
	size_t len;

	if (state_count == STATES_MAX || embedder_save(e, &bytes, &len))
		return;
	if (state_count && states[state_count - 1].len == len &&
	    !memcmp(states[state_count - 1].bytes, bytes, len)) {
		free(bytes);
		return;
	}
	states[state_count].bytes = bytes;
	states[state_count].there = embedder_there(e);
	states[state_count++].len = len;
}

static void collect_states(void)
{
	struct bed b;

	bed_make(&b);
	b.e.after_action = keep_state;
	scenario(&b);
	drop(&b);
	TAP_CHECK(state_count > 50);
}

static void forget_states(void)
{
	while (state_count)
		free(states[--state_count].bytes);
}

/* Load and, if it is accepted, go on for a while. The caller's bytes may be anything. */
static int try_state(struct bed *b, unsigned there, const uint8_t *bytes, size_t len)
{
	uint8_t *exact = malloc(len ? len : 1);
	int err;

	memcpy(exact, bytes, len);
	err = embedder_load_with(&b->e, there, exact, len);
	free(exact);
	if (err)
		return err;
	embedder_run(&b->e);
	embedder_advance(&b->e, 60 * SECOND);
	while (embedder_take(&b->e, &(struct embedder_message){ 0 }))
		;
	guest_post_close(&b->g, ECHO);
	guest_post_header(&b->g, HVP_MSG_UNLOAD);
	embedder_run(&b->e);
	return 0;
}

TAP_TEST(every_state_is_accepted_and_none_that_is_cut_short)
{
	struct bed b;

	collect_states();
	bed_make(&b);
	for (unsigned i = 0; i < state_count; i++) {
		TAP_EQ(try_state(&b, states[i].there, states[i].bytes, states[i].len), 0);
		for (size_t cut = i % 7; cut < states[i].len; cut += 7)
			TAP_EQ(try_state(&b, states[i].there, states[i].bytes, cut), -EPROTO);
	}
	drop(&b);
	forget_states();
}

TAP_TEST(states_newer_than_known_are_refused)
{
	static const char tags[][5] = { "VBUS", "CHAN", "GPAD", "HBEA", "SHUT", "ICFW" };
	struct bed b;

	collect_states();
	bed_make(&b);
	for (unsigned t = 0; t < sizeof(tags) / sizeof(tags[0]); t++) {
		uint8_t *bytes = states[state_count - 1].bytes;
		size_t len = states[state_count - 1].len;
		unsigned found = 0;

		for (size_t at = 0; at + 12 <= len; at++) {
			if (memcmp(bytes + at, tags[t], 4))
				continue;
			found++;
			bytes[at + 4]++;
			TAP_EQ(try_state(&b, states[state_count - 1].there, bytes, len), -EPROTO);
			bytes[at + 4]--;
		}
		TAP_CHECK(found);
	}
	drop(&b);
	forget_states();
}

TAP_TEST(damaged_states_are_refused_or_harmless)
{
	unsigned refused = 0, accepted = 0;
	struct bed b;

	collect_states();
	bed_make(&b);
	for (unsigned i = 0; i < 5000; i++) {
		unsigned from = (unsigned)(tap_random() % state_count);
		size_t len = states[from].len;
		uint8_t *bytes = malloc(len);

		memcpy(bytes, states[from].bytes, len);
		for (unsigned n = 1 + (unsigned)(tap_random() % 4); n; n--) {
			uint64_t random = tap_random();

			bytes[(random >> 8) % len] = random & 0x40 ? (uint8_t)random :
								     (uint8_t)(random % 4);
		}
		if (try_state(&b, states[from].there, bytes, len))
			refused++;
		else
			accepted++;
		free(bytes);
	}
	printf("# %u refused, %u accepted\n", refused, accepted);
	TAP_CHECK(refused > 1000);
	TAP_CHECK(accepted > 100);
	drop(&b);
	forget_states();
}

/* The place `offset` bytes into the content of the first section with this tag. */
static uint8_t *field(uint8_t *state, size_t len, const char tag[5], size_t offset)
{
	for (size_t at = 0; at + 12 + offset + 8 <= len; at++)
		if (!memcmp(state + at, tag, 4))
			return state + at + 12 + offset;
	return NULL;
}

TAP_TEST(states_that_no_guest_leads_to_are_refused)
{
	static const struct {
		char tag[5];
		unsigned offset;
		unsigned bytes;
		uint64_t value;
	} bad[] = {
		{ "VBUS", 0, 4, 2 }, /* leaving */
		{ "VBUS", 0, 4, 0 }, /* no connection, and yet a version */
		{ "VBUS", 4, 4, 0 },
		{ "VBUS", 4, 4, HVP_VERSION_6_0 },
		{ "VBUS", 8, 4, 4 }, /* processor */
		{ "VBUS", 12, 4, HVP_SINT_COUNT },
		{ "VBUS", 24, 4, 2 }, /* number of channels */
		{ "VBUS", 24, 4, 4 },
		{ "CHAN", 0, 4, 2 }, /* another channel's id */
		{ "CHAN", 0, 4, 0 },
		{ "CHAN", 0, 4, HVP_CHANNEL_ID_MAX + 1 },
		{ "CHAN", 4, 4, 1 }, /* waits for another's release */
		{ "CHAN", 4, 4, 3 }, /* opening */
		{ "CHAN", 4, 4, 5 }, /* closing */
		{ "CHAN", 4, 4, 11 },
		{ "CHAN", 4, 4, 12 }, /* revoked, and yet there is its device */
		{ "CHAN", 4, 4, UINT32_MAX },
		{ "CHAN", 8, 4, 1 }, /* a sub-channel of none */
		{ "CHAN", 8, 4, UINT32_MAX },
		{ "CHAN", 12, 4, 0 }, /* instance */
		{ "CHAN", 48, 4, 0 }, /* ring */
		{ "CHAN", 52, 4, 0 }, /* its second half */
		{ "CHAN", 52, 4, 7 },
		{ "CHAN", 56, 4, 4 }, /* processor */
		{ "ICFW", 0, 4, 4 }, /* state */
		{ "ICFW", 0, 4, HVH_IC_CLOSED }, /* with a request outstanding */
		{ "ICFW", 4, 4, 0x00010003 }, /* framework version */
		{ "ICFW", 8, 4, 0x00030003 }, /* message version */
		{ "ICFW", 36, 4, 1 }, /* negotiation due */
		{ "ICFW", 44, 4, 256 }, /* transaction */
		{ "GPAD", 4, 4, 0 }, /* handle */
		{ "GPAD", 8, 4, 0 }, /* channel */
		{ "GPAD", 8, 4, 4 },
		{ "GPAD", 12, 4, 0 }, /* being assembled, and complete */
		{ "GPAD", 12, 4, 2 }, /* being torn down, and no ring */
		{ "GPAD", 12, 4, 3 },
		{ "GPAD", 16, 4, 0 }, /* ranges */
		{ "GPAD", 16, 4, 0x10001 },
		{ "GPAD", 20, 4, 8 }, /* bytes */
		{ "GPAD", 20, 4, 0x10010 },
		{ "GPAD", 24, 4, 17 }, /* of which there are more */
		{ "GPAD", 28, 4, 0 }, /* the range is empty */
		{ "GPAD", 36, 8, EMBEDDER_NO_RAM / HVP_PAGE_SIZE },
		{ "GPAD", 36, 8, UINT64_MAX },
	};
	struct bed b;
	uint8_t *state;
	size_t len;

	bed_make(&b);
	TAP_REQUIRE(guest_up(&b.g));
	embedder_advance(&b.e, 2 * SECOND); /* a heartbeat is outstanding */
	TAP_EQ(guest_post_gpadl(&b.g, 1, 5, &(uint64_t){ 3 }, 1, 0, 0), HVP_STATUS_SUCCESS);
	TAP_CHECK(guest_expect(&b.g, HVP_MSG_GPADL_CREATED, &(struct hvw_msg){ 0 }));
	TAP_REQUIRE(embedder_save(&b.e, &state, &len) == 0);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		uint8_t *at = field(state, len, bad[i].tag, bad[i].offset), before[8];

		TAP_REQUIRE(at);
		memcpy(before, at, sizeof(before));
		memcpy(at, &bad[i].value, bad[i].bytes);
		TAP_CHECK(memcmp(at, before, sizeof(before)) != 0);
		if (!TAP_EQ(embedder_load(&b.e, state, len), -EPROTO))
			printf("# %s at %u: %ju\n", bad[i].tag, bad[i].offset,
			       (uintmax_t)bad[i].value);
		memcpy(at, before, sizeof(before));
	}
	TAP_EQ(embedder_load(&b.e, state, len), 0);
	drop(&b);
	free(state);
}

/* --- loads that fail or are interrupted ------------------------------------------------------------ */

TAP_TEST(a_channel_that_cannot_be_started_again_is_refused_or_closed_silently)
{
	struct bed b;
	uint8_t *state;
	size_t len;

	bed_make(&b);
	TAP_REQUIRE(guest_up(&b.g));
	TAP_REQUIRE(embedder_save(&b.e, &state, &len) == 0);
	b.e.start_result = -EMFILE;
	TAP_EQ(embedder_load(&b.e, state, len), -EPROTO);
	b.e.start_result = 0;
	b.e.owner_result = -EMFILE;
	TAP_EQ(embedder_load(&b.e, state, len), 0);
	/* Nobody asked: no OPEN_RESULT. */
	TAP_CHECK(guest_expect_nothing(&b.g));
	b.e.owner_result = 0;
	/* The next open is one like any other: the device hears of it. */
	TAP_CHECK(guest_open(&b.g, ECHO, 0));
	embedder_run(&b.e);
	TAP_EQ(guest_send(&b.g, ECHO, 1, state, 8), 0);
	TAP_EQ(b.e.echo.echoed, 1);
	drop(&b);
	free(state);
}

TAP_TEST(a_reset_while_loaded_channels_start_leaves_nothing_behind)
{
	struct bed b;
	uint8_t *state;
	size_t len;

	bed_make(&b);
	TAP_REQUIRE(guest_up(&b.g));
	TAP_REQUIRE(embedder_save(&b.e, &state, &len) == 0);
	TAP_EQ(embedder_load(&b.e, state, len), 0);
	embedder_reset(&b.e);
	embedder_run(&b.e);
	TAP_EQ(hvh_mem_held(b.e.mem), 0);
	TAP_CHECK(guest_up(&b.g));
	TAP_EQ(b.e.echo.notified, 1);
	drop(&b);
	free(state);
}

TAP_TEST(a_ring_spoilt_while_saved_costs_the_channel_not_the_machine)
{
	struct bed b;
	struct hvh_channel_info info;
	uint8_t *state;
	size_t len;

	bed_make(&b);
	TAP_REQUIRE(guest_up(&b.g));
	TAP_REQUIRE(embedder_save(&b.e, &state, &len) == 0);
	((struct hvp_ring_control *)(void *)b.g.channels[ECHO].ring)->write_index = 3;
	TAP_EQ(embedder_load(&b.e, state, len), 0);
	TAP_CHECK(guest_expect_nothing(&b.g));
	hvh_channel_info(hvh_server_channel(b.e.server, ECHO), &info);
	TAP_CHECK(info.open && info.broken);
	TAP_EQ(guest_post_close(&b.g, ECHO), HVP_STATUS_SUCCESS);
	TAP_CHECK(guest_unshare_ring(&b.g, ECHO));
	drop(&b);
	free(state);
}

/* The place `offset` bytes into the content of section `n` (from 0) with this tag. */
static uint8_t *field_of(uint8_t *state, size_t len, const char tag[5], unsigned n, size_t offset)
{
	for (size_t at = 0; at + 12 + offset + 4 <= len; at++)
		if (!memcmp(state + at, tag, 4) && !n--)
			return state + at + 12 + offset;
	return NULL;
}

TAP_TEST(states_of_devices_that_nothing_leads_to_are_refused)
{
	/* Channels: 0 to 2 as ever, 3 and 4 sub-channels of 2, 5 revoked, 6 waits for its release. */
	static const struct {
		char tag[5];
		unsigned n, offset;
		uint32_t value;
	} bad[] = {
		{ "VBUS", 0, 16, 0 }, /* no offers were asked for */
		{ "VBUS", 0, 24, 4 }, /* processor of a message that waits */
		{ "VBUS", 0, 28, HVP_SINT_COUNT },
		{ "VBUS", 0, 32, 3 }, /* its length */
		{ "VBUS", 0, 32, HVP_MESSAGE_PAYLOAD_MAX + 1 },
		{ "CHAN", 2, 4, 2 }, /* the first channel is not open, and there are sub-channels */
		{ "CHAN", 3, 4, 0 }, /* a sub-channel that was not offered */
		{ "CHAN", 3, 4, 1 }, /* or waits for nothing */
		{ "CHAN", 3, 8, 0 }, /* a second first channel */
		{ "CHAN", 3, 8, 2 }, /* two of one index */
		{ "CHAN", 3, 8, ECHO_SUBCHANNELS + 1 }, /* more than the device can serve */
		{ "CHAN", 3, 0, 5 }, /* of one id */
		{ "CHAN", 3, 12, 77 }, /* of an instance that is not there */
		{ "CHAN", 5, 0, 7 },
		{ "CHAN", 5, 4, 2 }, /* two of one instance */
		{ "CHAN", 5, 4, 0 },
		{ "CHAN", 5, 8, 1 }, /* nothing to wait for */
		{ "CHAN", 5, 12, 77 },
		{ "CHAN", 6, 4, 0 }, /* does not wait, and ought to */
		{ "CHAN", 6, 4, 2 },
		{ "CHAN", 6, 4, 12 },
		{ "GPAD", 0, 12, 3 }, /* aborted, and its channel is not revoked */
	};
	struct bed b;
	uint8_t *state;
	size_t len;

	bed_make(&b);
	b.e.echo.behaviour.subchannels = 2;
	TAP_REQUIRE(guest_up(&b.g));
	TAP_CHECK(expect(&b, HVP_MSG_OFFER_CHANNEL) && expect(&b, HVP_MSG_OFFER_CHANNEL));
	TAP_CHECK(guest_share_ring(&b.g, SUB, 8, 4) && guest_open(&b.g, SUB, 1));
	TAP_EQ(embedder_add(&b.e, EMBEDDER_HOT), 0);
	TAP_EQ(embedder_remove(&b.e, EMBEDDER_HOT), 0);
	TAP_EQ(embedder_add(&b.e, EMBEDDER_HOT), 0);
	embedder_run(&b.e);
	while (embedder_take(&b.e, &(struct embedder_message){ 0 }))
		;
	b.e.room = 0;
	guest_post_gpadl(&b.g, 1, 900, &(uint64_t){ 7 }, 1, 0, 0);
	TAP_REQUIRE(embedder_save(&b.e, &state, &len) == 0);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		uint8_t *at = field_of(state, len, bad[i].tag, bad[i].n, bad[i].offset), before[4];
		int err;

		TAP_REQUIRE(at);
		memcpy(before, at, sizeof(before));
		memcpy(at, &bad[i].value, sizeof(before));
		TAP_CHECK(memcmp(at, before, sizeof(before)) != 0);
		err = embedder_load(&b.e, state, len);
		TAP_EQ(err, -EPROTO);
		if (err != -EPROTO)
			printf("# %s %u at %u: %u\n", bad[i].tag, bad[i].n, bad[i].offset,
			       bad[i].value);
		memcpy(at, before, sizeof(before));
	}
	/* Devices that are not those of the state. */
	TAP_EQ(embedder_load_with(&b.e, 1u << EMBEDDER_HEARTBEAT, state, len), -EPROTO);
	TAP_EQ(embedder_load_with(&b.e, 0x1f, state, len), -EPROTO);
	TAP_EQ(embedder_load_with(&b.e, 0x17, state, len), 0);
	free(state);
	drop(&b);
}

TAP_TEST(a_state_with_two_subchannels_that_wait_for_one_place_is_refused)
{
	struct bed b;
	uint8_t *state, *index;
	size_t len;

	bed_make(&b);
	b.e.echo.behaviour.subchannels = 2;
	TAP_REQUIRE(guest_up(&b.g));
	embedder_run(&b.e);
	/* Closed, and open again before the guest has released what was rescinded: 3 and 4, which 5 and 6 wait for. */
	TAP_EQ(guest_post_close(&b.g, ECHO), HVP_STATUS_SUCCESS);
	embedder_run(&b.e);
	while (embedder_take(&b.e, &(struct embedder_message){ 0 }))
		;
	TAP_CHECK(guest_open(&b.g, ECHO, 0));
	embedder_run(&b.e);
	TAP_REQUIRE(embedder_save(&b.e, &state, &len) == 0);
	index = field_of(state, len, "CHAN", 6, 8);
	TAP_REQUIRE(index);
	TAP_EQ(*index, 2);
	TAP_EQ(embedder_load(&b.e, state, len), 0);
	*index = 1;
	TAP_EQ(embedder_load(&b.e, state, len), -EPROTO);
	free(state);
	drop(&b);
}

/* The devices' own sections would all be found. */
TAP_TEST(a_state_that_leaves_a_channel_out_is_refused)
{
	struct bed b;
	uint8_t *state, *channel;
	uint32_t bytes, left;
	size_t len;

	bed_make(&b);
	TAP_REQUIRE(embedder_save(&b.e, &state, &len) == 0);
	TAP_EQ(embedder_load(&b.e, state, len), 0);
	channel = field_of(state, len, "CHAN", 2, 0);
	TAP_REQUIRE(channel);
	memcpy(&bytes, channel - 4, sizeof(bytes));
	memmove(channel - 12, channel + bytes, len - (size_t)(channel + bytes - state));
	len -= 12 + bytes;
	memcpy(&left, state + 8, sizeof(left));
	left -= 12 + bytes;
	memcpy(state + 8, &left, sizeof(left));
	left = 2;
	memcpy(field_of(state, len, "VBUS", 0, 24), &left, sizeof(left));
	TAP_EQ(embedder_load(&b.e, state, len), -EPROTO);
	free(state);
	drop(&b);
}

TAP_MAIN()
