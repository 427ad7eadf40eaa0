/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * `hvhost backup`: freezes the guest, copies its disks, and lets it go on.
 *
 * What may take long is done before or after: all that happens while the guest stands still is the copying, which is over at
 * once where the file system can share blocks.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "vmm/ask.h"
#include "vmm/client.h"
#include "vmm/commands.h"
#include "vmm/disk/disk_config.h"
#include "vmm/image/image.h"
#include "vmm/log.h"
#include "vmm/loop.h"

#define NS_PER_S	 1000000000ull
#define FREEZE_TIMEOUT_S 960 /* as long as guests are given */
#define FREEZE_LIMIT_S	 60
#define THAW_TIMEOUT_S	 100
#define PROGRESS_STEP_NS 200000000ull
#define INTERRUPTED_NS	 10000000000ull
#define PIECE		 (1u << 20)

/* FNV-1a: that a copy is what was read is all that it has to tell. */
#define SUM_START 0xcbf29ce484222325ull
#define SUM_PRIME 0x100000001b3ull

/* Where a file has data. */
struct range {
	uint64_t at, end;
};

struct disk {
	unsigned lun;
	enum vmm_disk_format format;
	uint64_t bytes; /* as the guest sees it */
	uint64_t file_bytes; /* of what is copied; an image's grows until the guest stands still */
	int from, to;
	bool shared; /* blocks of the file, not bytes, were copied */
	struct range *range; /* what was copied */
	size_t ranges, ranges_max;
	uint64_t sum; /* of that */
	char path[VMM_DISK_PATH_MAX];
	char name[32]; /* in the folder */
};

struct backup {
	const struct vmm_query *query;
	struct vmm_client *client;
	char partial[PATH_MAX]; /* the folder, until it is whole */
	int folder; /* -1: there is none yet */
	struct disk disk[VMM_DISKS_MAX];
	unsigned disks;
	json_int_t freeze; /* its number */
	bool frozen;
	uint64_t freeze_ms, frozen_ms; /* until it stood still; so long */
	uint64_t frozen_since_ns, shown_ns;
	bool shown; /* the screen has a line that is not finished */
	uint8_t piece[PIECE];
};

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	(void)number;
	interrupted = 1;
}

/* --- the screen ----------------------------------------------------------------------------------- */

static void wipe(struct backup *b)
{
	if (b->shown)
		fputs("\r\033[K", stderr);
	b->shown = false;
}

static void show(struct backup *b, const char *what, uint64_t done, uint64_t bytes)
{
	uint64_t now_ns = vmm_now_ns();

	if (b->query->json || !isatty(STDERR_FILENO) || now_ns - b->shown_ns < PROGRESS_STEP_NS)
		return;
	fprintf(stderr, "\r\033[K%s: %s", b->query->name, what);
	if (bytes)
		fprintf(stderr, ": %.1f of %.1f MiB, %.0f %%", (double)done / 1048576,
			(double)bytes / 1048576, (double)done * 100 / (double)bytes);
	fflush(stderr);
	b->shown = true;
	b->shown_ns = now_ns;
}

__attribute__((format(printf, 2, 3))) static int complain(struct backup *b, const char *format, ...)
{
	char text[PATH_MAX + 256];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	wipe(b);
	vmm_log(HVH_LOG_ERROR, "%s", text);
	return -1;
}

/* --- talking to the VM ---------------------------------------------------------------------------- */

/*
 * `request` is taken. The result, or NULL after a line to stderr. Who interrupts a wait gets a moment more, for what is under way
 * to be undone in order.
 */
static json_t *order(struct backup *b, json_t *request, unsigned timeout_s, const char *what)
{
	uint64_t deadline_ns = vmm_now_ns() + timeout_s * NS_PER_S;
	json_t *reply = NULL, *result;
	int err = vmm_client_send(b->client, request);
	bool waits = !err;

	while (waits) {
		err = vmm_ask_receive(b->client, vmm_now_ns() + PROGRESS_STEP_NS, &reply);
		if (interrupted && deadline_ns > vmm_now_ns() + INTERRUPTED_NS)
			deadline_ns = vmm_now_ns() + INTERRUPTED_NS;
		waits = err == -ETIMEDOUT && vmm_now_ns() < deadline_ns;
		if (what && waits)
			show(b, what, 0, 0);
	}
	if (err) {
		wipe(b);
		vmm_ask_silence(b->query->name, err);
		return NULL;
	}
	result = json_incref(json_object_get(reply, "result"));
	if (!json_is_object(result)) {
		const char *text = json_string_value(json_object_get(reply, "error"));

		complain(b, "the VM '%s': %s", b->query->name, text ? text : "answers nonsense");
		json_decref(result);
		result = NULL;
	}
	json_decref(reply);
	return result;
}

