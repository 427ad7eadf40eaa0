/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The key-value device.
 */
#include <hvh/hvh_kvp.h>

#include "fuzz/guest_script.h"
#include "tap.h"

#define SECOND 1000000000ull
#define CH     3

static const struct hvh_kvp_fact facts[] = { { "HostName", "h\xc3\xb6st" }, { "Nested", "1" } };

struct bed {
	struct embedder e;
	struct guest g;
	unsigned facts; /* to be given */
	struct hvw_ic ic; /* the last request, in `bytes` */
	uint8_t bytes[8192];
	struct hvh_kvp_request request[3];
	struct hvh_kvp_ip ip;
	/* How the last one ended. */
	unsigned ended;
	const struct hvh_kvp_request *last;
	int result;
	uint32_t status;
	bool again; /* ask anew from within done */
};

static struct hvh_device *own_create(struct embedder *e)
{
	struct hvh_device *device = NULL;

	if (hvh_kvp_create(facts, ((struct bed *)e->ctx)->facts, &device))
		abort();
	return device;
}

static struct hvh_device *kvp(struct bed *b)
{
	return b->e.slots[EMBEDDER_HOT];
}

static struct hvh_kvp_status status(struct bed *b)
{
	struct hvh_kvp_status s;

	hvh_kvp_status(kvp(b), &s);
	return s;
}

static void done(struct hvh_kvp_request *request, int result, uint32_t code)
{
	struct bed *b = request->ctx;

	b->ended++;
	b->last = request;
	b->result = result;
	b->status = code;
	if (b->again)
		TAP_EQ(hvh_kvp_request(kvp(b), request), 0);
	b->again = false;
}

static void make(struct bed *b, unsigned given)
{
	struct hvw_msg msg;

	memset(b, 0, sizeof(*b));
	b->facts = given;
	b->e.ctx = b;
	b->e.own_create = own_create;
	b->e.own_destroy = hvh_kvp_destroy;
	embedder_init(&b->e);
	guest_init(&b->g, &b->e);
	TAP_CHECK(guest_contact(&b->g, HVP_VERSION_5_3, 0) && guest_request_offers(&b->g));
	TAP_CHECK(!embedder_add(&b->e, EMBEDDER_HOT) &&
		  guest_expect(&b->g, HVP_MSG_OFFER_CHANNEL, &msg));
	for (unsigned i = 0; i < 3; i++) {
		b->request[i].done = done;
		b->request[i].ctx = b;
		b->request[i].ip = &b->ip;
	}
}

/* The channel opened with rings of `pages` in all, and the host's offer of versions taken. */
static void open_it(struct bed *b, unsigned pages)
{
	int len;

	TAP_CHECK(guest_share_ring(&b->g, CH, pages, pages / 2) && guest_open(&b->g, CH, 0));
	embedder_run(&b->e);
	len = guest_recv(&b->g, CH, b->bytes, sizeof(b->bytes), NULL);
	TAP_CHECK(len > 0 && !hvw_ic_parse(&b->ic, b->bytes, (size_t)len));
}

static void choose(struct bed *b)
{
	const struct hvp_ic_version framework = { 3, 0 }, version = { 4, 0 };
	uint8_t bytes[HVW_IC_CHOICE];

	TAP_EQ(guest_send(&b->g, CH, 0, bytes,
			  (uint32_t)hvw_ic_build_choice(bytes, &b->ic.h, &framework, &version)),
	       0);
	TAP_EQ(status(b).ic.state, HVH_IC_READY);
}

static void make_ready(struct bed *b, unsigned given)
{
	make(b, given);
	open_it(b, 8);
	choose(b);
}

static void drop(struct bed *b)
{
	guest_fini(&b->g);
	embedder_fini(&b->e);
}

/* The next request, taken out of the ring; false: none. */
static bool take(struct bed *b)
{
	int len = guest_recv(&b->g, CH, b->bytes, sizeof(b->bytes), NULL);

	return len > 0 && !hvw_ic_parse(&b->ic, b->bytes, (size_t)len) &&
	       b->ic.h.type == HVP_IC_KVP;
}

