/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The guest's file copy service. What it shares with other services that have a daemon is tested by test_guest_kvp.
 */
#include "hvw_utf16.h"

#define WORLD_DRIVER hvg_fcopy_driver
#define SERVICE_CLASS HVP_CLASS_FCOPY
#define SERVICE_TYPE  HVP_IC_FCOPY
#include "tests/unit/guest_daemon.h"

static bool up(struct bed *b, struct world *w)
{
	return service_up(b, w, (struct hvp_guid)HVP_CLASS_FCOPY, HVP_IC_FCOPY);
}

static bool agreed(struct bed *b)
{
	struct hvp_ic_version message = { 1, 1 };

	put_versions(b, &message, 1);
	return chosen(b, message);
}

static bool daemon_comes(struct bed *b)
{
	uint32_t version = HVP_DAEMON_FCOPY_VERSION;
	int err = hvg_daemon_open(b->device, wake, b);

	W_EQ(b->w, err, 0);
	if (err)
		return false;
	W_EQ(b->w, hvg_daemon_write(b->device, &version, sizeof(version)), sizeof(version));
	version = 0;
	W_EQ(b->w, hvg_daemon_read(b->device, &version, 3), -EINVAL);
	W_EQ(b->w, hvg_daemon_read(b->device, &version, sizeof(version)), sizeof(version));
	W_EQ(b->w, version, HVP_DAEMON_FCOPY_VERSION);
	return true;
}

static bool up_with_daemon(struct bed *b, struct world *w)
{
	return up(b, w) && agreed(b) && daemon_comes(b);
}

static void ask_start(struct bed *b, const char *path, const char *name)
{
	struct hvp_fcopy_start start = { .h = { .op = HVP_FCOPY_START },
					 .flags = HVP_FCOPY_OVERWRITE,
					 .bytes = 1ull << 33 };

	TAP_CHECK(hvw_utf16_from_utf8(start.path, HVP_FCOPY_NAME_UNITS, path) >= 0);
	TAP_CHECK(hvw_utf16_from_utf8(start.name, HVP_FCOPY_NAME_UNITS, name) >= 0);
	ask_with(b, &start, sizeof(start));
}

static void ask_plain(struct bed *b, uint32_t op)
{
	struct hvp_fcopy_header header = { .op = op };

	ask_with(b, &header, sizeof(header));
}

static void daemon_answers(struct bed *b, uint32_t status)
{
	W_EQ(b->w, hvg_daemon_write(b->device, &status, sizeof(status)), sizeof(status));
}

/* The operation that the daemon reads, or the error. */
static int daemon_reads(struct bed *b, struct hvp_fcopy_write *message)
{
	int len;

	memset(message, 0xee, sizeof(*message));
	len = hvg_daemon_read(b->device, message, sizeof(*message));
	return len < 0 ? len : (int)message->h.op;
}

static void file_scenario(struct world *w)
{
	struct hvp_fcopy_write write = {
		.h = { .op = HVP_FCOPY_WRITE }, .offset = 1ull << 32, .size = 5, .data = "12345"
	};
	struct hvp_daemon_fcopy_start start;
	struct hvp_fcopy_write message;
	struct bed b;

	if (!up_with_daemon(&b, w))
		return;
	ask_start(&b, "/srv/\xc3\xa4/", "f\xf0\x9f\x92\xbe");
	W_EQ(w, hvg_daemon_read(b.device, &message, sizeof(start) - 1), -EINVAL);
	W_EQ(w, hvg_daemon_read(b.device, &message, sizeof(message)), sizeof(start));
	memcpy(&start, &message, sizeof(start));
	W_EQ(w, start.h.op, HVP_FCOPY_START);
	W_EQ(w, strncmp(start.path, "/srv/\xc3\xa4/", sizeof(start.path)), 0);
	W_EQ(w, strncmp(start.name, "f\xf0\x9f\x92\xbe", sizeof(start.name)), 0);
	W_EQ(w, start.flags, HVP_FCOPY_OVERWRITE);
	W_EQ(w, start.bytes == 1ull << 33, true);
	W_EQ(w, hvg_daemon_write(b.device, &message, 3), -EINVAL);
	daemon_answers(&b, HVP_IC_SUCCESS);
	if (!host_is_told(&b, HVP_IC_SUCCESS))
		return;
	/* A host that sends no more than counts. */
	ask_with(&b, &write, offsetof(struct hvp_fcopy_write, data) + 5);
	W_EQ(w, daemon_reads(&b, &message), HVP_FCOPY_WRITE);
	W_EQ(w, message.size, 5);
	W_EQ(w, message.offset == 1ull << 32, true);
	W_EQ(w, memcmp(message.data, "12345", 6), 0);
	W_EQ(w, message.data[HVP_FCOPY_DATA - 1], 0);
	daemon_answers(&b, HVP_IC_DISK_FULL);
	if (!host_is_told(&b, HVP_IC_DISK_FULL))
		return;
	ask_plain(&b, HVP_FCOPY_CANCEL);
	W_EQ(w, daemon_reads(&b, &message), HVP_FCOPY_CANCEL);
	daemon_answers(&b, HVP_IC_SUCCESS);
	host_is_told(&b, HVP_IC_SUCCESS);
	hvg_daemon_close(b.device);
}

