/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * File copy on the channel itself: the host's end of the rings, and the kernel's end of the device, are played here.
 */
#include "daemons/uio.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hvw_utf16.h"
#include "tap.h"

#define RING_BYTES 0x5000u

static _Alignas(4096) uint8_t rings[2 * RING_BYTES];
static struct hvd_uio uio;
static struct hvw_tx to_guest;
static struct hvw_rx from_guest;
static int kernel; /* the other end of the device */
static uint8_t message[HVW_FCOPY_MESSAGE];

static void begin(void)
{
	int ends[2];

	memset(rings, 0, sizeof(rings));
	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) ||
	    hvd_uio_attach(&uio, ends[0], rings, sizeof(rings)) ||
	    hvw_rx_init(&from_guest, rings, RING_BYTES) ||
	    hvw_tx_init(&to_guest, rings + RING_BYTES, RING_BYTES))
		abort();
	kernel = ends[1];
}

static void end(void)
{
	close(kernel);
	close(uio.fd);
}

static void send_to_guest(const void *packet, size_t len)
{
	bool signal;

	if (hvw_tx_send(&to_guest, 0, 7, packet, (uint32_t)len, &signal))
		abort();
}

/* A request with a body of `len` bytes. */
static void ask(uint16_t type, const void *body, size_t len)
{
	uint8_t packet[HVD_UIO_PACKET] = { 0 };
	const struct hvp_ic_header h = {
		.framework = { 3, 0 },
		.type = type,
		.message = { 1, 1 },
		.size = (uint16_t)len,
		.transaction_id = 3,
		.flags = HVP_IC_FLAG_TRANSACTION | HVP_IC_FLAG_REQUEST,
	};

	memcpy(packet + HVW_IC_HEADERS, body, len);
	send_to_guest(packet, hvw_ic_build(packet, &h));
}

/* The guest's next packet; false: there is none. */
static bool answered(struct hvw_ic *ic)
{
	static uint8_t payload[HVD_UIO_PACKET];
	struct hvw_rx_packet packet;

	if (hvw_rx_next(&from_guest, &packet) || packet.h.transaction_id != 7 ||
	    packet.payload_len > sizeof(payload) ||
	    hvw_rx_copy(&from_guest, &packet, packet.header_len, payload, packet.payload_len))
		return false;
	(void)!hvw_rx_release(&from_guest);
	return !hvw_ic_parse(ic, payload, packet.payload_len);
}

/* What it does until it would wait: the device goes then. */
static ssize_t read_until_gone(void)
{
	shutdown(kernel, SHUT_WR);
	return hvd_uio_read(&uio, message);
}

static void agree(void)
{
	static const struct hvp_ic_version framework[] = { { 1, 0 }, { 3, 0 } },
					   versions[] = { { 1, 1 } };
	uint8_t packet[256];
	int len = hvw_ic_build_negotiate(packet, sizeof(packet), framework, 2, versions, 1);

	if (len < 0)
		abort();
	send_to_guest(packet, (size_t)len);
}

TAP_TEST(negotiation)
{
	static const struct hvp_ic_version framework[] = { { 1, 0 }, { 3, 0 } },
					   versions[] = { { 1, 1 } };
	struct hvp_ic_version chosen[2];
	const struct hvp_fcopy_header cancel = { .op = HVP_FCOPY_CANCEL };
	struct hvw_ic ic;
	int32_t on = 0;

	begin();
	ask(HVP_IC_FCOPY, &cancel, sizeof(cancel));
	agree();
	ask(HVP_IC_KVP, &cancel, sizeof(cancel));
	ask(HVP_IC_FCOPY, &cancel, sizeof(cancel));
	TAP_CHECK(hvd_uio_read(&uio, message) == sizeof(cancel));
	TAP_CHECK(answered(&ic) && ic.h.status == HVP_IC_FAIL);
	TAP_CHECK(answered(&ic) && ic.h.type == HVP_IC_NEGOTIATE &&
		  !hvw_ic_parse_choice(&ic, framework, 2, versions, 1, &chosen[0], &chosen[1]) &&
		  chosen[0].major == 3);
	TAP_CHECK(answered(&ic) && ic.h.status == HVP_IC_FAIL && ic.h.type == HVP_IC_KVP);
	TAP_CHECK(!hvd_uio_answer(&uio, HVP_IC_EXISTS) && answered(&ic) &&
		  ic.h.status == HVP_IC_EXISTS && ic.h.transaction_id == 3 &&
		  !(ic.h.flags & HVP_IC_FLAG_REQUEST));
	TAP_CHECK(recv(kernel, &on, sizeof(on), MSG_DONTWAIT) < 0);
	TAP_CHECK(read_until_gone() == 0);
	TAP_CHECK(recv(kernel, &on, sizeof(on), MSG_DONTWAIT) == sizeof(on) && on == 1);
	end();
}