/* Answer the request with `body` in place of its own, or with the latter. */
static void reply(struct bed *b, uint32_t code, const void *body, size_t len)
{
	struct hvp_ic_header h = b->ic.h;

	h.flags = HVP_IC_FLAG_TRANSACTION | HVP_IC_FLAG_RESPONSE;
	h.status = code;
	if (body) {
		memcpy(b->bytes + HVW_IC_HEADERS, body, len);
		h.size = (uint16_t)len;
	}
	TAP_EQ(guest_send(&b->g, CH, 0, b->bytes, (uint32_t)hvw_ic_build(b->bytes, &h)), 0);
}

static int ask(struct bed *b, unsigned which, enum hvp_kvp_op op, const char *key,
	       const char *value)
{
	struct hvh_kvp_request *request = &b->request[which];

	request->op = op;
	request->pool = HVP_KVP_POOL_EXTERNAL;
	strcpy(request->key, key);
	strcpy(request->value, value);
	return hvh_kvp_request(kvp(b), request);
}

/* --- what is sent ------------------------------------------------------------------------------------ */

TAP_TEST(versions_up_to_four_are_offered)
{
	static const uint16_t expected[] = { 2, 2, 0, 0, 1, 0, 3, 0, 3, 0, 4, 0 };
	struct bed b;

	make(&b, 0);
	TAP_EQ(ask(&b, 0, HVP_KVP_SET, "a", "b"), -ENOTCONN);
	open_it(&b, 8);
	TAP_EQ(b.ic.h.size, sizeof(expected));
	TAP_MEM_EQ(b.ic.body, expected, sizeof(expected));
	TAP_EQ(ask(&b, 0, HVP_KVP_SET, "a", "b"), -ENOTCONN);
	choose(&b);
	TAP_EQ(ask(&b, 0, HVP_KVP_SET, "a", "b"), 0);
	drop(&b);
	TAP_EQ(b.ended, 1);
	TAP_EQ(b.result, -ENOTCONN);
}

TAP_TEST(set_and_delete)
{
	struct bed b;
	struct hvp_kvp_set set;
	struct hvp_kvp_delete delete;

	make_ready(&b, 0);
	TAP_EQ(ask(&b, 0, HVP_KVP_SET, "key", "v\xc3\xa4"), 0);
	TAP_REQUIRE(take(&b));
	TAP_EQ(b.ic.h.size, HVP_KVP_PAIR_BODY);
	TAP_REQUIRE(!hvw_ic_read(&b.ic, 0, &set, sizeof(set)));
	TAP_EQ(set.h.op, HVP_KVP_SET);
	TAP_EQ(set.h.pool, HVP_KVP_POOL_EXTERNAL);
	TAP_EQ(set.pair.type, HVP_KVP_STRING);
	TAP_EQ(set.pair.key_size, 8);
	TAP_EQ(set.pair.value_size, 6);
	TAP_MEM_EQ(set.pair.key, "k\0e\0y\0\0\0", 8);
	TAP_MEM_EQ(set.pair.value, "v\0\xe4\0\0\0", 6);
	reply(&b, HVP_IC_SUCCESS, NULL, 0);
	TAP_EQ(b.ended, 1);
	TAP_EQ(b.result, 0);
	TAP_EQ(b.status, HVP_IC_SUCCESS);
	TAP_EQ(ask(&b, 0, HVP_KVP_DELETE, "ab", ""), 0);
	TAP_REQUIRE(take(&b));
	TAP_EQ(b.ic.h.size, HVP_KVP_PAIR_BODY);
	TAP_REQUIRE(!hvw_ic_read(&b.ic, 0, &delete, sizeof(delete)));
	TAP_EQ(delete.h.op, HVP_KVP_DELETE);
	TAP_EQ(delete.key_size, 6);
	TAP_MEM_EQ(delete.key, "a\0b\0\0\0", 6);
	reply(&b, HVP_IC_NO_MORE_ITEMS, NULL, 0);
	TAP_EQ(b.ended, 2);
	TAP_EQ(b.result, 0);
	TAP_EQ(b.status, HVP_IC_NO_MORE_ITEMS);
	drop(&b);
}

