/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The services whose requests wait in a queue (key-value pairs, file copy, backup) against a guest that says anything at any
 * time. Whatever it does, each request ends once, and a guest that was told to freeze is told to thaw. The input: a byte
 * that says which service, then actions, each a byte and what it needs.
 */
#include <hvh/hvh_fcopy.h>
#include <hvh/hvh_kvp.h>
#include <hvh/hvh_vss.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz_target.h"
#include "fuzz/guest_script.h"
#include "fuzz/input.h"
#include "hvw_ic.h"

#define ACTIONS_MAX 96u
#define ASKS	    4u
#define CH	    3
#define SECOND	    1000000000ull

const unsigned fuzz_cuts = 4;

enum { KVP, FCOPY, VSS, SERVICES };

struct world {
	struct embedder e;
	struct guest g;
	unsigned service;
	bool open; /* the channel is */
	bool pending[ASKS];
	struct hvh_kvp_request kvp[ASKS];
	struct hvh_kvp_ip ip;
	struct hvh_fcopy_request fcopy[ASKS];
	struct hvh_vss_request vss[ASKS];
	uint8_t data[HVP_FCOPY_DATA];
	uint8_t bytes[8192]; /* the last message from the host */
	int len;
	struct hvp_ic_header header; /* in it */
};

static const struct hvp_ic_version versions[SERVICES] = { { 4, 0 }, { 1, 1 }, { 5, 0 } };
static unsigned good[SERVICES][8], failed, loads, violations, expired;

static void ended(struct world *w, size_t which, unsigned op, int result, uint32_t status)
{
	EMBEDDER_REQUIRE(which < ASKS && w->pending[which]);
	w->pending[which] = false;
	if (!result && status == HVP_IC_SUCCESS)
		good[w->service][op]++;
	else
		failed++;
	expired += result == -ETIMEDOUT;
}

static void kvp_done(struct hvh_kvp_request *request, int result, uint32_t status)
{
	struct world *w = request->ctx;

	ended(w, (size_t)(request - w->kvp), request->op, result, status);
}

static void fcopy_done(struct hvh_fcopy_request *request, int result, uint32_t status)
{
	struct world *w = request->ctx;

	ended(w, (size_t)(request - w->fcopy), request->op, result, status);
}

static void vss_done(struct hvh_vss_request *request, int result, uint32_t status)
{
	struct world *w = request->ctx;

	ended(w, (size_t)(request - w->vss), request->op, result, status);
}

static struct hvh_device *own_create(struct embedder *e)
{
	static const struct hvh_kvp_fact fact = { "HostName", "host" };
	const struct world *w = e->ctx;
	struct hvh_device *device = NULL;
	int err = w->service == KVP   ? hvh_kvp_create(&fact, 1, &device) :
		  w->service == FCOPY ? hvh_fcopy_create(&device) :
					hvh_vss_create(&device);

	EMBEDDER_REQUIRE(!err);
	return device;
}

static void own_destroy(struct hvh_device *device)
{
	/* All three do the same. */
	hvh_kvp_destroy(device);
}

static struct hvh_device *device_of(struct world *w)
{
	return w->e.slots[EMBEDDER_HOT];
}

/* --- the host's side --------------------------------------------------------------------------------- */

static int ask_kvp(struct world *w, unsigned which, unsigned bits)
{
	static const enum hvp_kvp_op ops[4] = { HVP_KVP_SET, HVP_KVP_DELETE, HVP_KVP_ENUMERATE,
						HVP_KVP_GET_IP };
	struct hvh_kvp_request *request = &w->kvp[which];

	request->op = bits & 0x40 ? HVP_KVP_SET_IP : ops[bits & 3];
	request->pool = bits >> 2 & 3;
	strcpy(request->key, bits & 0x20 ? "a key" : "");
	strcpy(request->value, "v\xc3\xa4lue");
	return hvh_kvp_request(device_of(w), request);
}

static int ask_fcopy(struct world *w, unsigned which, unsigned bits)
{
	struct hvh_fcopy_request *request = &w->fcopy[which];

	request->op = (enum hvp_fcopy_op)(bits & 3);
	request->offset = (bits >> 2 & 7) * 4000;
	request->size = bits & 0x20 ? HVP_FCOPY_DATA : 5;
	return hvh_fcopy_request(device_of(w), request);
}