TAP_TEST(requests)
{
	struct hvp_fcopy_start start = { .h = { .op = HVP_FCOPY_START }, .bytes = 5 };
	struct hvp_fcopy_write piece = { .h = { .op = HVP_FCOPY_WRITE }, .size = HVP_FCOPY_DATA };
	const struct hvp_daemon_fcopy_start *told = (const void *)message;
	struct hvw_ic ic;

	begin();
	agree();
	if (hvw_utf16_from_utf8(start.name, HVP_FCOPY_NAME_UNITS, "grün") < 0 ||
	    hvw_utf16_from_utf8(start.path, HVP_FCOPY_NAME_UNITS, "/tmp/") < 0)
		abort();
	ask(HVP_IC_FCOPY, &start, sizeof(start));
	TAP_CHECK(hvd_uio_read(&uio, message) == sizeof(*told) && !strcmp(told->name, "grün") &&
		  !strcmp(told->path, "/tmp/") && told->bytes == 5);
	TAP_CHECK(!hvd_uio_answer(&uio, 0) && answered(&ic) && answered(&ic));
	memset(piece.data, 'x', sizeof(piece.data));
	ask(HVP_IC_FCOPY, &piece, sizeof(piece));
	TAP_CHECK(hvd_uio_read(&uio, message) == sizeof(piece) &&
		  !memcmp(message, &piece, sizeof(piece)));
	TAP_CHECK(!hvd_uio_answer(&uio, 0) && answered(&ic) && !ic.h.status);
	piece.size++;
	ask(HVP_IC_FCOPY, &piece, sizeof(piece));
	TAP_CHECK(read_until_gone() == 0 && answered(&ic) && ic.h.status == HVP_IC_INVALID);
	end();
}

/* Two answers to whole pieces fill the ring. */
TAP_TEST(no_room)
{
	struct hvp_fcopy_write piece = { .h = { .op = HVP_FCOPY_WRITE }, .size = 1 };
	struct hvw_ic ic;
	unsigned sent = 0;

	begin();
	agree();
	shutdown(kernel, SHUT_WR);
	for (; sent < 5; sent++) {
		ask(HVP_IC_FCOPY, &piece, sizeof(piece));
		/* A host that asks on and reads nothing is waited for all the same. */
		if (sent)
			send_to_guest("more", 4);
		if (hvd_uio_read(&uio, message) <= 0 || hvd_uio_answer(&uio, 0))
			break;
	}
	TAP_CHECK(sent > 0 && sent < 5);
	TAP_CHECK(answered(&ic) && answered(&ic));
	end();
}

TAP_TEST(nonsense)
{
	uint8_t junk[64];
	struct hvw_ic ic;

	begin();
	agree();
	memset(junk, 0xff, sizeof(junk));
	send_to_guest(junk, sizeof(junk));
	TAP_CHECK(read_until_gone() == 0 && answered(&ic) && !answered(&ic));
	end();
	begin();
	((struct hvp_ring_control *)(rings + RING_BYTES))->write_index = RING_BYTES;
	TAP_CHECK(hvd_uio_read(&uio, message) == -EPROTO);
	end();
	memset(rings, 0xff, sizeof(rings));
	TAP_CHECK(hvd_uio_attach(&uio, -1, rings, sizeof(rings)) < 0);
	TAP_CHECK(hvd_uio_open(&uio, "/nowhere") == -ENOENT);
}

TAP_MAIN()