TAP_TEST(texts_that_cannot_be_sent)
{
	struct bed b;
	char longest[HVP_KVP_KEY_UNITS + 1];

	make_ready(&b, 0);
	memset(longest, 'a', sizeof(longest));
	longest[HVP_KVP_KEY_UNITS] = '\0';
	TAP_EQ(ask(&b, 0, HVP_KVP_SET, longest, ""), -EMSGSIZE);
	TAP_EQ(ask(&b, 0, HVP_KVP_DELETE, longest, ""), -EMSGSIZE);
	TAP_EQ(ask(&b, 0, HVP_KVP_SET, "a", "\xff"), -EILSEQ);
	TAP_EQ(ask(&b, 0, HVP_KVP_GET, "a", ""), -EINVAL);
	strcpy(b.ip.addresses, "\xc0");
	TAP_EQ(ask(&b, 0, HVP_KVP_SET_IP, "", ""), -EILSEQ);
	TAP_CHECK(!take(&b));
	TAP_EQ(b.ended, 0);
	longest[HVP_KVP_KEY_UNITS - 1] = '\0';
	TAP_EQ(ask(&b, 0, HVP_KVP_SET, longest, ""), 0);
	TAP_CHECK(take(&b));
	drop(&b);
}

TAP_TEST(enumerate)
{
	struct bed b;
	struct hvp_kvp_enumerate body;

	make_ready(&b, 0);
	b.request[0].index = 7;
	TAP_EQ(ask(&b, 0, HVP_KVP_ENUMERATE, "", ""), 0);
	TAP_REQUIRE(take(&b) && !hvw_ic_read(&b.ic, 0, &body, sizeof(body)));
	TAP_EQ(b.ic.h.size, sizeof(body));
	TAP_EQ(body.h.op, HVP_KVP_ENUMERATE);
	TAP_EQ(body.index, 7);
	TAP_EQ(hvw_kvp_put_key(&body.pair, "\xf0\x9f\x92\xbe"), 0);
	TAP_EQ(hvw_kvp_put_value(&body.pair, "disk"), 0);
	reply(&b, HVP_IC_SUCCESS, &body, sizeof(body));
	TAP_EQ(b.ended, 1);
	TAP_EQ(b.result, 0);
	TAP_CHECK(!strcmp(b.request[0].key, "\xf0\x9f\x92\xbe"));
	TAP_CHECK(!strcmp(b.request[0].value, "disk"));
	drop(&b);
}

TAP_TEST(what_comes_with_an_error_is_not_looked_at)
{
	struct bed b;
	struct hvp_kvp_enumerate body = { .pair.key_size = UINT32_MAX };

	make_ready(&b, 0);
	TAP_EQ(ask(&b, 0, HVP_KVP_ENUMERATE, "", ""), 0);
	TAP_REQUIRE(take(&b));
	reply(&b, HVP_IC_NO_MORE_ITEMS, &body, sizeof(body));
	TAP_EQ(b.ended, 1);
	TAP_EQ(b.result, 0);
	TAP_EQ(status(&b).ic.violations, 0);
	drop(&b);
}

TAP_TEST(answers_that_make_no_sense)
{
	struct hvp_kvp_enumerate body = { .pair = { .type = HVP_KVP_STRING } };
	struct bed b;

	make_ready(&b, 0);
	for (unsigned i = 0; i < 4; i++) {
		body.pair.type = i == 2 ? 99 : HVP_KVP_STRING;
		body.pair.key_size = i == 1 ? 514 : 0;
		body.pair.value_size = i == 3 ? 2049 : 0;
		TAP_EQ(ask(&b, 0, HVP_KVP_ENUMERATE, "", ""), 0);
		TAP_REQUIRE(take(&b));
		reply(&b, HVP_IC_SUCCESS, &body, sizeof(body) - (i == 0));
		TAP_EQ(b.ended, i + 1);
		TAP_EQ(b.result, -EPROTO);
		TAP_EQ(status(&b).ic.violations, i + 1);
	}
	drop(&b);
}