static int ask_vss(struct world *w, unsigned which, unsigned bits)
{
	static const enum hvp_vss_op ops[4] = { HVP_VSS_HOT_BACKUP, HVP_VSS_FREEZE, HVP_VSS_THAW,
						HVP_VSS_COMPLETE };
	struct hvh_vss_status status;

	hvh_vss_status(device_of(w), &status);
	w->vss[which].op = ops[bits & 3];
	w->vss[which].hold_ms = (bits >> 2 & 3) * 10000;
	w->vss[which].number = bits & 0x20 ? status.freezes - 1 : status.freezes;
	return hvh_vss_request(device_of(w), &w->vss[which]);
}

static void ask(struct world *w, unsigned bits)
{
	int (*const asks[SERVICES])(struct world * w, unsigned which,
				    unsigned bits) = { ask_kvp, ask_fcopy, ask_vss };
	unsigned which = 0;

	while (which < ASKS && w->pending[which])
		which++;
	if (which == ASKS || !device_of(w))
		return;
	/* It may end at once. */
	w->pending[which] = true;
	if (asks[w->service](w, which, bits))
		w->pending[which] = false;
}

/* --- the guest's side -------------------------------------------------------------------------------- */

static void take(struct world *w)
{
	struct hvw_ic ic;

	w->len = guest_recv(&w->g, CH, w->bytes, sizeof(w->bytes), NULL);
	if (w->len <= 0)
		return;
	EMBEDDER_REQUIRE(!hvw_ic_parse(&ic, w->bytes, (size_t)w->len));
	w->header = ic.h;
}

static void choose(struct world *w)
{
	const struct hvp_ic_version framework = { 3, 0 };
	uint8_t bytes[HVW_IC_CHOICE];

	(void)!guest_send(&w->g, CH, 0, bytes,
			  (uint32_t)hvw_ic_build_choice(bytes, &w->header, &framework,
							&versions[w->service]));
}

/* As the answer to what was taken last, with some bytes of the input's in it. */
static void answer(struct world *w, struct input *in)
{
	static const uint32_t statuses[4] = { HVP_IC_SUCCESS, HVP_IC_SUCCESS, HVP_IC_FAIL,
					      HVP_IC_NO_MORE_ITEMS };
	struct hvp_ic_header h = w->header;
	unsigned bits = input_byte(in);

	h.flags = HVP_IC_FLAG_TRANSACTION | HVP_IC_FLAG_RESPONSE;
	h.status = statuses[bits & 3];
	for (unsigned i = 0; i < (bits >> 2 & 3); i++) {
		unsigned at = HVW_IC_HEADERS + input_word(in) % 7500;

		w->bytes[at] = (uint8_t)input_byte(in);
	}
	if (bits & 0x10)
		h.size = (uint16_t)input_word(in) % 8000;
	if (bits & 0x20)
		h.transaction_id ^= (uint8_t)input_byte(in);
	if (bits & 0x40)
		h.type = (uint16_t)(input_byte(in) % 9);
	(void)!guest_send(&w->g, CH, 0, w->bytes, (uint32_t)hvw_ic_build(w->bytes, &h));
}

static void say_anything(struct world *w, struct input *in)
{
	uint8_t bytes[64];

	input_take(in, bytes, sizeof(bytes));
	(void)!guest_send(&w->g, CH, 0, bytes, input_byte(in) % 65);
}

static void reopen(struct world *w, unsigned bits)
{
	if (w->open) {
		guest_post_close(&w->g, CH);
		embedder_run(&w->e);
		for (unsigned i = 0; i < ASKS; i++)
			EMBEDDER_REQUIRE(!w->pending[i]);
	}
	w->open = !w->open && guest_share_ring(&w->g, CH, bits & 8 ? 4 : 8, bits & 8 ? 2 : 4) &&
		  guest_open(&w->g, CH, 0);
	embedder_run(&w->e);
}

static void save_and_load(struct world *w)
{
	uint8_t *state;
	size_t len;

	if (embedder_save(&w->e, &state, &len))
		return;
	loads += !embedder_load(&w->e, state, len);
	free(state);
	/* Who asked is not saved. */
	memset(w->pending, 0, sizeof(w->pending));
	embedder_run(&w->e);
}

