/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What daemons read from others. The input is a byte that says which, and then that: 0: a hostile host's packets and indices, for
 * file copy on the channel itself; 1: a list of mounts.
 *
 * The packets are actions: a byte that says which, two bytes of length, and so many bytes.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemons/mounts.h"
#include "daemons/service.h"
#include "daemons/uio.h"
#include "fuzz/fuzz_target.h"
#include "fuzz/input.h"

#define RING_BYTES 0x5000u

enum action {
	PUT_PACKET, /* in-band, with those bytes */
	PUT_REQUEST, /* the same behind the headers of a request for file copy */
	PUT_NEGOTIATION, /* a good one */
	SET_INDEX, /* of the packets */
	TAKE_ANSWERS,
	ACTIONS
};

static _Alignas(4096) uint8_t rings[2 * RING_BYTES];
static struct hvd_uio uio;
static struct hvw_tx to_guest;
static struct hvw_rx from_guest;
static unsigned starts, writes, ends, negotiated, broken, mounts_read, mounts_refused;

/* --- in place of daemons/service.c: the device goes when the daemon would wait ------------------------ */

ssize_t hvd_read(int fd, void *message, size_t size)
{
	(void)fd, (void)message, (void)size;
	return 0;
}

int hvd_write(int fd, const void *message, size_t len)
{
	(void)fd, (void)message, (void)len;
	return 0;
}

void hvd_log(int priority, const char *format, ...)
{
	(void)priority, (void)format;
}

/* --- the channel ------------------------------------------------------------------------------------- */

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void put(const void *packet, size_t len)
{
	bool signal;

	/* A ring that is full, or was broken before, takes no more. */
	(void)!hvw_tx_send(&to_guest, 0, 1, packet, (uint32_t)len, &signal);
}

static void put_request(uint16_t type, const uint8_t *body, size_t len)
{
	static uint8_t packet[HVW_IC_HEADERS + 0x2000];
	const struct hvp_ic_header h = { .type = type,
					 .size = (uint16_t)len,
					 .flags = HVP_IC_FLAG_TRANSACTION | HVP_IC_FLAG_REQUEST };

	memcpy(packet + HVW_IC_HEADERS, body, len);
	put(packet, hvw_ic_build(packet, &h));
}

static void put_negotiation(void)
{
	static const struct hvp_ic_version framework = { 3, 0 }, message = { 1, 1 };
	uint8_t packet[128];
	int len = hvw_ic_build_negotiate(packet, sizeof(packet), &framework, 1, &message, 1);

	check(len > 0);
	put(packet, (size_t)len);
}

static void take_answers(void)
{
	struct hvw_rx_packet packet;

	while (!hvw_rx_next(&from_guest, &packet))
		check(packet.h.transaction_id == 1 && packet.payload_len >= HVW_IC_HEADERS);
	(void)!hvw_rx_release(&from_guest);
}

/* What a daemon relies on. */
static void check_message(const uint8_t *message, size_t len)
{
	struct hvp_daemon_fcopy_start start;
	struct hvp_fcopy_write write;
	struct hvp_fcopy_header h;

	check(len >= sizeof(h));
	memcpy(&h, message, sizeof(h));
	if (h.op == HVP_FCOPY_START) {
		check(len == sizeof(start));
		memcpy(&start, message, sizeof(start));
		check(memchr(start.name, 0, sizeof(start.name)) &&
		      memchr(start.path, 0, sizeof(start.path)));
		starts++;
	} else if (h.op == HVP_FCOPY_WRITE) {
		check(len == sizeof(write));
		memcpy(&write, message, sizeof(write));
		check(write.size <= HVP_FCOPY_DATA &&
		      write.offset <= (uint64_t)INT64_MAX - write.size);
		writes++;
	} else {
		check(h.op <= HVP_FCOPY_CANCEL && len == sizeof(h));
		ends++;
	}
}

/* The daemon goes on until it would wait. */
static bool serve(void)
{
	static uint8_t message[HVW_FCOPY_MESSAGE];
	ssize_t n;

	while ((n = hvd_uio_read(&uio, message)) > 0) {
		check_message(message, (size_t)n);
		if (hvd_uio_answer(&uio, HVP_IC_SUCCESS))
			break;
	}
	negotiated += uio.ready;
	broken += n == -EPROTO;
	return n >= 0;
}

static void drive_channel(struct input *in)
{
	static uint8_t bytes[0x2000];

	memset(rings, 0, sizeof(rings));
	memset(&uio, 0, sizeof(uio));
	check(!hvd_uio_attach(&uio, 3, rings, sizeof(rings)) &&
	      !hvw_rx_init(&from_guest, rings, RING_BYTES) &&
	      !hvw_tx_init(&to_guest, rings + RING_BYTES, RING_BYTES));
	for (unsigned i = 0; i < 200 && in->left; i++) {
		enum action action = (enum action)(input_byte(in) % ACTIONS);
		size_t len = input_word(in) % (sizeof(bytes) + 1);

		input_take(in, bytes, len < in->left ? len : in->left);
		if (action == PUT_PACKET)
			put(bytes, len);
		else if (action == PUT_REQUEST)
			put_request(HVP_IC_FCOPY, bytes, len);
		else if (action == PUT_NEGOTIATION)
			put_negotiation();
		else if (action == SET_INDEX)
			memcpy(rings + RING_BYTES, bytes, 4);
		else
			take_answers();
		if (!serve())
			return;
	}
}

/* --- mounts ------------------------------------------------------------------------------------------ */

static void read_mounts(struct input *in)
{
	static struct hvd_mounts mounts;
	FILE *file = in->left ? fmemopen((void *)in->next, in->left, "r") : NULL;

	if (!file)
		return;
	if (hvd_mounts_read(&mounts, file)) {
		mounts_refused++;
		check(!mounts.count);
	} else {
		mounts_read += mounts.count > 0;
		check(mounts.count <= HVD_MOUNTS_MAX);
		for (size_t i = 0; i < mounts.count; i++)
			check(mounts.mount[i].path && mounts.mount[i].type);
		hvd_mounts_free(&mounts);
	}
	fclose(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct input in = { data, len };

	if (input_byte(&in) % 2)
		read_mounts(&in);
	else
		drive_channel(&in);
	return 0;
}

const unsigned fuzz_cuts = 200;

int fuzz_corpus_complete(void)
{
	const struct {
		const char *what;
		unsigned count;
	} wanted[] = {
		{ "a file begun", starts },
		{ "a piece", writes },
		{ "a file's end", ends },
		{ "versions", negotiated },
		{ "a broken ring", broken },
		{ "mounts", mounts_read },
		{ "a list that is none", mounts_refused },
	};
	int missing = 0;

	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		if (!wanted[i].count) {
			printf("# daemons: the corpus has not reached: %s\n", wanted[i].what);
			missing++;
		}
	return missing;
}