TAP_TEST(ip_settings)
{
	struct hvp_kvp_ip body;
	struct bed b;

	make_ready(&b, 0);
	strcpy(b.ip.adapter, "00:15:5D:01:02:03");
	strcpy(b.ip.addresses, "not sent with a question");
	TAP_EQ(ask(&b, 0, HVP_KVP_GET_IP, "", ""), 0);
	TAP_REQUIRE(take(&b) && !hvw_ic_read(&b.ic, 0, &body, sizeof(body)));
	TAP_EQ(b.ic.h.size, sizeof(body));
	TAP_EQ(body.h.op, HVP_KVP_GET_IP);
	TAP_EQ(body.adapter[16], '3');
	TAP_EQ(body.adapter[17], 0);
	TAP_EQ(body.addresses[0], 0);
	body.family = 0xff;
	body.dhcp = 1;
	memcpy(body.addresses, "1\0;\0002", 5);
	for (unsigned i = 0; i < 1024; i++)
		body.dns[i] = i < 1023 ? 'x' : 0;
	reply(&b, HVP_IC_SUCCESS, &body, sizeof(body));
	TAP_EQ(b.ended, 1);
	TAP_EQ(b.result, 0);
	TAP_EQ(b.ip.family, HVP_KVP_IPV4 | HVP_KVP_IPV6);
	TAP_CHECK(b.ip.dhcp);
	TAP_CHECK(!strcmp(b.ip.addresses, "1;2"));
	TAP_EQ(strlen(b.ip.dns), 1023);
	strcpy(b.ip.dns, "9.9.9.9");
	TAP_EQ(ask(&b, 0, HVP_KVP_SET_IP, "", ""), 0);
	TAP_REQUIRE(take(&b) && !hvw_ic_read(&b.ic, 0, &body, sizeof(body)));
	TAP_EQ(body.h.op, HVP_KVP_SET_IP);
	TAP_EQ(body.dhcp, 1);
	TAP_MEM_EQ(body.dns, "9\0.\0009", 5);
	TAP_EQ(body.dns[8], 0);
	reply(&b, HVP_IC_NOT_FOUND, &body, 30);
	TAP_EQ(b.status, HVP_IC_NOT_FOUND);
	/* An answer without its settings. */
	TAP_EQ(ask(&b, 0, HVP_KVP_GET_IP, "", ""), 0);
	TAP_REQUIRE(take(&b));
	reply(&b, HVP_IC_SUCCESS, &body, sizeof(body) - 1);
	TAP_EQ(b.result, -EPROTO);
	drop(&b);
}

/* --- the queue --------------------------------------------------------------------------------------- */

TAP_TEST(one_at_a_time_in_their_order)
{
	struct bed b;

	make_ready(&b, 0);
	for (unsigned i = 0; i < 3; i++)
		TAP_EQ(ask(&b, i, HVP_KVP_SET, "a", "b"), 0);
	for (unsigned i = 0; i < 3; i++) {
		struct hvw_ic ic;
		uint8_t bytes[64];

		TAP_REQUIRE(take(&b));
		ic = b.ic;
		TAP_EQ(guest_recv(&b.g, CH, bytes, sizeof(bytes), NULL), -EAGAIN);
		b.ic = ic;
		reply(&b, i == 1 ? HVP_IC_FAIL : HVP_IC_SUCCESS, NULL, 0);
		TAP_EQ(b.ended, i + 1);
		TAP_CHECK(b.last == &b.request[i]);
		TAP_EQ(b.status, i == 1 ? HVP_IC_FAIL : HVP_IC_SUCCESS);
	}
	TAP_CHECK(!take(&b));
	drop(&b);
}

TAP_TEST(done_may_ask_anew)
{
	struct bed b;

	make_ready(&b, 0);
	b.again = true;
	TAP_EQ(ask(&b, 0, HVP_KVP_SET, "a", "b"), 0);
	TAP_REQUIRE(take(&b));
	reply(&b, HVP_IC_SUCCESS, NULL, 0);
	TAP_EQ(b.ended, 1);
	TAP_REQUIRE(take(&b));
	reply(&b, HVP_IC_SUCCESS, NULL, 0);
	TAP_EQ(b.ended, 2);
	drop(&b);
}