/* Requests that never reach the daemon. */
static void refused_scenario(struct world *w)
{
	static const struct {
		uint32_t op;
		uint16_t size;
		uint32_t bytes;
		uint64_t offset;
		uint32_t status;
	} cases[] = {
		{ HVP_FCOPY_CANCEL, sizeof(struct hvp_fcopy_header) - 1, 0, 0, HVP_IC_INVALID },
		{ HVP_FCOPY_START, sizeof(struct hvp_fcopy_start) - 1, 0, 0, HVP_IC_INVALID },
		{ HVP_FCOPY_WRITE, 51, 0, 0, HVP_IC_INVALID },
		{ HVP_FCOPY_WRITE, sizeof(struct hvp_fcopy_write), HVP_FCOPY_DATA + 1, 0,
		  HVP_IC_INVALID },
		{ HVP_FCOPY_WRITE, 52 + 9, 10, 0, HVP_IC_INVALID },
		/* A message that is longer than it can be has room for it. */
		{ HVP_FCOPY_WRITE, sizeof(struct hvp_fcopy_write) + 4, HVP_FCOPY_DATA + 1, 0,
		  HVP_IC_INVALID },
		{ HVP_FCOPY_WRITE, sizeof(struct hvp_fcopy_write), 1, INT64_MAX, HVP_IC_INVALID },
		{ HVP_FCOPY_WRITE, sizeof(struct hvp_fcopy_write), 1, UINT64_MAX, HVP_IC_INVALID },
		{ 4, sizeof(struct hvp_fcopy_write), 1, 0, HVP_IC_NOT_SUPPORTED },
	};
	struct bed b;

	if (!up_with_daemon(&b, w))
		return;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct hvp_fcopy_write write = {
			.h = { .op = cases[i].op },
			.offset = cases[i].offset,
			.size = cases[i].bytes,
		};
		uint8_t body[sizeof(write) + 8] = { 0 };

		memcpy(body, &write, sizeof(write));
		ask_with(&b, body, cases[i].size);
		if (!host_is_told(&b, cases[i].status))
			return;
		W_EQ(w, hvg_daemon_readable(b.device), false);
	}
	hvg_daemon_close(b.device);
}

