/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The backup device: whatever happens the guest is told to thaw.
 */
#include <hvh/hvh_vss.h>

#include "fuzz/guest_script.h"
#include "hvw_ic.h"
#include "tap.h"

#define SECOND 1000000000ull
#define CH     3
#define HOLD_S 20

enum { CHECK, FREEZE, THAW, ASKS };

struct bed {
	struct embedder e;
	struct guest g;
	struct hvw_ic ic; /* the last request, in `bytes` */
	uint8_t bytes[8192];
	struct hvh_vss_request request[ASKS];
	/* How each of them ended. */
	unsigned ended;
	int result[ASKS];
	uint32_t status[ASKS];
};

static struct hvh_device *own_create(struct embedder *e)
{
	struct hvh_device *device = NULL;

	(void)e;
	if (hvh_vss_create(&device))
		abort();
	return device;
}

static struct hvh_device *vss(struct bed *b)
{
	return b->e.slots[EMBEDDER_HOT];
}

static struct hvh_vss_status status(struct bed *b)
{
	struct hvh_vss_status s;

	hvh_vss_status(vss(b), &s);
	return s;
}

static void done(struct hvh_vss_request *request, int result, uint32_t code)
{
	struct bed *b = request->ctx;
	size_t which = (size_t)(request - b->request);

	b->ended++;
	b->result[which] = result;
	b->status[which] = code;
}

static void make(struct bed *b)
{
	static const enum hvp_vss_op ops[ASKS] = { HVP_VSS_HOT_BACKUP, HVP_VSS_FREEZE,
						   HVP_VSS_THAW };
	struct hvw_msg msg;

	memset(b, 0, sizeof(*b));
	b->e.ctx = b;
	b->e.own_create = own_create;
	b->e.own_destroy = hvh_vss_destroy;
	embedder_init(&b->e);
	guest_init(&b->g, &b->e);
	TAP_CHECK(guest_contact(&b->g, HVP_VERSION_5_3, 0) && guest_request_offers(&b->g));
	TAP_CHECK(!embedder_add(&b->e, EMBEDDER_HOT) &&
		  guest_expect(&b->g, HVP_MSG_OFFER_CHANNEL, &msg));
	for (unsigned i = 0; i < ASKS; i++) {
		b->request[i].op = ops[i];
		b->request[i].hold_ms = HOLD_S * 1000;
		b->request[i].done = done;
		b->request[i].ctx = b;
	}
}

static void make_ready(struct bed *b)
{
	const struct hvp_ic_version framework = { 3, 0 }, version = { 5, 0 };
	uint8_t bytes[HVW_IC_CHOICE];
	int len;

	make(b);
	TAP_CHECK(guest_share_ring(&b->g, CH, 8, 4) && guest_open(&b->g, CH, 0));
	embedder_run(&b->e);
	len = guest_recv(&b->g, CH, b->bytes, sizeof(b->bytes), NULL);
	TAP_CHECK(len > 0 && !hvw_ic_parse(&b->ic, b->bytes, (size_t)len));
	TAP_EQ(guest_send(&b->g, CH, 0, bytes,
			  (uint32_t)hvw_ic_build_choice(bytes, &b->ic.h, &framework, &version)),
	       0);
	TAP_EQ(status(b).ic.state, HVH_IC_READY);
}

static void drop(struct bed *b)
{
	guest_fini(&b->g);
	embedder_fini(&b->e);
}

static int ask(struct bed *b, unsigned which)
{
	return hvh_vss_request(vss(b), &b->request[which]);
}

/* The operation of the next request, taken out of the ring; -1: none. */
static int take(struct bed *b)
{
	int len = guest_recv(&b->g, CH, b->bytes, sizeof(b->bytes), NULL);
	struct hvp_vss_header header;

	if (len <= 0 || hvw_ic_parse(&b->ic, b->bytes, (size_t)len) || b->ic.h.type != HVP_IC_VSS ||
	    hvw_ic_read(&b->ic, 0, &header, sizeof(header)))
		return -1;
	return header.op;
}

static void reply(struct bed *b, uint32_t code)
{
	struct hvp_ic_header h = b->ic.h;

	h.flags = HVP_IC_FLAG_TRANSACTION | HVP_IC_FLAG_RESPONSE;
	h.status = code;
	TAP_EQ(guest_send(&b->g, CH, 0, b->bytes, (uint32_t)hvw_ic_build(b->bytes, &h)), 0);
}

static void freeze(struct bed *b)
{
	TAP_EQ(ask(b, FREEZE), 0);
	TAP_EQ(take(b), HVP_VSS_FREEZE);
	reply(b, HVP_IC_SUCCESS);
	TAP_EQ(b->result[FREEZE], 0);
	TAP_CHECK(status(b).frozen);
	b->request[THAW].number = b->request[FREEZE].number;
}