TAP_TEST(a_guest_that_does_not_answer_keeps_nobody_waiting)
{
	struct bed b;

	make_ready(&b, 0);
	TAP_EQ(ask(&b, 0, HVP_KVP_SET, "a", "b"), 0);
	TAP_EQ(ask(&b, 1, HVP_KVP_SET, "c", "d"), 0);
	TAP_REQUIRE(take(&b));
	embedder_advance(&b.e, 59 * SECOND);
	TAP_EQ(b.ended, 0);
	embedder_advance(&b.e, SECOND);
	TAP_EQ(b.ended, 1);
	TAP_EQ(b.result, -ETIMEDOUT);
	/* Its late answer is nobody's. */
	reply(&b, HVP_IC_SUCCESS, NULL, 0);
	TAP_EQ(b.ended, 1);
	TAP_EQ(status(&b).ic.violations, 1);
	TAP_REQUIRE(take(&b));
	reply(&b, HVP_IC_SUCCESS, NULL, 0);
	TAP_EQ(b.ended, 2);
	TAP_EQ(b.result, 0);
	embedder_advance(&b.e, 100 * SECOND);
	TAP_EQ(b.ended, 2);
	drop(&b);
}

TAP_TEST(a_full_ring_is_waited_for)
{
	struct bed b;
	unsigned i;

	/* Two pages of data: a request is 2,608 bytes, and its ring has 4,096. */
	make(&b, 0);
	open_it(&b, 4);
	choose(&b);
	TAP_EQ(ask(&b, 0, HVP_KVP_SET, "a", "b"), 0);
	embedder_advance(&b.e, 60 * SECOND);
	TAP_EQ(b.result, -ETIMEDOUT);
	TAP_EQ(ask(&b, 1, HVP_KVP_SET, "c", "d"), 0);
	TAP_EQ(ask(&b, 2, HVP_KVP_SET, "e", "f"), 0);
	/* The guest takes the first one, late: there is room now for the second, and it signals that. */
	for (i = 0; i < 2; i++) {
		TAP_REQUIRE(take(&b));
		if (i)
			reply(&b, HVP_IC_SUCCESS, NULL, 0);
		embedder_run(&b.e);
	}
	TAP_EQ(b.ended, 2);
	TAP_CHECK(b.last == &b.request[1]);
	TAP_EQ(b.result, 0);
	/* A message that no ring of this size holds. */
	TAP_REQUIRE(take(&b));
	reply(&b, HVP_IC_SUCCESS, NULL, 0);
	TAP_EQ(ask(&b, 0, HVP_KVP_GET_IP, "", ""), 0);
	TAP_EQ(b.ended, 4);
	TAP_EQ(b.result, -EMSGSIZE);
	drop(&b);
}

TAP_TEST(closing_ends_all_that_wait)
{
	struct bed b;

	make_ready(&b, 0);
	TAP_EQ(ask(&b, 0, HVP_KVP_SET, "a", "b"), 0);
	TAP_EQ(ask(&b, 1, HVP_KVP_SET, "c", "d"), 0);
	guest_post_close(&b.g, CH);
	embedder_run(&b.e);
	TAP_EQ(b.ended, 2);
	TAP_EQ(b.result, -ENOTCONN);
	TAP_CHECK(b.last == &b.request[1]);
	TAP_EQ(status(&b).ic.state, HVH_IC_CLOSED);
	embedder_advance(&b.e, 100 * SECOND);
	TAP_EQ(b.ended, 2);
	drop(&b);
}

/* --- facts about the host ---------------------------------------------------------------------------- */

