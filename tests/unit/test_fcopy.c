/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The file copy device.
 */
#include <hvh/hvh_fcopy.h>

#include "fuzz/guest_script.h"
#include "hvw_ic.h"
#include "tap.h"

#define SECOND 1000000000ull
#define CH     3
#define ASKS   4

struct bed {
	struct embedder e;
	struct guest g;
	struct hvw_ic ic; /* the last request, in `bytes` */
	uint8_t bytes[8192];
	uint8_t data[HVP_FCOPY_DATA];
	struct hvh_fcopy_request request[ASKS];
	/* How each of them ended. */
	unsigned ended;
	bool over[ASKS];
	int result[ASKS];
	uint32_t status[ASKS];
	bool quick; /* the guest sends something while its answer is looked at */
	int again; /* what a START from within done() was answered; 1: not tried */
};

static struct hvh_device *own_create(struct embedder *e)
{
	struct hvh_device *device = NULL;

	(void)e;
	if (hvh_fcopy_create(&device))
		abort();
	return device;
}

static struct hvh_device *fcopy(struct bed *b)
{
	return b->e.slots[EMBEDDER_HOT];
}

static struct hvh_fcopy_status status(struct bed *b)
{
	struct hvh_fcopy_status s;

	hvh_fcopy_status(fcopy(b), &s);
	return s;
}

static void done(struct hvh_fcopy_request *request, int result, uint32_t code)
{
	struct bed *b = request->ctx;
	size_t which = (size_t)(request - b->request);

	b->ended++;
	b->over[which] = true;
	b->result[which] = result;
	b->status[which] = code;
	if (b->quick)
		TAP_EQ(guest_send(&b->g, CH, 0, b->bytes,
				  sizeof(struct hvp_fcopy_write) + HVW_IC_HEADERS),
		       0);
	if (b->again == 1) {
		b->request[ASKS - 1].op = HVP_FCOPY_START;
		b->again = hvh_fcopy_request(fcopy(b), &b->request[ASKS - 1]);
	}
}

static void make(struct bed *b)
{
	struct hvw_msg msg;

	memset(b, 0, sizeof(*b));
	b->e.ctx = b;
	b->e.own_create = own_create;
	b->e.own_destroy = hvh_fcopy_destroy;
	embedder_init(&b->e);
	guest_init(&b->g, &b->e);
	TAP_CHECK(guest_contact(&b->g, HVP_VERSION_5_3, 0) && guest_request_offers(&b->g));
	TAP_CHECK(!embedder_add(&b->e, EMBEDDER_HOT) &&
		  guest_expect(&b->g, HVP_MSG_OFFER_CHANNEL, &msg));
	for (unsigned i = 0; i < ASKS; i++) {
		b->request[i].done = done;
		b->request[i].ctx = b;
		b->request[i].data = b->data;
		b->request[i].path = "/srv/";
		b->request[i].name = "f\xc3\xb6";
		b->request[i].bytes = 10000;
	}
	for (unsigned i = 0; i < sizeof(b->data); i++)
		b->data[i] = (uint8_t)(i * 7);
}

static void open_it(struct bed *b)
{
	const struct hvp_ic_version framework = { 3, 0 }, version = { 1, 1 };
	uint8_t bytes[HVW_IC_CHOICE];
	int len;

	TAP_CHECK(guest_share_ring(&b->g, CH, 8, 4) && guest_open(&b->g, CH, 0));
	embedder_run(&b->e);
	len = guest_recv(&b->g, CH, b->bytes, sizeof(b->bytes), NULL);
	TAP_CHECK(len > 0 && !hvw_ic_parse(&b->ic, b->bytes, (size_t)len));
	TAP_EQ(guest_send(&b->g, CH, 0, bytes,
			  (uint32_t)hvw_ic_build_choice(bytes, &b->ic.h, &framework, &version)),
	       0);
	TAP_EQ(status(b).ic.state, HVH_IC_READY);
}

static void make_ready(struct bed *b)
{
	make(b);
	open_it(b);
}

static void drop(struct bed *b)
{
	guest_fini(&b->g);
	embedder_fini(&b->e);
}