static void guest_thaws(struct bed *b)
{
	TAP_EQ(take(b), HVP_VSS_THAW);
	reply(b, HVP_IC_SUCCESS);
	TAP_CHECK(!status(b).frozen);
	TAP_EQ(take(b), -1);
}

/* --- as it should be --------------------------------------------------------------------------------- */

TAP_TEST(a_backup)
{
	struct bed b;

	make(&b);
	TAP_EQ(ask(&b, CHECK), -ENOTCONN);
	drop(&b);
	make_ready(&b);
	TAP_EQ(ask(&b, CHECK), 0);
	TAP_EQ(take(&b), HVP_VSS_HOT_BACKUP);
	TAP_EQ(b.ic.h.size, sizeof(struct hvp_vss_plain));
	b.bytes[HVW_IC_HEADERS + 8] = HVP_VSS_NO_AUTO_RECOVERY;
	reply(&b, HVP_IC_SUCCESS);
	TAP_EQ(b.result[CHECK], 0);
	TAP_EQ(b.request[CHECK].flags, HVP_VSS_NO_AUTO_RECOVERY);
	TAP_EQ(ask(&b, THAW), -ENOENT);
	TAP_EQ(ask(&b, FREEZE), 0);
	TAP_EQ(take(&b), HVP_VSS_FREEZE);
	TAP_EQ(b.ic.h.size, sizeof(struct hvp_vss_freeze));
	TAP_CHECK(status(&b).frozen);
	/* Large disks: a quarter of an hour is nothing unusual. */
	embedder_advance(&b.e, 900 * SECOND);
	TAP_EQ(b.ended, 1);
	reply(&b, HVP_IC_SUCCESS);
	TAP_EQ(b.ended, 2);
	TAP_EQ(b.request[FREEZE].number, 1);
	TAP_EQ(status(&b).freezes, 1);
	TAP_EQ(ask(&b, FREEZE), -EBUSY);
	TAP_EQ(ask(&b, THAW), -ENOENT);
	b.request[THAW].number = 1;
	TAP_EQ(ask(&b, THAW), 0);
	TAP_EQ(take(&b), HVP_VSS_THAW);
	TAP_EQ(b.ic.h.size, sizeof(struct hvp_vss_plain));
	reply(&b, HVP_IC_SUCCESS);
	TAP_EQ(b.ended, 3);
	TAP_CHECK(!status(&b).frozen);
	TAP_EQ(ask(&b, THAW), -ENOENT);
	embedder_advance(&b.e, 2000 * SECOND);
	TAP_EQ(take(&b), -1);
	TAP_EQ(status(&b).overdue, 0);
	drop(&b);
}

TAP_TEST(what_cannot_be_asked)
{
	struct bed b;

	make_ready(&b);
	b.request[CHECK].op = HVP_VSS_AUTO_RECOVER;
	TAP_EQ(ask(&b, CHECK), -EINVAL);
	b.request[FREEZE].hold_ms = 0;
	TAP_EQ(ask(&b, FREEZE), -EINVAL);
	TAP_EQ(take(&b), -1);
	TAP_CHECK(!status(&b).frozen);
	drop(&b);
}

/* --- as it should not -------------------------------------------------------------------------------- */

TAP_TEST(nobody_thaws_in_time)
{
	struct bed b;

	make_ready(&b);
	freeze(&b);
	embedder_advance(&b.e, (HOLD_S - 1) * SECOND);
	TAP_EQ(take(&b), -1);
	embedder_advance(&b.e, SECOND);
	guest_thaws(&b);
	TAP_EQ(status(&b).overdue, 1);
	TAP_EQ(ask(&b, THAW), -ENOENT);
	/* Nor does the next freeze count for who had the first. */
	TAP_EQ(ask(&b, FREEZE), 0);
	TAP_EQ(take(&b), HVP_VSS_FREEZE);
	reply(&b, HVP_IC_SUCCESS);
	TAP_EQ(ask(&b, THAW), -ENOENT);
	drop(&b);
}

TAP_TEST(the_time_counts_through_other_requests)
{
	struct bed b;

	make_ready(&b);
	freeze(&b);
	embedder_advance(&b.e, 5 * SECOND);
	TAP_EQ(ask(&b, CHECK), 0);
	TAP_EQ(take(&b), HVP_VSS_HOT_BACKUP);
	reply(&b, HVP_IC_SUCCESS);
	embedder_advance(&b.e, 15 * SECOND);
	guest_thaws(&b);
	/* One that is not answered is over in its time, and the guest then thawed. */
	freeze(&b);
	TAP_EQ(ask(&b, CHECK), 0);
	TAP_EQ(take(&b), HVP_VSS_HOT_BACKUP);
	embedder_advance(&b.e, 60 * SECOND);
	TAP_EQ(b.result[CHECK], -ETIMEDOUT);
	embedder_advance(&b.e, SECOND);
	guest_thaws(&b);
	drop(&b);
}

