/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The kernel masks the host's signals when one comes; writing 1 to the device lets them through again, and signals the host. So
 * that is done once for all that was read and answered, before each wait.
 */
#include "daemons/uio.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemons/service.h"
#include "hvp_vmbus.h"
#include "hvw_guid.h"

static const struct hvp_ic_version frameworks[] = { { 3, 0 } };
static const struct hvp_ic_version messages[] = { { 1, 1 } };

/* --- the device -------------------------------------------------------------------------------------- */

/* The first line of a small file; false: it has none. */
static bool read_line(const char *path, char *line, int size)
{
	FILE *in = fopen(path, "re");
	bool good = in && fgets(line, size, in);

	if (in)
		fclose(in);
	return good;
}

/* Whether `path`, .../<device>/uio/uioN, is of file copy; `bytes` becomes what its rings take together. */
static bool is_ours(const char *path, size_t *bytes)
{
	const struct hvp_guid class_id = HVP_CLASS_FCOPY;
	char file[512], line[64], wanted[HVW_GUID_TEXT];

	hvw_guid_format(&class_id, wanted);
	snprintf(file, sizeof(file), "%s/../../class_id", path);
	if (!read_line(file, line, sizeof(line)) || strncmp(line + 1, wanted, strlen(wanted)))
		return false;
	snprintf(file, sizeof(file), "%s/maps/map0/size", path);
	if (!read_line(file, line, sizeof(line)))
		return false;
	*bytes = strtoul(line, NULL, 0);
	return true;
}

static int find(const char *root, char *path, size_t size, size_t *bytes)
{
	char pattern[512];
	int err = -ENOENT;
	glob_t found;

	snprintf(pattern, sizeof(pattern), "%s/sys/bus/vmbus/devices/*/uio/uio*", root);
	if (glob(pattern, 0, NULL, &found))
		return -ENOENT;
	for (size_t i = 0; i < found.gl_pathc && err; i++)
		if (is_ours(found.gl_pathv[i], bytes)) {
			snprintf(path, size, "%s/dev/%s", root,
				 strrchr(found.gl_pathv[i], '/') + 1);
			err = 0;
		}
	globfree(&found);
	return err;
}

int hvd_uio_attach(struct hvd_uio *uio, int fd, void *rings, size_t bytes)
{
	uint8_t *base = rings;
	int err = hvw_tx_init(&uio->tx, base, bytes / 2);

	if (!err)
		err = hvw_rx_init(&uio->rx, base + bytes / 2, bytes / 2);
	uio->fd = fd;
	uio->ready = false;
	return err;
}

int hvd_uio_open(struct hvd_uio *uio, const char *root)
{
	char path[512];
	size_t bytes = 0;
	void *rings;
	int fd, err = find(root, path, sizeof(path), &bytes);

	if (err)
		return err;
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	rings = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	err = rings == MAP_FAILED ? -errno : hvd_uio_attach(uio, fd, rings, bytes);
	if (err) {
		if (rings != MAP_FAILED)
			munmap(rings, bytes);
		close(fd);
	}
	return err;
}

/* --- waiting ----------------------------------------------------------------------------------------- */

/* Signals the host, and waits for its signal; `for_packets`: unless there are some already. As hvd_read(). */
static ssize_t wait_for_host(struct hvd_uio *uio, bool for_packets)
{
	const int32_t on = 1;
	uint32_t events;
	ssize_t n = hvd_write(uio->fd, &on, sizeof(on));

	if (n == 0) {
		if (for_packets && !hvw_rx_drained(&uio->rx))
			return 1;
		n = hvd_read(uio->fd, &events, sizeof(events));
	}
	/* The channel was taken away. */
	return n == -EIO || n == -ENODEV ? 0 : n;
}

static int send_packet(struct hvd_uio *uio, size_t len)
{
	bool signal;
	int err;

	for (;;) {
		/* The host is signalled when we wait for it. */
		err = hvw_tx_send(&uio->tx, 0, uio->transaction_id, uio->packet, (uint32_t)len,
				  &signal);
		if (err != -EAGAIN)
			return err;
		err = hvw_tx_want_space(&uio->tx, hvw_packet_space(0, (uint32_t)len));
		if (err == -EAGAIN) {
			/* More requests do not make room. */
			ssize_t n = wait_for_host(uio, false);

			if (n <= 0)
				return n ? (int)n : -ENODEV;
		} else if (err) {
			return err;
		}
	}
}

/* --- messages ---------------------------------------------------------------------------------------- */

static int negotiate(struct hvd_uio *uio, const struct hvw_ic *request)
{
	const struct hvp_ic_header header = request->h;
	struct hvp_ic_version framework, message;
	int err = hvw_ic_choose(request, frameworks, 1, messages, 1, &framework, &message);

	uio->ready = !err;
	if (err)
		hvd_log(LOG_WARNING, "no version in common with the host");
	return send_packet(uio, hvw_ic_build_choice(uio->packet, &header, err ? NULL : &framework,
						    err ? NULL : &message));
}

int hvd_uio_answer(struct hvd_uio *uio, uint32_t status)
{
	struct hvp_ic_header header = uio->request;

	header.status = status;
	header.flags = HVP_IC_FLAG_TRANSACTION | HVP_IC_FLAG_RESPONSE;
	return send_packet(uio, hvw_ic_build(uio->packet, &header));
}

/* The length of a message for the daemon; 0: it was answered, or is none; -errno. */
static ssize_t take(struct hvd_uio *uio, const struct hvw_rx_packet *packet, uint8_t *message)
{
	uint32_t status = HVP_IC_FAIL, len = 0;
	struct hvw_ic request;

	if (packet->h.type != HVP_PACKET_INBAND || packet->payload_len > sizeof(uio->packet) ||
	    hvw_rx_copy(&uio->rx, packet, packet->header_len, uio->packet, packet->payload_len) ||
	    hvw_ic_parse(&request, uio->packet, packet->payload_len) ||
	    !(request.h.flags & HVP_IC_FLAG_REQUEST))
		return 0;
	uio->transaction_id = packet->h.transaction_id;
	uio->request = request.h;
	if (request.h.type == HVP_IC_NEGOTIATE)
		return negotiate(uio, &request);
	if (uio->ready && request.h.type == HVP_IC_FCOPY)
		len = hvw_fcopy_to_daemon(request.body, request.h.size, message, &status);
	return len ? (ssize_t)len : hvd_uio_answer(uio, status);
}

ssize_t hvd_uio_read(struct hvd_uio *uio, uint8_t message[HVW_FCOPY_MESSAGE])
{
	for (;;) {
		struct hvw_rx_packet packet;
		ssize_t n = hvw_rx_next(&uio->rx, &packet);

		if (!n) {
			n = take(uio, &packet, message);
			/* All that is waited for comes with a signal of its own. */
			(void)!hvw_rx_release(&uio->rx);
			if (n)
				return n;
		} else if (n == -EAGAIN) {
			n = wait_for_host(uio, true);
			if (n <= 0)
				return n;
		} else {
			return n;
		}
	}
}