static json_t *thaw_request(const struct backup *b)
{
	return json_pack("{s:s, s:s, s:I}", "command", "backup", "order", "thaw", "freeze",
			 b->freeze);
}

/* 0: it was frozen until now. -1 after a line to stderr. */
static int thaw(struct backup *b)
{
	json_t *result = order(b, thaw_request(b), THAW_TIMEOUT_S, NULL);

	b->frozen = false;
	b->frozen_ms = (vmm_now_ns() - b->frozen_since_ns) / 1000000;
	json_decref(result);
	return result ? 0 : -1;
}

static int freeze(struct backup *b)
{
	unsigned timeout_s = b->query->timeout_seconds ? b->query->timeout_seconds :
							 FREEZE_TIMEOUT_S;
	unsigned limit_s = b->query->freeze_seconds ? b->query->freeze_seconds : FREEZE_LIMIT_S;
	json_t *result;

	if (timeout_s > 3600)
		timeout_s = 3600;
	/* Some seconds more, so that we are the ones that say that it took too long. */
	result = order(b,
		       json_pack("{s:s, s:s, s:i, s:i}", "command", "backup", "order", "freeze",
				 "hold_seconds", (int)(limit_s < 3590 ? limit_s + 10 : 3600),
				 "timeout_seconds", (int)timeout_s),
		       timeout_s + THAW_TIMEOUT_S, "the guest writes out what it has");
	if (!result)
		return -1;
	b->frozen = true;
	b->frozen_since_ns = vmm_now_ns();
	b->freeze = json_integer_value(json_object_get(result, "freeze"));
	b->freeze_ms = (uint64_t)json_integer_value(json_object_get(result, "freeze_ms"));
	json_decref(result);
	return 0;
}

/* --- disks ---------------------------------------------------------------------------------------- */