TAP_TEST(facts_are_given_first)
{
	struct bed b;
	struct hvp_kvp_set set;
	char text[HVW_KVP_VALUE];

	make_ready(&b, 2);
	TAP_EQ(ask(&b, 0, HVP_KVP_SET, "a", "b"), 0);
	TAP_REQUIRE(take(&b) && !hvw_ic_read(&b.ic, 0, &set, sizeof(set)));
	TAP_EQ(set.h.op, HVP_KVP_SET);
	TAP_EQ(set.h.pool, HVP_KVP_POOL_AUTO_EXTERNAL);
	TAP_CHECK(hvw_kvp_get_value(&set.pair, text, sizeof(text)) > 0 &&
		  !strcmp(text, facts[0].value));
	reply(&b, HVP_IC_SUCCESS, NULL, 0);
	TAP_EQ(status(&b).facts, 1);
	TAP_REQUIRE(take(&b) && !hvw_ic_read(&b.ic, 0, &set, sizeof(set)));
	TAP_EQ(set.h.pool, HVP_KVP_POOL_EXTERNAL);
	reply(&b, HVP_IC_SUCCESS, NULL, 0);
	TAP_REQUIRE(take(&b) && !hvw_ic_read(&b.ic, 0, &set, sizeof(set)));
	TAP_CHECK(hvw_kvp_get_key(&set.pair, text, sizeof(text)) > 0 && !strcmp(text, facts[1].key));
	reply(&b, HVP_IC_FAIL, NULL, 0);
	TAP_EQ(status(&b).facts, 1);
	TAP_CHECK(!take(&b));
	drop(&b);
}

TAP_TEST(a_silent_guest_gets_no_more_facts)
{
	struct bed b;

	make_ready(&b, 2);
	TAP_CHECK(take(&b));
	embedder_advance(&b.e, 60 * SECOND);
	TAP_CHECK(!take(&b));
	TAP_EQ(ask(&b, 0, HVP_KVP_SET, "a", "b"), 0);
	TAP_CHECK(take(&b));
	drop(&b);
}

/* --- save and load ----------------------------------------------------------------------------------- */

static void save_and_load(struct bed *b)
{
	uint8_t *state;
	size_t len;

	TAP_REQUIRE(embedder_save(&b->e, &state, &len) == 0);
	TAP_EQ(embedder_load(&b->e, state, len), 0);
	free(state);
	embedder_run(&b->e);
}

TAP_TEST(after_a_load_the_guest_gets_the_facts_anew)
{
	struct bed b;

	make_ready(&b, 1);
	TAP_CHECK(take(&b));
	reply(&b, HVP_IC_SUCCESS, NULL, 0);
	TAP_EQ(status(&b).facts, 1);
	save_and_load(&b);
	TAP_EQ(status(&b).facts, 0);
	TAP_REQUIRE(take(&b));
	reply(&b, HVP_IC_SUCCESS, NULL, 0);
	TAP_EQ(status(&b).facts, 1);
	drop(&b);
}

TAP_TEST(a_request_that_was_under_way_is_not_waited_for_after_a_load)
{
	struct bed b;

	make_ready(&b, 1);
	TAP_REQUIRE(take(&b));
	reply(&b, HVP_IC_SUCCESS, NULL, 0);
	TAP_EQ(ask(&b, 0, HVP_KVP_SET, "a", "b"), 0);
	TAP_REQUIRE(take(&b));
	save_and_load(&b);
	embedder_advance(&b.e, SECOND);
	/* A guest answers one at a time: the facts wait for this answer. */
	reply(&b, HVP_IC_SUCCESS, NULL, 0);
	TAP_EQ(status(&b).ic.violations, 0);
	TAP_REQUIRE(take(&b));
	reply(&b, HVP_IC_SUCCESS, NULL, 0);
	TAP_EQ(status(&b).facts, 1);
	/* And with no answer ever, for the rest of its time. */
	TAP_EQ(ask(&b, 0, HVP_KVP_SET, "a", "b"), 0);
	TAP_REQUIRE(take(&b));
	save_and_load(&b);
	TAP_CHECK(!take(&b));
	embedder_advance(&b.e, 60 * SECOND);
	TAP_CHECK(take(&b));
	drop(&b);
}

TAP_MAIN()