static void act(struct world *w, struct input *in)
{
	unsigned action = input_byte(in);

	switch (action & 7) {
	case 0:
		ask(w, input_byte(in));
		break;
	case 1:
		take(w);
		break;
	case 2:
		answer(w, in);
		break;
	case 3:
		choose(w);
		break;
	case 4:
		say_anything(w, in);
		break;
	case 5:
		embedder_advance(&w->e, (action >> 3) * 5 * SECOND);
		break;
	case 6:
		reopen(w, action);
		break;
	case 7:
		if (action & 8)
			save_and_load(w);
		else
			embedder_run(&w->e);
		break;
	}
}

/* --- all --------------------------------------------------------------------------------------------- */

static void make(struct world *w, unsigned service)
{
	struct hvw_msg msg;

	w->service = service % SERVICES;
	w->e.ctx = w;
	w->e.own_create = own_create;
	w->e.own_destroy = own_destroy;
	embedder_init(&w->e);
	guest_init(&w->g, &w->e);
	EMBEDDER_REQUIRE(guest_contact(&w->g, HVP_VERSION_5_3, 0) && guest_request_offers(&w->g));
	EMBEDDER_REQUIRE(!embedder_add(&w->e, EMBEDDER_HOT) &&
			 guest_expect(&w->g, HVP_MSG_OFFER_CHANNEL, &msg));
	for (unsigned i = 0; i < ASKS; i++) {
		w->kvp[i].done = kvp_done;
		w->kvp[i].ip = &w->ip;
		w->fcopy[i].done = fcopy_done;
		w->fcopy[i].path = "/folder/";
		w->fcopy[i].name = "name";
		w->fcopy[i].bytes = 20000;
		w->fcopy[i].data = w->data;
		w->vss[i].done = vss_done;
		w->kvp[i].ctx = w->fcopy[i].ctx = w->vss[i].ctx = w;
	}
}

static void look_at_the_end(struct world *w)
{
	struct hvh_kvp_status kvp;
	struct hvh_fcopy_status fcopy;
	struct hvh_vss_status vss;

	if (w->open)
		reopen(w, 0);
	if (w->service == KVP) {
		hvh_kvp_status(device_of(w), &kvp);
		violations += kvp.ic.violations != 0;
	} else if (w->service == FCOPY) {
		hvh_fcopy_status(device_of(w), &fcopy);
		EMBEDDER_REQUIRE(!fcopy.open);
	} else {
		hvh_vss_status(device_of(w), &vss);
		EMBEDDER_REQUIRE(!vss.frozen);
	}
	for (unsigned i = 0; i < ASKS; i++)
		EMBEDDER_REQUIRE(!w->pending[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct input in = { data, len };
	struct world *w = calloc(1, sizeof(*w));

	if (!w)
		abort();
	make(w, input_byte(&in));
	for (unsigned i = 0; i < ACTIONS_MAX && in.left; i++)
		act(w, &in);
	look_at_the_end(w);
	guest_fini(&w->g);
	embedder_fini(&w->e);
	free(w);
	return 0;
}

int fuzz_corpus_complete(void)
{
	static const struct {
		unsigned service, op;
		const char *name;
	} all[] = {
		{ KVP, HVP_KVP_SET, "SET" },
		{ KVP, HVP_KVP_DELETE, "DELETE" },
		{ KVP, HVP_KVP_ENUMERATE, "ENUMERATE" },
		{ KVP, HVP_KVP_GET_IP, "GET_IP" },
		{ KVP, HVP_KVP_SET_IP, "SET_IP" },
		{ FCOPY, HVP_FCOPY_START, "START" },
		{ FCOPY, HVP_FCOPY_WRITE, "WRITE" },
		{ FCOPY, HVP_FCOPY_COMPLETE, "COMPLETE" },
		{ FCOPY, HVP_FCOPY_CANCEL, "CANCEL" },
		{ VSS, HVP_VSS_HOT_BACKUP, "HOT_BACKUP" },
		{ VSS, HVP_VSS_FREEZE, "FREEZE" },
		{ VSS, HVP_VSS_THAW, "THAW" },
		{ VSS, HVP_VSS_COMPLETE, "backup's COMPLETE" },
	};
	int missing = !failed + !loads + !violations + !expired;

	if (missing)
		printf("# failed %u, saved and loaded %u, violations %u, too late %u\n", failed,
		       loads, violations, expired);
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (!good[all[i].service][all[i].op]) {
			printf("# never done: %s\n", all[i].name);
			missing++;
		}
	return missing;
}
