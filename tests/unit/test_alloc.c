/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Every allocation of the server fails in turn: the guest may miss an answer or be refused something, and
 * that is all. The linker puts the functions below in front of the allocator (--wrap, see mk/sources.mk).
 */
#include <errno.h>
#include <stdlib.h>

#include "tests/unit/bed.h"

#define ECHO 2u
#define HOT  3u

static struct {
	bool armed;
	unsigned count, fail_at; /* 0: none fails */
	bool failed;
} allocator;

/* The linker's names. */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

static bool fails(void)
{
	if (!allocator.armed || embedder_allocating || ++allocator.count != allocator.fail_at)
		return false;
	allocator.failed = true;
	return true;
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
	return fails() ? NULL : __real_realloc(old, size);
}

static void save_and_load(struct bed *b)
{
	uint8_t *state;
	size_t len;
	int err = embedder_save(&b->e, &state, &len);

	if (err) {
		TAP_EQ(err, allocator.failed ? -ENOMEM : 0);
		return;
	}
	err = embedder_load(&b->e, state, len);
	if (err) {
		/* Once more, and now there is memory. */
		TAP_CHECK(allocator.failed);
		TAP_EQ(err, -EPROTO);
		TAP_EQ(embedder_load(&b->e, state, len), 0);
	}
	free(state);
	embedder_run(&b->e);
}

/* Takes what comes; answers that do not come are nobody's fault here. */
static void take_all(struct bed *b)
{
	struct hvw_msg msg;

	while (guest_take(&b->g, &msg))
		;
}

/* Something of everything that the server allocates for. */
static void scenario(struct bed *b)
{
	struct guest *g = &b->g;
	uint64_t gpns[60];

	for (unsigned i = 0; i < 60; i++)
		gpns[i] = 8 + i;
	b->e.echo.behaviour.subchannels = 2;
	(void)guest_contact(g, HVP_VERSION_5_3, 0);
	(void)guest_request_offers(g);
	/* The lowest ids, also when no offer has come. */
	for (unsigned i = 0; i < 8; i++)
		g->channels[i].id = i + 1;
	(void)guest_share_ring(g, ECHO, 8, 4);
	(void)guest_open(g, ECHO, 1);
	embedder_run(&b->e);
	(void)embedder_add(&b->e, EMBEDDER_HOT);
	(void)guest_share_ring(g, HOT, 8, 4);
	(void)guest_open(g, HOT, 1);
	(void)guest_post_gpadl(g, 1, 70, gpns, 60, 1, 0);
	take_all(b);
	(void)guest_send(g, ECHO, 1, "1234567", 8);
	save_and_load(b);
	b->e.room = 0;
	for (unsigned i = 0; i < 20; i++)
		(void)guest_post_gpadl(g, 1, 71 + i, gpns, 1, 0, 0);
	save_and_load(b);
	b->e.room = 1000;
	embedder_flush(&b->e);
	take_all(b);
	(void)embedder_remove(&b->e, EMBEDDER_HOT);
	(void)embedder_add(&b->e, EMBEDDER_HOT);
	embedder_run(&b->e);
	for (unsigned i = 1; i <= 8; i++)
		(void)guest_post_channel(g, HVP_MSG_RELID_RELEASED, i);
	take_all(b);
	for (unsigned slot = EMBEDDER_HOT; slot < EMBEDDER_SLOTS; slot++)
		(void)embedder_add(&b->e, slot);
	for (unsigned i = 0; i < 12; i++) {
		(void)embedder_remove(&b->e, EMBEDDER_HOT);
		(void)embedder_add(&b->e, EMBEDDER_HOT);
		take_all(b);
	}
	save_and_load(b);
}

/* One run; how many allocations there were until the one that failed. */
static void run(unsigned fail_at)
{
	struct bed b;

	bed_make(&b);
	allocator.count = 0;
	allocator.fail_at = fail_at;
	allocator.failed = false;
	allocator.armed = true;
	scenario(&b);
	allocator.armed = false;
	TAP_EQ(allocator.failed, fail_at != 0 && allocator.count >= fail_at);
	/* The server is as good as ever. */
	b.e.echo.behaviour.subchannels = 0;
	TAP_CHECK(guest_contact(&b.g, HVP_VERSION_5_3, 0) && guest_request_offers(&b.g));
	for (unsigned i = 0; i < EMBEDDER_CHANNELS; i++)
		TAP_CHECK(guest_share_ring(&b.g, i, 8, 4) && guest_open(&b.g, i, i));
	TAP_CHECK(guest_unload(&b.g));
	TAP_EQ(bed_stats(&b).gpadls, 0);
	bed_drop(&b);
}

TAP_TEST(each_allocation_may_fail_and_the_server_goes_on)
{
	unsigned allocations;

	run(0);
	allocations = allocator.count;
	printf("# %u allocations\n", allocations);
	TAP_REQUIRE(allocations > 30);
	for (unsigned at = 1; at <= allocations; at++)
		run(at);
}

TAP_TEST(a_server_that_cannot_be_made_leaves_nothing)
{
	const struct hvh_server_config config = { .version_max = HVP_VERSION_5_3, .vps = 1 };
	const struct hvh_server_ops ops = { .now_ns = NULL };
	struct hvh_server *server = NULL;
	struct hvh_mem *mem;

	TAP_REQUIRE(hvh_mem_create(&mem) == 0);
	allocator.count = 0;
	allocator.fail_at = 1;
	allocator.armed = true;
	TAP_EQ(hvh_server_create(mem, &config, &ops, NULL, &server), -ENOMEM);
	allocator.armed = false;
	TAP_CHECK(!server);
	hvh_mem_destroy(mem);
}

TAP_TEST(faults_on_purpose_need_memory_too)
{
	struct hvh_inject rules;
	char error[64];
	struct bed b;

	memset(&b, 0, sizeof(b));
	embedder_init(&b.e);
	TAP_REQUIRE(hvh_inject_parse("open-result:never", &rules, error, sizeof(error)) == 0);
	allocator.count = 0;
	allocator.fail_at = 1;
	allocator.armed = true;
	TAP_EQ(hvh_server_inject(b.e.server, &rules), -ENOMEM);
	allocator.armed = false;
	TAP_EQ(hvh_server_inject(b.e.server, &rules), 0);
	embedder_fini(&b.e);
}

TAP_MAIN()