/* The operation of the next request, taken out of the ring; -1: none. */
static int take(struct bed *b)
{
	int len = guest_recv(&b->g, CH, b->bytes, sizeof(b->bytes), NULL);
	struct hvp_fcopy_header header;

	if (len <= 0 || hvw_ic_parse(&b->ic, b->bytes, (size_t)len) ||
	    b->ic.h.type != HVP_IC_FCOPY || hvw_ic_read(&b->ic, 0, &header, sizeof(header)))
		return -1;
	return (int)header.op;
}

static void reply(struct bed *b, uint32_t code)
{
	struct hvp_ic_header h = b->ic.h;

	h.flags = HVP_IC_FLAG_TRANSACTION | HVP_IC_FLAG_RESPONSE;
	h.status = code;
	TAP_EQ(guest_send(&b->g, CH, 0, b->bytes, (uint32_t)hvw_ic_build(b->bytes, &h)), 0);
}

static int ask(struct bed *b, unsigned which, enum hvp_fcopy_op op)
{
	b->request[which].op = op;
	return hvh_fcopy_request(fcopy(b), &b->request[which]);
}

static int ask_write(struct bed *b, unsigned which, uint64_t offset, uint32_t size)
{
	b->request[which].offset = offset;
	b->request[which].size = size;
	return ask(b, which, HVP_FCOPY_WRITE);
}

/* A file that the guest has opened, by request 0. */
static void start(struct bed *b)
{
	TAP_EQ(ask(b, 0, HVP_FCOPY_START), 0);
	TAP_EQ(take(b), HVP_FCOPY_START);
	reply(b, HVP_IC_SUCCESS);
	TAP_EQ(b->result[0], 0);
	TAP_CHECK(status(b).open);
}

/* --- what is sent ------------------------------------------------------------------------------------ */

TAP_TEST(a_file_in_two_pieces)
{
	struct hvp_fcopy_start body;
	struct hvp_fcopy_write write;
	struct bed b;

	make_ready(&b);
	b.request[0].flags = HVP_FCOPY_OVERWRITE | HVP_FCOPY_CREATE_PATH;
	TAP_EQ(ask(&b, 0, HVP_FCOPY_START), 0);
	TAP_REQUIRE(take(&b) == HVP_FCOPY_START && !hvw_ic_read(&b.ic, 0, &body, sizeof(body)));
	TAP_EQ(b.ic.h.size, sizeof(body));
	TAP_MEM_EQ(body.name, "f\0\xf6\0\0", 6);
	TAP_MEM_EQ(body.path, "/\0s\0r\0v\0/\0\0", 12);
	TAP_EQ(body.flags, 3);
	TAP_EQ(body.bytes, 10000);
	reply(&b, HVP_IC_SUCCESS);
	TAP_EQ(ask_write(&b, 1, 0, HVP_FCOPY_DATA), 0);
	TAP_EQ(ask_write(&b, 2, HVP_FCOPY_DATA, 3856), 0);
	TAP_REQUIRE(take(&b) == HVP_FCOPY_WRITE && !hvw_ic_read(&b.ic, 0, &write, sizeof(write)));
	TAP_EQ(write.size, HVP_FCOPY_DATA);
	TAP_EQ(write.offset, 0);
	TAP_MEM_EQ(write.data, b.data, HVP_FCOPY_DATA);
	TAP_EQ(take(&b), -1);
	/* It was overwritten by take(). */
	TAP_EQ(hvw_ic_parse(&b.ic, b.bytes, sizeof(b.bytes)), 0);
	reply(&b, HVP_IC_SUCCESS);
	TAP_REQUIRE(take(&b) == HVP_FCOPY_WRITE && !hvw_ic_read(&b.ic, 0, &write, sizeof(write)));
	/* A message is as long as any other, and empty where nothing counts. */
	TAP_EQ(b.ic.h.size, sizeof(write));
	TAP_EQ(write.size, 3856);
	TAP_EQ(write.offset, HVP_FCOPY_DATA);
	TAP_EQ(write.data[3856], 0);
	reply(&b, HVP_IC_SUCCESS);
	TAP_EQ(ask(&b, 3, HVP_FCOPY_COMPLETE), 0);
	TAP_EQ(take(&b), HVP_FCOPY_COMPLETE);
	TAP_EQ(b.ic.h.size, sizeof(struct hvp_fcopy_header));
	reply(&b, HVP_IC_SUCCESS);
	TAP_EQ(b.ended, 4);
	TAP_EQ(status(&b).files, 1);
	TAP_EQ(status(&b).bytes, 10000);
	TAP_CHECK(!status(&b).open);
	drop(&b);
}