TAP_TEST(a_freeze_that_fails_is_thawed)
{
	struct bed b;

	make_ready(&b);
	TAP_EQ(ask(&b, FREEZE), 0);
	TAP_EQ(take(&b), HVP_VSS_FREEZE);
	reply(&b, HVP_IC_FAIL);
	TAP_EQ(b.ended, 1);
	TAP_EQ(b.status[FREEZE], HVP_IC_FAIL);
	TAP_EQ(ask(&b, FREEZE), -EBUSY);
	guest_thaws(&b);
	TAP_EQ(status(&b).freezes, 0);
	/* The same for one that is not answered. */
	b.request[FREEZE].timeout_ms = 5000;
	TAP_EQ(ask(&b, FREEZE), 0);
	TAP_EQ(take(&b), HVP_VSS_FREEZE);
	embedder_advance(&b.e, 5 * SECOND);
	TAP_EQ(b.ended, 2);
	TAP_EQ(b.result[FREEZE], -ETIMEDOUT);
	guest_thaws(&b);
	drop(&b);
}

TAP_TEST(a_thaw_that_fails_is_said_again)
{
	struct bed b;

	make_ready(&b);
	freeze(&b);
	TAP_EQ(ask(&b, THAW), 0);
	TAP_EQ(take(&b), HVP_VSS_THAW);
	reply(&b, HVP_IC_FAIL);
	TAP_EQ(b.ended, 2);
	TAP_EQ(b.status[THAW], HVP_IC_FAIL);
	TAP_CHECK(status(&b).frozen);
	TAP_EQ(take(&b), HVP_VSS_THAW);
	embedder_advance(&b.e, 60 * SECOND);
	guest_thaws(&b);
	/* But not for ever. */
	freeze(&b);
	TAP_EQ(ask(&b, THAW), 0);
	for (unsigned i = 0; i < 6; i++) {
		TAP_EQ(take(&b), HVP_VSS_THAW);
		reply(&b, HVP_IC_FAIL);
	}
	TAP_EQ(take(&b), -1);
	drop(&b);
}

TAP_TEST(closing_ends_it)
{
	struct bed b;

	make_ready(&b);
	freeze(&b);
	guest_post_close(&b.g, CH);
	embedder_run(&b.e);
	TAP_CHECK(!status(&b).frozen);
	TAP_EQ(ask(&b, THAW), -ENOENT);
	embedder_advance(&b.e, 100 * SECOND);
	TAP_EQ(status(&b).overdue, 0);
	drop(&b);
	make_ready(&b);
	TAP_EQ(ask(&b, FREEZE), 0);
	guest_post_close(&b.g, CH);
	embedder_run(&b.e);
	TAP_EQ(b.result[FREEZE], -ENOTCONN);
	TAP_CHECK(!status(&b).frozen);
	drop(&b);
}

TAP_TEST(an_answer_without_its_flags)
{
	struct bed b;

	make_ready(&b);
	TAP_EQ(ask(&b, CHECK), 0);
	TAP_EQ(take(&b), HVP_VSS_HOT_BACKUP);
	b.ic.h.size = sizeof(struct hvp_vss_header);
	reply(&b, HVP_IC_SUCCESS);
	TAP_EQ(b.result[CHECK], -EPROTO);
	TAP_EQ(status(&b).ic.violations, 1);
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

TAP_TEST(after_a_load_the_guest_is_thawed)
{
	struct bed b;

	make_ready(&b);
	freeze(&b);
	save_and_load(&b);
	embedder_advance(&b.e, SECOND);
	guest_thaws(&b);
	TAP_EQ(status(&b).freezes, 1);
	save_and_load(&b);
	embedder_advance(&b.e, SECOND);
	TAP_EQ(take(&b), -1);
	/* With the freeze under way. */
	TAP_EQ(ask(&b, FREEZE), 0);
	TAP_EQ(take(&b), HVP_VSS_FREEZE);
	save_and_load(&b);
	embedder_advance(&b.e, SECOND);
	reply(&b, HVP_IC_SUCCESS);
	guest_thaws(&b);
	TAP_EQ(status(&b).ic.violations, 0);
	drop(&b);
}

TAP_MAIN()