static int open_disk(struct backup *b, const json_t *json)
{
	struct disk *disk = &b->disk[b->disks];
	const char *path = json_string_value(json_object_get(json, "path"));
	const char *format = json_string_value(json_object_get(json, "format"));
	struct stat status;

	disk->lun = (unsigned)json_integer_value(json_object_get(json, "lun"));
	disk->bytes = (uint64_t)json_integer_value(json_object_get(json, "bytes"));
	if (!path || path[0] != '/')
		return complain(b, "disk %u is in memory, and cannot be backed up", disk->lun);
	if (!vmm_disk_format_parse(format ? format : "raw", &disk->format) ||
	    disk->format == VMM_DISK_AUTO)
		return complain(b, "disk %u is a %s image, which is not known here", disk->lun,
				format);
	snprintf(disk->path, sizeof(disk->path), "%s", path);
	snprintf(disk->name, sizeof(disk->name), "disk-%u.%s", disk->lun,
		 vmm_disk_format_names[disk->format]);
	disk->from = open(path, O_RDONLY | O_CLOEXEC);
	if (disk->from < 0)
		return complain(b, "%s: %s", path, strerror(errno));
	if (fstat(disk->from, &status) ||
	    (S_ISREG(status.st_mode) && disk->format == VMM_DISK_RAW &&
	     (uint64_t)status.st_size < disk->bytes)) {
		close(disk->from);
		return complain(b, "disk %u: %s is shorter than the disk", disk->lun, path);
	}
	disk->to = openat(b->folder, disk->name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	b->disks++;
	if (disk->to < 0)
		return complain(b, "%s/%s: %s", b->partial, disk->name, strerror(errno));
	return 0;
}

static int open_disks(struct backup *b)
{
	json_t *status = order(b, json_pack("{s:s}", "command", "status"), VMM_ASK_TIMEOUT_S,
			       "asking for the disks");
	const json_t *disks = json_object_get(json_object_get(status, "storage"), "disks"), *disk;
	int err = status ? 0 : -1;
	size_t i;

	if (status && !json_array_size(disks))
		err = complain(b, "the VM '%s' has no disks", b->query->name);
	json_array_foreach(disks, i, disk)
	{
		/* What is in a DVD drive is none of the machine's. */
		if (!err && !json_is_true(json_object_get(disk, "dvd")))
			err = b->disks < VMM_DISKS_MAX ? open_disk(b, disk) : -1;
	}
	json_decref(status);
	return err;
}

static void sum_up(uint64_t *sum, const uint8_t *bytes, size_t len, uint64_t offset)
{
	*sum = (*sum ^ offset) * SUM_PRIME;
	for (size_t i = 0; i + 8 <= len; i += 8) {
		uint64_t word;

		memcpy(&word, bytes + i, 8);
		*sum = (*sum ^ word) * SUM_PRIME;
	}
	for (size_t i = len - len % 8; i < len; i++)
		*sum = (*sum ^ bytes[i]) * SUM_PRIME;
}

/* So many bytes of `from`; a file that ends early is an error. */
static int read_piece(struct backup *b, const struct disk *disk, int from, uint64_t offset,
		      size_t len)
{
	for (size_t got = 0; got < len;) {
		ssize_t n = pread(from, b->piece + got, len - got, (off_t)(offset + got));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return complain(b, "disk %u: %s", disk->lun,
					n ? strerror(errno) : "the file is shorter than the disk");
		got += (size_t)n;
	}
	return 0;
}

static int write_piece(struct backup *b, const struct disk *disk, uint64_t offset, size_t len)
{
	for (size_t put = 0; put < len;) {
		ssize_t n = pwrite(disk->to, b->piece + put, len - put, (off_t)(offset + put));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return complain(b, "%s/%s: %s", b->partial, disk->name,
					n ? strerror(errno) : "cannot be written");
		put += (size_t)n;
	}
	return 0;
}

static int is_late(struct backup *b)
{
	unsigned limit_s = b->query->freeze_seconds ? b->query->freeze_seconds : FREEZE_LIMIT_S;

	if (interrupted)
		return complain(b, "interrupted");
	if (vmm_now_ns() - b->frozen_since_ns > limit_s * NS_PER_S)
		return complain(b,
				"copying takes longer than the %u s that the guest may be frozen "
				"(--freeze-limit); nothing is kept",
				limit_s);
	return 0;
}

static int add_range(struct backup *b, struct disk *disk, uint64_t at, uint64_t end)
{
	size_t max = disk->ranges_max ? disk->ranges_max * 2 : 64;
	struct range *more;

	if (disk->ranges == disk->ranges_max) {
		more = realloc(disk->range, max * sizeof(*more));
		if (!more)
			return complain(b, "out of memory");
		disk->range = more;
		disk->ranges_max = max;
	}
	disk->range[disk->ranges++] = (struct range){ at, end };
	return 0;
}

/* Where `fd` has data, up to the end of what is copied; a file that does not tell has it everywhere. */
static int find_ranges(struct backup *b, struct disk *disk, int fd)
{
	uint64_t at = 0;

	while (at < disk->file_bytes) {
		off_t data = lseek(fd, (off_t)at, SEEK_DATA), hole;

		if (data < 0 && errno == ENXIO)
			break;
		if (data < 0)
			data = (off_t)at;
		if ((uint64_t)data >= disk->file_bytes)
			break;
		hole = lseek(fd, data, SEEK_HOLE);
		if (hole <= data || (uint64_t)hole > disk->file_bytes)
			hole = (off_t)disk->file_bytes;
		if (add_range(b, disk, (uint64_t)data, (uint64_t)hole))
			return -1;
		at = (uint64_t)hole;
	}
	return 0;
}

/* The ranges of `from`, in pieces, to the copy if it is told to. *sum becomes that of them. */
static int read_ranges(struct backup *b, struct disk *disk, int from, bool copy, uint64_t *sum)
{
	*sum = SUM_START;
	for (size_t i = 0; i < disk->ranges; i++)
		for (uint64_t at = disk->range[i].at; at < disk->range[i].end;) {
			uint64_t left = disk->range[i].end - at;
			size_t len = left < PIECE ? (size_t)left : PIECE;

			if (copy ? is_late(b) : interrupted ? complain(b, "interrupted") : 0)
				return -1;
			if (read_piece(b, disk, from, at, len) ||
			    (copy && write_piece(b, disk, at, len)))
				return -1;
			sum_up(sum, b->piece, len, at);
			at += len;
			show(b, copy ? "the guest is frozen; copying" : "reading the copy", at,
			     disk->file_bytes);
		}
	return 0;
}

/* Holes stay holes. */
static int copy_bytes(struct backup *b, struct disk *disk)
{
	if (ftruncate(disk->to, (off_t)disk->file_bytes))
		return complain(b, "%s/%s: %s", b->partial, disk->name, strerror(errno));
	if (find_ranges(b, disk, disk->from))
		return -1;
	return read_ranges(b, disk, disk->from, true, &disk->sum);
}

static int copy_disks(struct backup *b)
{
	for (unsigned i = 0; i < b->disks; i++) {
		struct disk *disk = &b->disk[i];
		struct stat status;

		disk->file_bytes = disk->bytes;
		if (disk->format != VMM_DISK_RAW) {
			if (fstat(disk->from, &status))
				return complain(b, "%s: %s", disk->path, strerror(errno));
			disk->file_bytes = (uint64_t)status.st_size;
		}
		disk->shared = !ioctl(disk->to, FICLONE, disk->from);
		if (!disk->shared && copy_bytes(b, disk))
			return -1;
	}
	return 0;
}

/* --- afterwards ----------------------------------------------------------------------------------- */

/*
 * The copy of an image is as after a power cut: what hvhost had in its log is brought to its place, and what the guest wrote
 * beside its file systems while it was copied may have left it torn.
 */
static int close_image(struct backup *b, const struct disk *disk)
{
	struct vmm_disk_image *image;
	char why[256] = "";
	int err = vmm_disk_image_open(disk->to,
				      disk->format == VMM_DISK_VHD ? VMM_IMAGE_VHD : VMM_IMAGE_VHDX,
				      false, &image, why, sizeof(why));

	if (err)
		return complain(b, "%s/%s is no whole image: %s", b->partial, disk->name,
				*why ? why : strerror(-err));
	if (vmm_disk_image_facts(image)->bytes != disk->bytes) {
		vmm_disk_image_close(image);
		return complain(b, "%s/%s is of another size", b->partial, disk->name);
	}
	err = vmm_disk_image_close(image);
	if (err || fsync(disk->to))
		return complain(b, "%s/%s: %s", b->partial, disk->name,
				strerror(err ? -err : errno));
	return 0;
}

/*
 * What is on the medium is read once more: it must be what was read when the guest stood still. Where blocks are shared nothing
 * was read then, and it must be readable.
 */
static int verify(struct backup *b, struct disk *disk)
{
	struct stat status;
	uint64_t sum;

	if (fsync(disk->to) || fstat(disk->to, &status))
		return complain(b, "%s/%s: %s", b->partial, disk->name, strerror(errno));
	if ((uint64_t)status.st_size < disk->file_bytes)
		return complain(b, "%s/%s is shorter than the disk", b->partial, disk->name);
	posix_fadvise(disk->to, 0, 0, POSIX_FADV_DONTNEED);
	if ((disk->shared && find_ranges(b, disk, disk->to)) ||
	    read_ranges(b, disk, disk->to, false, &sum))
		return -1;
	if (!disk->shared && sum != disk->sum)
		return complain(b, "%s/%s is not what was written to it", b->partial, disk->name);
	return disk->format == VMM_DISK_RAW ? 0 : close_image(b, disk);
}

static json_t *describe(const struct backup *b)
{
	json_t *disks = json_array();

	for (unsigned i = 0; i < b->disks; i++)
		json_array_append_new(disks,
				      json_pack("{s:i, s:s, s:s, s:o*, s:I, s:s}", "lun",
						(int)b->disk[i].lun, "file", b->disk[i].name,
						"format", vmm_disk_format_names[b->disk[i].format],
						"of", json_string(b->disk[i].path), "bytes",
						(json_int_t)b->disk[i].bytes, "by",
						b->disk[i].shared ? "shared blocks" : "copy"));
	return json_pack("{s:s, s:I, s:I, s:I, s:o}", "name", b->query->name, "time",
			 (json_int_t)time(NULL), "freeze_ms", (json_int_t)b->freeze_ms, "frozen_ms",
			 (json_int_t)b->frozen_ms, "disks", disks);
}

/* What the folder holds, for people and programs; then it gets its name. */
static int finish(struct backup *b)
{
	json_t *json = describe(b);
	char *text = json_dumps(json, JSON_INDENT(2));
	int fd = openat(b->folder, "backup.json", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	size_t len = text ? strlen(text) : 0;
	int err = 0;

	if (fd < 0 || !text || write(fd, text, len) != (ssize_t)len || fsync(fd) ||
	    fsync(b->folder))
		err = complain(b, "%s/backup.json: %s", b->partial, strerror(errno));
	else if (renameat2(AT_FDCWD, b->partial, AT_FDCWD, b->query->folder, RENAME_NOREPLACE))
		err = complain(b, "%s: %s", b->query->folder, strerror(errno));
	if (fd >= 0)
		close(fd);
	free(text);
	wipe(b);
	if (!err && b->query->json)
		vmm_print_json(json);
	else
		json_decref(json);
	return err;
}

/* Where it is made, so that a folder with its own name is a whole backup. */
static int make_folder(struct backup *b)
{
	const char *folder = b->query->folder;
	size_t len = strlen(folder);
	struct stat status;

	while (len > 1 && folder[len - 1] == '/')
		len--;
	if ((size_t)snprintf(b->partial, sizeof(b->partial), "%.*s.partial", (int)len, folder) >=
	    sizeof(b->partial))
		return complain(b, "%s: %s", folder, strerror(ENAMETOOLONG));
	if (!lstat(folder, &status))
		return complain(b, "%s is there already", folder);
	if (mkdir(b->partial, 0700))
		return complain(b, "%s: %s%s", b->partial, strerror(errno),
				errno == EEXIST ? "; another backup makes it, or left it behind" :
						  "");
	b->folder = open(b->partial, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return b->folder < 0 ? complain(b, "%s: %s", b->partial, strerror(errno)) : 0;
}

static void remove_folder(struct backup *b)
{
	if (b->folder < 0)
		return;
	for (unsigned i = 0; i < b->disks; i++)
		unlinkat(b->folder, b->disk[i].name, 0);
	unlinkat(b->folder, "backup.json", 0);
	rmdir(b->partial);
}

static int run(struct backup *b)
{
	int err;

	if (make_folder(b) || vmm_ask_open(b->query->name, &b->client) || open_disks(b))
		return -1;
	/* What this host has in memory is written out before blocks are shared; the guest need not wait for the most of it. */
	for (unsigned i = 0; i < b->disks; i++)
		fdatasync(b->disk[i].from);
	if (freeze(b))
		return -1;
	err = copy_disks(b);
	/* Whatever came of it. */
	if (thaw(b))
		err = -1;
	for (unsigned i = 0; i < b->disks && !err; i++)
		err = verify(b, &b->disk[i]);
	return err ? err : finish(b);
}

static void report(const struct backup *b)
{
	unsigned long long bytes = 0;
	unsigned shared = 0;

	for (unsigned i = 0; i < b->disks; i++) {
		bytes += b->disk[i].bytes;
		shared += b->disk[i].shared;
	}
	if (!b->query->json)
		vmm_print("%s: %s: %u disk%s, %.1f MiB%s; the guest was frozen for %.2f s\n",
			  b->query->name, b->query->folder, b->disks, b->disks == 1 ? "" : "s",
			  (double)bytes / 1048576, shared == b->disks ? ", sharing blocks" : "",
			  (double)b->frozen_ms / 1000);
}

enum vmm_exit vmm_command_backup(const struct vmm_query *query)
{
	const struct sigaction action = { .sa_handler = on_signal };
	struct backup *b = calloc(1, sizeof(*b));
	int err;

	if (!b) {
		vmm_log(HVH_LOG_ERROR, "out of memory");
		return VMM_EXIT_FAILED;
	}
	b->query = query;
	b->folder = -1;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	err = run(b);
	if (err)
		remove_folder(b);
	else
		report(b);
	vmm_client_close(b->client);
	for (unsigned i = 0; i < b->disks; i++) {
		close(b->disk[i].from);
		if (b->disk[i].to >= 0)
			close(b->disk[i].to);
		free(b->disk[i].range);
	}
	if (b->folder >= 0)
		close(b->folder);
	free(b);
	return err ? VMM_EXIT_FAILED : VMM_EXIT_DONE;
}