TAP_TEST(what_cannot_be_asked)
{
	char longest[HVP_FCOPY_NAME_UNITS + 1];
	struct bed b;

	make(&b);
	TAP_EQ(ask(&b, 0, HVP_FCOPY_START), -ENOTCONN);
	open_it(&b);
	TAP_EQ(ask_write(&b, 0, 0, 1), -ENOENT);
	TAP_EQ(ask(&b, 0, HVP_FCOPY_COMPLETE), -ENOENT);
	TAP_EQ(ask(&b, 0, HVP_FCOPY_CANCEL), -ENOENT);
	memset(longest, 'a', sizeof(longest));
	longest[HVP_FCOPY_NAME_UNITS] = '\0';
	b.request[0].name = longest;
	TAP_EQ(ask(&b, 0, HVP_FCOPY_START), -EMSGSIZE);
	b.request[0].name = "\xff";
	TAP_EQ(ask(&b, 0, HVP_FCOPY_START), -EILSEQ);
	b.request[0].name = longest + 1;
	b.request[0].path = longest;
	TAP_EQ(ask(&b, 0, HVP_FCOPY_START), -EMSGSIZE);
	TAP_CHECK(!status(&b).open);
	b.request[0].path = longest + 1;
	start(&b);
	TAP_EQ(ask(&b, 1, HVP_FCOPY_START), -EBUSY);
	TAP_EQ(ask_write(&b, 1, 0, HVP_FCOPY_DATA + 1), -EINVAL);
	TAP_EQ(ask_write(&b, 1, 9999, 2), -EINVAL);
	TAP_EQ(ask_write(&b, 1, 10001, 0), -EINVAL);
	TAP_EQ(ask_write(&b, 1, UINT64_MAX, 2), -EINVAL);
	TAP_EQ(ask_write(&b, 1, 9999, 1), 0);
	TAP_EQ(ask(&b, 2, HVP_FCOPY_COMPLETE), 0);
	TAP_EQ(ask_write(&b, 3, 0, 1), -ENOENT);
	TAP_EQ(ask(&b, 3, HVP_FCOPY_CANCEL), -ENOENT);
	TAP_EQ(ask(&b, 3, HVP_FCOPY_START), -EBUSY);
	drop(&b);
}

/* A guest's ring holds one answer to a piece, and Linux drops what finds no room. */
TAP_TEST(the_next_answer_has_room)
{
	struct bed b;

	make_ready(&b);
	start(&b);
	TAP_EQ(ask_write(&b, 1, 0, 5), 0);
	TAP_EQ(take(&b), HVP_FCOPY_WRITE);
	b.quick = true;
	reply(&b, HVP_IC_SUCCESS);
	TAP_EQ(b.ended, 2);
	TAP_EQ(status(&b).ic.violations, 1);
	drop(&b);
}

/* --- failures ---------------------------------------------------------------------------------------- */

TAP_TEST(a_start_that_is_refused_has_nothing_to_cancel)
{
	struct bed b;

	make_ready(&b);
	TAP_EQ(ask(&b, 0, HVP_FCOPY_START), 0);
	TAP_EQ(ask_write(&b, 1, 0, 5), 0);
	TAP_EQ(ask(&b, 2, HVP_FCOPY_COMPLETE), 0);
	TAP_EQ(take(&b), HVP_FCOPY_START);
	reply(&b, HVP_IC_EXISTS);
	TAP_EQ(b.ended, 3);
	TAP_EQ(b.result[0], 0);
	TAP_EQ(b.status[0], HVP_IC_EXISTS);
	TAP_EQ(b.result[1], -ECANCELED);
	TAP_EQ(b.result[2], -ECANCELED);
	TAP_EQ(take(&b), -1);
	TAP_CHECK(!status(&b).open);
	start(&b);
	drop(&b);
}

