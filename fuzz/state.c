/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Saved states from an enemy. The first byte says whose: 0 the server's with its devices, 1 a SynIC's.
 * One that is accepted must be one that can be used, saved again and given up.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hvh/hvh_state.h>
#include <hvh/hvh_synic.h>

#include "fuzz/fuzz_target.h"
#include "fuzz/guest_script.h"

static unsigned servers_accepted, synics_accepted, channels_resumed;

static void use(struct embedder *e, struct guest *g)
{
	uint8_t *state;
	size_t len;
	unsigned i;

	for (i = 0; i < EMBEDDER_CHANNELS; i++)
		channels_resumed += e->signals[i];
	(void)embedder_shutdown(e, HVP_SHUTDOWN_RESTART);
	embedder_advance(e, 40000000000);
	embedder_run(e);
	EMBEDDER_REQUIRE(embedder_save(e, &state, &len) == 0);
	EMBEDDER_REQUIRE(embedder_load(e, state, len) == 0);
	free(state);
	embedder_run(e);
	(void)guest_post_close(g, 0);
	(void)guest_post_teardown(g, 1, 5);
	(void)guest_post_header(g, HVP_MSG_UNLOAD);
	embedder_run(e);
}

static void load_server(const uint8_t *data, size_t len)
{
	struct embedder e;
	struct guest g;

	memset(&e, 0, sizeof(e));
	embedder_init(&e);
	guest_init(&g, &e);
	g.channels[0].id = 1;
	if (!embedder_load(&e, data, len)) {
		servers_accepted++;
		embedder_run(&e);
		use(&e, &g);
	}
	guest_fini(&g);
	embedder_fini(&e);
}

static void load_synic(const uint8_t *data, size_t len)
{
	struct hvh_mem *mem;
	struct hvh_synic *synic;
	struct hvh_state_reader r;
	struct hvh_state_writer w;

	EMBEDDER_REQUIRE(!hvh_mem_create(&mem) && !hvh_mem_add(mem, 0, 16 * HVP_PAGE_SIZE));
	EMBEDDER_REQUIRE(!hvh_synic_create(mem, &synic));
	hvh_state_reader_init(&r, data, len);
	if (!hvh_synic_load(synic, &r) && !hvh_state_reader_finish(&r)) {
		synics_accepted++;
		EMBEDDER_REQUIRE(hvh_synic_post(synic, HVP_SINT_COUNT, HVP_MESSAGE_VMBUS, "x", 1) ==
				 -EINVAL);
		EMBEDDER_REQUIRE(hvh_synic_post(synic, HVP_VMBUS_SINT, HVP_MESSAGE_VMBUS, "x", 1) !=
				 -EINVAL);
		EMBEDDER_REQUIRE(!hvh_synic_signal(synic, HVP_SINT_COUNT, 1));
		hvh_state_writer_init(&w);
		hvh_synic_save(synic, &w);
		EMBEDDER_REQUIRE(!hvh_state_writer_finish(&w) && w.len == len &&
				 !memcmp(w.bytes, data, len));
		free(w.bytes);
	}
	hvh_synic_destroy(synic);
	EMBEDDER_REQUIRE(hvh_mem_held(mem) == 0);
	hvh_mem_destroy(mem);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (!len)
		return 0;
	if (data[0] & 1)
		load_synic(data + 1, len - 1);
	else
		load_server(data + 1, len - 1);
	return 0;
}

int fuzz_corpus_complete(void)
{
	printf("# accepted: %u servers with %u signals to open channels, %u SynICs\n",
	       servers_accepted, channels_resumed, synics_accepted);
	return !servers_accepted + !channels_resumed + !synics_accepted;
}
