/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Images in real files, through both engines, with QEMU's qemu-img as the judge: what we write it finds in order and reads
 * the same from, also what a crash leaves of it; what it writes we read.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tap.h"
#include "vmm/disk/call.h"
#include "vmm/disk/engine.h"
#include "vmm/disk/file.h"
#include "vmm/image/image.h"
#include "vmm/loop.h"

#define MIB	   1048576ull
#define DISK_BYTES (96 * MIB)
#define LANES	   32u /* requests at a time, each on bytes of its own */
#define REQUESTS   1500u
#define IO_MAX	   (256u << 10)

static char folder[64], image[128], other[128], command[1024];

static bool have_folder(void)
{
	if (!folder[0]) {
		/* In memory, if there is such a place: what a sync is for is not tested here. */
		strcpy(folder, access("/dev/shm", W_OK) ? "/tmp/hvis-image-XXXXXX" :
							  "/dev/shm/hvis-image-XXXXXX");
		if (!mkdtemp(folder))
			folder[0] = '\0';
	}
	return TAP_CHECK(folder[0]);
}

/* The exit status of a command in the folder. */
__attribute__((format(printf, 1, 2))) static int sh(const char *format, ...)
{
	va_list args;
	int len = snprintf(command, sizeof(command), "cd %s && exec > log 2>&1; ", folder), status;

	va_start(args, format);
	vsnprintf(command + len, sizeof(command) - (size_t)len, format, args);
	va_end(args);
	status = system(command);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

#define NEEDS_QEMU_IMG()                                                                           \
	do {                                                                                       \
		if (system("command -v qemu-img > /dev/null"))                                     \
			TAP_SKIP("there is no qemu-img");                                          \
		if (!have_folder())                                                                \
			return;                                                                    \
	} while (0)

static bool succeeds(int status, int line)
{
	char said[2048] = "";
	FILE *log;

	if (!status)
		return true;
	snprintf(other, sizeof(other), "%s/log", folder);
	log = fopen(other, "r");
	if (log) {
		said[fread(said, 1, sizeof(said) - 1, log)] = '\0';
		fclose(log);
	}
	return tap_note(false, __FILE__, line, "status %d of \"%s\": %s", status, command, said);
}
#define SUCCEEDS(...) succeeds(sh(__VA_ARGS__), __LINE__)

/* --- requests through an engine ---------------------------------------------------------------------- */

struct lane {
	struct bench *bench;
	struct hvh_disk_io io;
	struct iovec iov[2];
	uint8_t *bytes;
};

struct bench {
	struct vmm_loop *loop;
	const struct vmm_disk_engine_ops *ops;
	void *engine;
	struct vmm_disk_file file;
	struct vmm_call go;
	struct lane lane[LANES];
	uint8_t *model;
	unsigned begun, done, bad;
};

static const struct vmm_disk_file *file_of(void *disk)
{
	return &((const struct bench *)disk)->file;
}

static bool open_file(struct bench *b, const char *name, const char *options)
{
	struct vmm_disk_config config;
	char text[160], why[512] = "";
	int err;

	snprintf(text, sizeof(text), "%s/%s%s", folder, name, options);
	TAP_CHECK(!vmm_disk_config_parse(text, &config));
	err = vmm_disk_file_open(&config, &b->file, why, sizeof(why));
	return tap_note(!err, __FILE__, __LINE__, "not opened: %s", why);
}

/* The lane's bytes are every 64 KiB of LANES of them, so lanes share blocks and not sectors. */
static void next_request(struct lane *lane)
{
	struct bench *b = lane->bench;
	unsigned index = (unsigned)(lane - b->lane), what = tap_random() % 16;
	uint64_t stripes = b->file.bytes / (LANES * 65536), block = b->file.block_bytes;
	uint64_t at = (tap_random() % stripes * LANES + index) * 65536, inside, len;

	inside = tap_random() % (65536 / block) * block;
	len = (1 + tap_random() % ((65536 - inside) / block)) * block;
	lane->io = (struct hvh_disk_io){ .op = HVH_DISK_WRITE,
					 .disk = b,
					 .offset = at + inside,
					 .bytes = len,
					 .iov = lane->iov,
					 .iovs = 2 };
	if (what == 0) {
		lane->io.op = HVH_DISK_FLUSH;
	} else if (what < 3) {
		lane->io.op = HVH_DISK_ZERO;
		lane->io.unmap = what & 1;
		memset(b->model + lane->io.offset, 0, len);
	} else {
		lane->io.durable = what == 3;
		memset(lane->bytes, (int)(tap_random() % 255 + 1), len);
		memcpy(b->model + lane->io.offset, lane->bytes, len);
	}
	lane->iov[0] = (struct iovec){ lane->bytes, block };
	lane->iov[1] = (struct iovec){ lane->bytes + block, len - block };
	b->begun++;
	b->ops->submit(b->engine, &lane->io);
}

static void on_done(void *ctx, struct hvh_disk_io *io)
{
	struct bench *b = ctx;
	struct lane *lane = (struct lane *)((char *)io - offsetof(struct lane, io));

	b->bad += io->result != 0;
	b->done++;
	if (b->begun < REQUESTS)
		next_request(lane);
	else if (b->done == b->begun)
		vmm_loop_stop(b->loop);
}

static void on_flush(void *ctx)
{
	struct bench *b = ctx;

	b->ops->kick(b->engine);
}

static void on_go(void *ctx)
{
	struct bench *b = ctx;

	for (unsigned i = 0; i < LANES; i++)
		next_request(&b->lane[i]);
	b->ops->kick(b->engine);
}

/* False: the engine cannot be had here. */
static bool run(struct bench *b, const struct vmm_disk_engine_ops *ops)
{
	const struct vmm_disk_engine_user user = { file_of, on_done, on_flush, b };
	int err;

	b->ops = ops;
	b->begun = b->done = 0;
	TAP_EQ(vmm_loop_create(&b->loop), 0);
	err = ops->create(b->loop, &user, &b->engine);
	if (!err && TAP_EQ(ops->start(b->engine), 0)) {
		vmm_call_init(&b->go, b->loop, on_go, b);
		vmm_call_post(&b->go);
		vmm_loop_run(b->loop);
		ops->destroy(b->engine);
		TAP_EQ(b->done, REQUESTS);
		TAP_EQ(b->bad, 0);
	}
	vmm_loop_destroy(b->loop);
	if (err)
		printf("# %s cannot be had here: %s\n", ops->name, strerror(-err));
	return !err;
}

static void make_bench(struct bench *b)
{
	memset(b, 0, sizeof(*b));
	b->model = calloc(1, DISK_BYTES);
	for (unsigned i = 0; i < LANES; i++) {
		b->lane[i].bench = b;
		b->lane[i].bytes = malloc(65536);
	}
}

static void free_bench(struct bench *b)
{
	for (unsigned i = 0; i < LANES; i++)
		free(b->lane[i].bytes);
	free(b->model);
}

/* What is in a file of the folder is what should be on the disk. */
static bool same(const struct bench *b, const char *name)
{
	static uint8_t bytes[MIB];
	uint64_t at = 0;
	bool good = true;
	int fd;

	snprintf(other, sizeof(other), "%s/%s", folder, name);
	fd = open(other, O_RDONLY | O_CLOEXEC);
	for (; at < DISK_BYTES && good; at += MIB)
		good = pread(fd, bytes, MIB, (off_t)at) == (ssize_t)MIB &&
		       !memcmp(bytes, b->model + at, MIB);
	close(fd);
	return tap_note(good, __FILE__, __LINE__, "%s: other bytes before %llu", name,
			(unsigned long long)at);
}

/* By our own eyes. */
static bool we_read(struct bench *b, const char *name)
{
	static uint8_t bytes[IO_MAX];
	struct iovec iov = { bytes, IO_MAX };
	bool good = open_file(b, name, ",readonly");

	for (uint64_t at = 0; at < b->file.bytes && good; at += IO_MAX) {
		struct hvh_disk_io io = {
			.op = HVH_DISK_READ, .offset = at, .bytes = IO_MAX, .iov = &iov, .iovs = 1
		};
		struct vmm_disk_call call;
		bool more;

		vmm_disk_begin(&io);
		more = vmm_disk_again(&b->file, &io, &call);
		while (more)
			more = vmm_disk_next(&b->file, &io, vmm_disk_call(&b->file, &call), &call);
		good = !io.result && !memcmp(bytes, b->model + at, IO_MAX);
		tap_note(good, __FILE__, __LINE__, "%s: at %llu: %d", name, (unsigned long long)at,
			 io.result);
	}
	(void)vmm_disk_file_close(&b->file);
	return good;
}

/* --- what we write ----------------------------------------------------------------------------------- */

/* An image that qemu-img has made, written to by us, closed, and as a crash leaves it. */
static void write_image(const struct vmm_disk_engine_ops *ops, const char *format,
			const char *suffix, const char *options)
{
	struct bench b;
	bool vhdx = !strcmp(format, "vhdx");

	make_bench(&b);
	SUCCEEDS("rm -f disk.* && qemu-img create -q -f %s %s disk.%s %llu", format, options,
		 suffix, DISK_BYTES);
	snprintf(image, sizeof(image), "disk.%s", suffix);
	if (!open_file(&b, image, "") || !TAP_EQ(b.file.bytes, DISK_BYTES))
		goto out;
	if (run(&b, ops)) {
		/* All is flushed after this; so the file, as it is, is one that a crash leaves. */
		TAP_EQ(vmm_disk_image_commit(b.file.image), 0);
		SUCCEEDS("cp disk.%s crash.%s", suffix, suffix);
		TAP_EQ(vmm_disk_file_close(&b.file), 0);
		if (vhdx)
			SUCCEEDS("qemu-img check -q -f vhdx disk.vhdx");
		SUCCEEDS("qemu-img convert -q -f %s -O raw disk.%s disk.raw", format, suffix);
		same(&b, "disk.raw");
		snprintf(image, sizeof(image), "disk.%s", suffix);
		we_read(&b, image);
		if (vhdx)
			SUCCEEDS("qemu-img check -q -f vhdx -r all crash.vhdx");
		SUCCEEDS("qemu-img convert -q -f %s -O raw crash.%s disk.raw", format, suffix);
		same(&b, "disk.raw");
	} else {
		(void)vmm_disk_file_close(&b.file);
	}
out:
	free_bench(&b);
}

static void write_images(const struct vmm_disk_engine_ops *ops)
{
	NEEDS_QEMU_IMG();
	write_image(ops, "vhdx", "vhdx", "-o block_size=1M");
	write_image(ops, "vhdx", "vhdx", "-o block_size=32M,log_size=2M");
	write_image(ops, "vhdx", "vhdx", "-o subformat=fixed,block_size=8M");
	write_image(ops, "vpc", "vhd", "-o force_size=on");
	write_image(ops, "vpc", "vhd", "-o subformat=fixed,force_size=on");
}

TAP_TEST(qemu_reads_what_was_written_through_io_uring)
{
	write_images(&vmm_disk_uring);
}

TAP_TEST(qemu_reads_what_was_written_by_threads)
{
	write_images(&vmm_disk_threads);
}

/* --- what QEMU writes -------------------------------------------------------------------------------- */

static void fill(struct bench *b)
{
	int fd;

	for (unsigned i = 0; i < 300; i++) {
		uint64_t at = tap_random() % (DISK_BYTES / 512 - 64) * 512;

		memset(b->model + at, (int)(tap_random() % 255 + 1), tap_random() % 64 * 512);
	}
	snprintf(other, sizeof(other), "%s/source.raw", folder);
	fd = open(other, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	TAP_EQ(write(fd, b->model, DISK_BYTES), DISK_BYTES);
	close(fd);
}

TAP_TEST(what_qemu_has_written_is_read)
{
	static const struct {
		const char *name, *format, *options;
	} images[] = {
		{ "a.vhdx", "vhdx", "" },
		{ "b.vhdx", "vhdx", "-o block_size=1M" },
		{ "c.vhdx", "vhdx", "-o block_size=64M,log_size=4M" },
		{ "d.vhdx", "vhdx", "-o subformat=fixed" },
		{ "e.VHDX", "vhdx", "-o block_state_zero=off" },
		{ "f.vhd", "vpc", "-o force_size=on" },
		{ "g.vhd", "vpc", "-o subformat=fixed,force_size=on" },
	};
	struct bench b;

	NEEDS_QEMU_IMG();
	make_bench(&b);
	fill(&b);
	for (unsigned i = 0; i < sizeof(images) / sizeof(images[0]); i++) {
		SUCCEEDS("qemu-img convert -q -f raw -O %s %s source.raw %s", images[i].format,
			 images[i].options, images[i].name);
		we_read(&b, images[i].name);
	}
	/* Written to by us, it is as QEMU would have it. */
	if (open_file(&b, "c.vhdx", "")) {
		TAP_STR_EQ(b.file.format, "vhdx");
		(void)run(&b, &vmm_disk_threads);
		TAP_EQ(vmm_disk_file_close(&b.file), 0);
		SUCCEEDS(
			"qemu-img check -q -f vhdx c.vhdx && qemu-img convert -q -f vhdx -O raw c.vhdx disk.raw");
		same(&b, "disk.raw");
	}
	free_bench(&b);
}

/* Where each byte of the disk is something, none may become another. */
TAP_TEST(opening_and_closing_changes_nothing)
{
	static const char *const names[] = { "full.vhdx", "full.vhd" };
	static const char *const formats[] = { "vhdx", "vpc" };
	struct bench b;

	NEEDS_QEMU_IMG();
	make_bench(&b);
	memset(b.model, 0x5a, DISK_BYTES);
	fill(&b);
	for (unsigned i = 0; i < 2; i++) {
		SUCCEEDS("qemu-img convert -q -f raw -O %s %s source.raw %s", formats[i],
			 i ? "-o force_size=on" : "-o block_size=1M", names[i]);
		if (open_file(&b, names[i], "")) {
			TAP_EQ(vmm_disk_file_close(&b.file), 0);
			we_read(&b, names[i]);
		}
	}
	free_bench(&b);
}

/* --- names and contents ------------------------------------------------------------------------------ */

static void not_taken(const char *name, const char *options, const char *word, int line)
{
	struct vmm_disk_config config;
	char text[160], why[512] = "";
	struct vmm_disk_file file;
	int err;

	snprintf(text, sizeof(text), "%s/%s%s", folder, name, options);
	TAP_CHECK(!vmm_disk_config_parse(text, &config));
	err = vmm_disk_file_open(&config, &file, why, sizeof(why));
	tap_note(err && strstr(why, word), __FILE__, line, "%d, \"%s\", expected \"%s\"", err, why,
		 word);
	if (!err)
		(void)vmm_disk_file_close(&file);
}
#define NOT_TAKEN(name, options, word) not_taken(name, options, word, __LINE__)

/* What a file holds may be the guest's: by that no format is ever chosen. */
TAP_TEST(the_format_is_chosen_by_the_name_and_not_by_what_is_there)
{
	struct bench b;

	NEEDS_QEMU_IMG();
	make_bench(&b);
	SUCCEEDS(
		"qemu-img create -q -f vhdx n.vhdx 16M && cp n.vhdx n.img && truncate -s 1M n.vhd && "
		"qemu-img create -q -f vpc n2.vhd 16M && cp n2.vhd n2.img && cp n.vhd n3.vhdx && cp n.vhdx n4.vhd");
	NOT_TAKEN("n.img", "", "format=vhdx");
	NOT_TAKEN("n2.img", "", "format=vhd ");
	NOT_TAKEN("n.vhd", "", "not a VHD");
	NOT_TAKEN("n3.vhdx", "", "not a VHDX");
	NOT_TAKEN("n4.vhd", "", "not a VHD");
	NOT_TAKEN("n.vhdx", ",block=4096", "blocks are of 512");
	if (open_file(&b, "n.img", ",format=vhdx")) {
		TAP_EQ(b.file.bytes, 16 * MIB);
		NOT_TAKEN("n.img", ",format=vhdx", "another program");
		TAP_EQ(vmm_disk_file_close(&b.file), 0);
	}
	if (open_file(&b, "n.vhdx", ",format=raw")) {
		TAP_STR_EQ(b.file.format, "raw");
		TAP_EQ(vmm_disk_file_close(&b.file), 0);
	}
	free_bench(&b);
	(void)sh("rm -rf %s", folder);
}

TAP_MAIN()