TAP_TEST(a_piece_that_fails_ends_the_file)
{
	struct bed b;

	make_ready(&b);
	start(&b);
	TAP_EQ(ask_write(&b, 1, 0, 5), 0);
	TAP_EQ(ask_write(&b, 2, 5, 5), 0);
	TAP_EQ(take(&b), HVP_FCOPY_WRITE);
	b.again = 1;
	reply(&b, HVP_IC_DISK_FULL);
	TAP_EQ(b.status[1], HVP_IC_DISK_FULL);
	TAP_EQ(b.result[2], -ECANCELED);
	/* The guest has to be told first. */
	TAP_EQ(b.again, -EBUSY);
	TAP_CHECK(status(&b).open);
	TAP_EQ(take(&b), HVP_FCOPY_CANCEL);
	TAP_EQ(ask_write(&b, 1, 0, 5), -ENOENT);
	reply(&b, HVP_IC_FAIL);
	TAP_CHECK(!status(&b).open);
	TAP_EQ(b.ended, 3);
	start(&b);
	drop(&b);
}

TAP_TEST(a_guest_that_does_not_answer_keeps_nobody_waiting)
{
	struct bed b;

	make_ready(&b);
	TAP_EQ(ask(&b, 0, HVP_FCOPY_START), 0);
	TAP_EQ(ask_write(&b, 1, 0, 5), 0);
	TAP_EQ(take(&b), HVP_FCOPY_START);
	embedder_advance(&b.e, 59 * SECOND);
	TAP_EQ(b.ended, 0);
	embedder_advance(&b.e, SECOND);
	TAP_EQ(b.ended, 2);
	TAP_EQ(b.result[0], -ETIMEDOUT);
	TAP_EQ(b.result[1], -ECANCELED);
	/* The file may be there by now. */
	TAP_EQ(take(&b), HVP_FCOPY_CANCEL);
	TAP_EQ(ask(&b, 0, HVP_FCOPY_START), -EBUSY);
	embedder_advance(&b.e, 60 * SECOND);
	TAP_EQ(ask(&b, 0, HVP_FCOPY_START), 0);
	drop(&b);
}

TAP_TEST(cancelled)
{
	struct bed b;

	make_ready(&b);
	start(&b);
	TAP_EQ(ask(&b, 1, HVP_FCOPY_CANCEL), 0);
	TAP_EQ(take(&b), HVP_FCOPY_CANCEL);
	reply(&b, HVP_IC_FAIL);
	TAP_EQ(b.ended, 2);
	TAP_EQ(b.status[1], HVP_IC_FAIL);
	TAP_EQ(take(&b), -1);
	TAP_CHECK(!status(&b).open);
	TAP_EQ(status(&b).files, 0);
	drop(&b);
}

TAP_TEST(closing_ends_the_file)
{
	struct bed b;

	make_ready(&b);
	start(&b);
	TAP_EQ(ask_write(&b, 1, 0, 5), 0);
	TAP_EQ(ask_write(&b, 2, 5, 5), 0);
	guest_post_close(&b.g, CH);
	embedder_run(&b.e);
	TAP_EQ(b.ended, 3);
	TAP_EQ(b.result[1], -ENOTCONN);
	TAP_EQ(b.result[2], -ENOTCONN);
	TAP_CHECK(!status(&b).open);
	TAP_EQ(ask_write(&b, 1, 5, 5), -ENOENT);
	embedder_advance(&b.e, 100 * SECOND);
	TAP_EQ(b.ended, 3);
	drop(&b);
}

TAP_TEST(closing_while_nothing_is_under_way)
{
	struct bed b;

	make_ready(&b);
	start(&b);
	guest_post_close(&b.g, CH);
	embedder_run(&b.e);
	TAP_CHECK(!status(&b).open);
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

TAP_TEST(after_a_load_the_guest_drops_a_file_that_was_open)
{
	struct bed b;

	make_ready(&b);
	start(&b);
	save_and_load(&b);
	embedder_advance(&b.e, SECOND);
	TAP_EQ(take(&b), HVP_FCOPY_CANCEL);
	reply(&b, HVP_IC_SUCCESS);
	TAP_CHECK(!status(&b).open);
	save_and_load(&b);
	embedder_advance(&b.e, SECOND);
	TAP_EQ(take(&b), -1);
	/* With a request under way: its answer comes first. */
	start(&b);
	TAP_EQ(ask_write(&b, 1, 0, 5), 0);
	TAP_EQ(take(&b), HVP_FCOPY_WRITE);
	save_and_load(&b);
	embedder_advance(&b.e, SECOND);
	reply(&b, HVP_IC_SUCCESS);
	TAP_EQ(take(&b), HVP_FCOPY_CANCEL);
	TAP_EQ(status(&b).ic.violations, 0);
	drop(&b);
}

TAP_MAIN()