/* Names that fill their room without a terminator are texts all the same; in UTF-8 they may be too long. */
static void names_scenario(struct world *w)
{
	struct hvp_fcopy_start start = { .h = { .op = HVP_FCOPY_START } };
	struct hvp_daemon_fcopy_start *read;
	struct hvp_fcopy_write message;
	struct bed b;

	if (!up_with_daemon(&b, w))
		return;
	for (unsigned i = 0; i < HVP_FCOPY_NAME_UNITS; i++) {
		start.name[i] = 'n';
		start.path[i] = 'p';
	}
	ask_with(&b, &start, sizeof(start));
	W_EQ(w, daemon_reads(&b, &message), HVP_FCOPY_START);
	read = (struct hvp_daemon_fcopy_start *)&message;
	W_EQ(w, strnlen(read->name, sizeof(read->name)), HVP_FCOPY_NAME_UNITS);
	W_EQ(w, strnlen(read->path, sizeof(read->path)), HVP_FCOPY_NAME_UNITS);
	daemon_answers(&b, HVP_IC_FAIL);
	if (!host_is_told(&b, HVP_IC_FAIL))
		return;
	for (unsigned i = 0; i < HVP_FCOPY_NAME_UNITS; i++)
		start.path[i] = 0x20ac;
	ask_with(&b, &start, sizeof(start));
	host_is_told(&b, HVP_IC_INVALID);
	W_EQ(w, hvg_daemon_readable(b.device), false);
	hvg_daemon_close(b.device);
}

static void nobody_scenario(struct world *w)
{
	uint32_t version = 2;
	struct bed b;

	if (!up(&b, w) || !agreed(&b))
		return;
	ask_start(&b, "/", "f");
	if (!host_is_told(&b, HVP_IC_FAIL) || hvg_daemon_open(b.device, wake, &b))
		return;
	W_EQ(w, hvg_daemon_write(b.device, &version, sizeof(version)), -EINVAL);
	version = HVP_DAEMON_FCOPY_VERSION;
	W_EQ(w, hvg_daemon_write(b.device, &version, 3), -EINVAL);
	hvg_daemon_close(b.device);
}

/* The channel closes while the daemon has a file open: it is told to drop that, in each state that it can be in. */
static void left_open_scenario(struct world *w)
{
	struct hvp_fcopy_write message;
	struct bed b;
	unsigned woken;

	if (!up_with_daemon(&b, w))
		return;
	ask_start(&b, "/", "f");
	W_EQ(w, daemon_reads(&b, &message), HVP_FCOPY_START);
	if (w->n) {
		daemon_answers(&b, HVP_IC_SUCCESS);
		if (!host_is_told(&b, HVP_IC_SUCCESS))
			return;
	}
	if (w->n == 2) {
		ask_plain(&b, HVP_FCOPY_COMPLETE);
		W_EQ(w, daemon_reads(&b, &message), HVP_FCOPY_COMPLETE);
		daemon_answers(&b, HVP_IC_SUCCESS);
		if (!host_is_told(&b, HVP_IC_SUCCESS))
			return;
	}
	woken = b.woken;
	if (hvg_bus_suspend(w->bus))
		return;
	W_EQ(w, b.woken, woken + (w->n < 2));
	if (!w->n) {
		W_EQ(w, daemon_reads(&b, &message), -EAGAIN);
		daemon_answers(&b, HVP_IC_SUCCESS);
		W_EQ(w, b.woken, woken + 2);
	}
	W_EQ(w, hvg_daemon_readable(b.device), w->n < 2);
	if (w->n < 2) {
		W_EQ(w, hvg_daemon_read(b.device, &message, sizeof(struct hvp_fcopy_header) - 1),
		     -EINVAL);
		W_EQ(w, daemon_reads(&b, &message), HVP_FCOPY_CANCEL);
		daemon_answers(&b, HVP_IC_SUCCESS);
	}
	if (hvg_bus_resume(w->bus) || hvg_bus_settle(w->bus, SETTLE_MS) || !b.channel->open ||
	    !agreed(&b))
		return;
	ask_plain(&b, HVP_FCOPY_CANCEL);
	W_EQ(w, daemon_reads(&b, &message), HVP_FCOPY_CANCEL);
	daemon_answers(&b, HVP_IC_SUCCESS);
	host_is_told(&b, HVP_IC_SUCCESS);
	hvg_daemon_close(b.device);
}

#define SCENARIO(name)                                                                             \
	TAP_TEST(name)                                                                             \
	{                                                                                          \
		world_run(name##_scenario, 0);                                                     \
	}

SCENARIO(file)
SCENARIO(refused)
SCENARIO(names)
SCENARIO(nobody)

TAP_TEST(left_open)
{
	for (unsigned n = 0; n < 3; n++)
		world_run(left_open_scenario, n);
}

TAP_MAIN()
