/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Power cuts. A guest writes, zeroes, gives back and flushes, several requests at a time, to a disk in a file that remembers
 * all that is done to it. Of that, states are built that a cut can leave: all that a sync covered, and of the rest any part,
 * in any order, torn between sectors of 512 bytes. Each must open; each sector must hold what the last write to it that was
 * durable has left there, or a later one; and where a sync is none, the same checks must fail.
 *
 * Order that is taken for granted: changes of the file's size are done in their order.
 *
 * HVIS_CRASH_STATES: how many states of each kind of disk (1000); each is also shown to qemu-img then, not one in fifty.
 */
#include <errno.h>
#include <unistd.h>

#include "fuzz/image_driver.h"
#include "fuzz/image_maker.h"
#include "tap.h"
#include "vmm/image/store.h"

#define SECTOR	     512u
#define HOT_BLOCKS   24u /* blocks of the disk that are written to … */
#define HOT_SECTORS  128u /* … their first so many sectors */
#define REQUESTS     160u
#define IN_FLIGHT    6u
#define STATES	     1000u
#define RUN_STATES   100u /* of one guest */
#define QEMU_EVERY   50u
#define FEW	     5u /* of the states, where few do */
#define TORN_PERCENT 60u

/* What a request did, and when: `ops` counts changes of the file, `event` all that is seen. */
struct trace {
	enum hvh_disk_op op;
	bool durable, done;
	uint64_t issued_ops, done_ops, begin_event, done_event;
	bool holds; /* of the state that is looked at: durable */
};

struct world {
	enum image_kind kind;
	struct image_maker maker;
	int base, disk, durable, state, inner;
	struct vmm_disk_file file;
	uint64_t hot[HOT_BLOCKS]; /* their blocks */
	struct trace trace[REQUESTS];
	uint8_t *history[HOT_BLOCKS * HOT_SECTORS]; /* numbers of requests, in order */
	unsigned length[HOT_BLOCKS * HOT_SECTORS];
	uint64_t event;
	unsigned states, replays, inner_replays, judged;
	unsigned wrong; /* sectors */
	unsigned unopened;
	char why[256];
};
_Static_assert(REQUESTS <= 256, "a request's number is a byte in the histories");

static uint64_t below(uint64_t n)
{
	return tap_random() % n;
}

/* --- the guest --------------------------------------------------------------------------------------- */

struct slot {
	struct image_request request;
	unsigned id;
	bool busy;
	unsigned first, count; /* hot sectors; 0: a flush */
	uint8_t data[HOT_SECTORS * SECTOR];
};

static void fill(uint8_t *to, unsigned sector, unsigned id)
{
	uint64_t words[SECTOR / 8];

	for (unsigned i = 0; i < SECTOR / 8; i++)
		words[i] = (uint64_t)(id + 1) << 32 | (uint64_t)sector << 8 | i;
	memcpy(to, words, SECTOR);
}

static bool overlaps(const struct slot *slot, unsigned first, unsigned count)
{
	for (unsigned i = 0; i < IN_FLIGHT; i++)
		if (slot[i].busy && slot[i].count && first < slot[i].first + slot[i].count &&
		    slot[i].first < first + count)
			return true;
	return false;
}

static void remember(struct world *w, unsigned first, unsigned count, unsigned id)
{
	for (unsigned s = first; s < first + count; s++)
		w->history[s][w->length[s]++] = (uint8_t)id;
}

/* What the guest does next; false: not while those others are under way. */
static bool issue(struct world *w, struct slot *slot, struct slot *all, unsigned id)
{
	unsigned what = (unsigned)below(20), block = (unsigned)below(HOT_BLOCKS), bit;
	unsigned sector = (unsigned)below(HOT_SECTORS);
	struct hvh_disk_io *io = &slot->request.io;
	uint64_t offset, bytes;

	slot->count = 1 + (unsigned)below(HOT_SECTORS - sector);
	if (what < 2) { /* all of the block */
		sector = 0;
		slot->count = HOT_SECTORS;
	}
	slot->first = block * HOT_SECTORS + sector;
	if (what < 17 && overlaps(all, slot->first, slot->count))
		return false;
	offset = w->hot[block] * w->maker.block_bytes + sector * SECTOR;
	bytes = slot->count * SECTOR;
	memset(io, 0, sizeof(*io));
	io->durable = below(4) == 0;
	if (what >= 17) {
		io->op = HVH_DISK_FLUSH;
		slot->count = 0;
	} else if (what < 4) {
		io->op = HVH_DISK_ZERO;
		io->unmap = what < 3;
		bytes = what < 2 ? w->maker.block_bytes : bytes;
	} else {
		io->op = HVH_DISK_WRITE;
		for (bit = 0; bit < slot->count; bit++)
			fill(slot->data + bit * SECTOR, slot->first + bit, id);
	}
	slot->id = id;
	slot->busy = true;
	w->trace[id] = (struct trace){ .op = io->op,
				       .durable = io->durable,
				       .issued_ops = memory_store_of(w->disk)->ops,
				       .begin_event = ++w->event };
	if (slot->count)
		remember(w, slot->first, slot->count, id);
	image_request_begin(&w->file, &slot->request, io->op, offset, bytes,
			    io->op == HVH_DISK_WRITE ? slot->data : NULL);
	return true;
}

static void finish(struct world *w, struct slot *slot)
{
	struct trace *trace = &w->trace[slot->id];

	TAP_EQ(slot->request.io.result, 0);
	trace->done = true;
	trace->done_ops = memory_store_of(w->disk)->ops;
	trace->done_event = ++w->event;
	slot->busy = false;
}

static void run_guest(struct world *w)
{
	static struct slot slot[IN_FLIGHT];
	bool closes = below(2);
	unsigned id = 0;

	memset(slot, 0, sizeof(slot));
	while (id < REQUESTS) {
		struct slot *s = &slot[below(IN_FLIGHT)];

		if (!s->busy)
			id += issue(w, s, slot, id);
		else if (!s->request.more || !image_request_step(&w->file, &s->request))
			finish(w, s);
	}
	/* Those that are under way stay so: the power is cut. Or all comes to its end, and it is cut meanwhile. */
	for (unsigned i = 0; i < IN_FLIGHT && closes; i++) {
		if (!slot[i].busy)
			continue;
		while (slot[i].request.more)
			(void)image_request_step(&w->file, &slot[i].request);
		finish(w, &slot[i]);
	}
	if (closes)
		TAP_EQ(image_driver_close(&w->file), 0);
}

/* --- what a cut can leave ---------------------------------------------------------------------------- */

struct pieces {
	struct memory_op *op;
	unsigned count, max;
};

static void add_piece(struct pieces *p, struct memory_op op)
{
	if (p->count == p->max) {
		p->max = p->max ? 2 * p->max : 256;
		p->op = realloc(p->op, p->max * sizeof(*p->op));
	}
	p->op[p->count++] = op;
}

/* Data between two changes of the size reaches the medium in any order. */
static void put_pieces(int fd, struct pieces *p, bool shuffled)
{
	for (unsigned i = 0; i < p->count; i++) {
		unsigned k = shuffled ? i + (unsigned)below(p->count - i) : i;
		struct memory_op op = p->op[k];

		p->op[k] = p->op[i];
		memory_store_apply(fd, &op);
	}
	p->count = 0;
}

/* Those sectors of a write that get there; `percent` of them, or if it is not torn, all or none. */
static void tear(struct pieces *p, const struct memory_op *op, unsigned percent, bool torn)
{
	uint64_t at = 0;

	if (!torn && below(100) < percent)
		add_piece(p, *op);
	if (!torn)
		return;
	while (at < op->bytes) {
		uint64_t step = SECTOR - (op->at + at) % SECTOR;

		if (step > op->bytes - at)
			step = op->bytes - at;
		if (below(100) < percent)
			add_piece(p, (struct memory_op){ .kind = op->kind,
							 .at = op->at + at,
							 .bytes = step,
							 .data = op->data + at });
		at += step;
	}
}

/* `to` holds what was synced; of the changes from..end of `of` a part comes on top. */
static void cut(int to, const struct memory_store *of, unsigned from, unsigned end)
{
	static const unsigned percents[] = { 0, 10, 50, 50, 90, 100 };
	static struct pieces pieces;
	unsigned percent = percents[below(6)], resizes = 0, left;
	bool torn = below(100) < TORN_PERCENT, shuffled = below(2);

	for (unsigned i = from; i < end; i++)
		resizes += of->op[i].kind == MEMORY_RESIZE;
	left = (unsigned)below(resizes + 1);
	for (unsigned i = from; i < end; i++) {
		const struct memory_op *op = &of->op[i];

		if (op->kind == MEMORY_RESIZE && left) {
			put_pieces(to, &pieces, shuffled);
			memory_store_apply(to, op);
			left--;
		} else if (op->kind == MEMORY_ZERO && below(100) < percent) {
			put_pieces(to, &pieces, shuffled);
			memory_store_apply(to, op);
		} else if (op->kind == MEMORY_WRITE && op->durable) {
			/* What was written there before does not come after it. */
			put_pieces(to, &pieces, shuffled);
			memory_store_apply(to, op);
		} else if (op->kind == MEMORY_WRITE) {
			tear(&pieces, op, percent, torn);
		}
	}
	put_pieces(to, &pieces, shuffled);
}

/* --- what must be there ------------------------------------------------------------------------------ */

/* Which requests are durable at a cut after so many changes of the file. */
static void find_durable(struct world *w, uint64_t ops)
{
	for (unsigned i = 0; i < REQUESTS; i++) {
		struct trace *t = &w->trace[i];

		t->holds = t->durable && t->done && t->done_ops <= ops;
		for (unsigned f = 0; f < REQUESTS && !t->holds; f++)
			t->holds = t->done && w->trace[f].op == HVH_DISK_FLUSH &&
				   w->trace[f].done && w->trace[f].done_ops <= ops &&
				   w->trace[f].begin_event > t->done_event;
	}
}

/* Which request has written these bytes: its number; REQUESTS: zeros; -1: none, or a part of one. */
static int writer_of(const uint8_t *is, unsigned sector)
{
	static const uint8_t zeros[SECTOR];
	uint8_t expected[SECTOR];
	uint32_t number;

	memcpy(&number, is + 4, sizeof(number));
	if (!number)
		return memcmp(is, zeros, SECTOR) ? -1 : (int)REQUESTS;
	if (number > REQUESTS)
		return -1;
	fill(expected, sector, number - 1);
	return memcmp(is, expected, SECTOR) ? -1 : (int)number - 1;
}

static bool sector_is_right(const struct world *w, unsigned s, const uint8_t *is, uint64_t ops)
{
	const int writer = writer_of(is, s);

	for (unsigned i = w->length[s]; i-- > 0;) {
		const unsigned id = w->history[s][i];
		const struct trace *t = &w->trace[id];

		if (t->issued_ops > ops)
			continue;
		if (writer == (t->op == HVH_DISK_ZERO ? (int)REQUESTS : (int)id))
			return true;
		if (t->holds)
			return false;
	}
	return writer == (int)REQUESTS;
}

static void check_sectors(struct world *w, const struct vmm_disk_file *file, uint64_t ops)
{
	static uint8_t bytes[HOT_SECTORS * SECTOR];

	find_durable(w, ops);
	for (unsigned b = 0; b < HOT_BLOCKS; b++) {
		if (image_io(file, HVH_DISK_READ, 0, w->hot[b] * w->maker.block_bytes,
			     sizeof(bytes), bytes))
			w->wrong++;
		for (unsigned s = 0; s < HOT_SECTORS; s++)
			w->wrong +=
				!sector_is_right(w, b * HOT_SECTORS + s, bytes + s * SECTOR, ops);
	}
}

/* The power is cut again, while the log is being replayed. */
static void cut_again(struct world *w, uint64_t ops)
{
	struct memory_store *s = memory_store_of(w->state);
	unsigned end = (unsigned)below(s->ops + 1), from = 0;
	struct vmm_disk_file file;

	for (unsigned i = 0; i < end; i++) {
		if (s->op[i].kind != MEMORY_SYNC)
			continue;
		for (; from < i; from++)
			memory_store_apply(w->inner, &s->op[from]);
	}
	cut(w->inner, s, from, end);
	if (image_driver_open(w->inner, w->kind, false, &file, w->why)) {
		w->unopened++;
		return;
	}
	w->inner_replays += vmm_disk_image_facts(file.image)->replayed;
	check_sectors(w, &file, ops);
	(void)image_driver_close(&file);
}

static void judge(struct world *w)
{
	char path[64], command[256];
	bool vhdx = w->kind == IMAGE_VHDX;

	if (w->kind == IMAGE_RAW || system("command -v qemu-img > /dev/null"))
		return;
	snprintf(path, sizeof(path), "%s/hvis-crash-%d",
		 access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm", (int)getpid());
	TAP_CHECK(memory_store_save(w->state, path));
	/* QEMU has no check for VHD; it opens it, as we do, by what is at its beginning. */
	snprintf(command, sizeof(command), "qemu-img %s -f %s %s > /dev/null 2>&1",
		 vhdx ? "check -r all" : "info", vhdx ? "vhdx" : "vpc", path);
	tap_note(!system(command), __FILE__, __LINE__, "not in order: %s", command);
	if (vhdx) {
		snprintf(command, sizeof(command), "qemu-img check -f vhdx %s > /dev/null 2>&1",
			 path);
		tap_note(!system(command), __FILE__, __LINE__, "not in order: %s", command);
	}
	unlink(path);
	w->judged++;
}

static void look_at_state(struct world *w, uint64_t ops, bool asks_qemu)
{
	struct vmm_disk_file file;
	bool replayed = false, twice = w->kind == IMAGE_VHDX && below(4) == 0;

	w->states++;
	if (asks_qemu)
		judge(w);
	if (twice)
		memory_store_copy(w->inner, w->state);
	memory_store_of(w->state)->records = twice;
	if (image_driver_open(w->state, w->kind, false, &file, w->why)) {
		w->unopened++;
		memory_store_forget(w->state);
		return;
	}
	replayed = file.image && vmm_disk_image_facts(file.image)->replayed;
	w->replays += replayed;
	check_sectors(w, &file, ops);
	if (replayed && twice)
		cut_again(w, ops);
	memory_store_of(w->state)->records = false;
	memory_store_forget(w->state);
	if (image_driver_close(&file))
		w->unopened++;
}

/* --- all together ------------------------------------------------------------------------------------ */

static unsigned states_wanted(void)
{
	const char *number = getenv("HVIS_CRASH_STATES");

	return number ? (unsigned)strtoul(number, NULL, 0) : STATES;
}

/* Blocks that were written before, and given back: their places are other blocks' now, and what was there must not come to light. */
static void leave_places(struct world *w)
{
	static const unsigned blocks[] = { 1, 3, 100, 101, 510 };
	static uint8_t bytes[1 << 20];
	struct vmm_disk_file file;

	if (!TAP_EQ(image_driver_open(w->disk, w->kind, false, &file, w->why), 0))
		return;
	memset(bytes, 0xab, sizeof(bytes));
	for (unsigned i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++) {
		uint64_t at = (uint64_t)blocks[i] * sizeof(bytes);

		TAP_EQ(image_io(&file, HVH_DISK_WRITE, 0, at, sizeof(bytes), bytes), 0);
		TAP_EQ(image_io(&file, HVH_DISK_ZERO, IMAGE_UNMAP, at, sizeof(bytes), NULL), 0);
	}
	TAP_EQ(image_driver_close(&file), 0);
}

static void begin_world(struct world *w, bool lies)
{
	for (unsigned i = 0; i < HOT_BLOCKS; i++)
		/* Some next to each other, some on the next page of the table. */
		w->hot[i] = i < 12 ? i : 500 + i;
	w->base = memory_store_create();
	w->disk = memory_store_create();
	w->durable = memory_store_create();
	w->state = memory_store_create();
	w->inner = memory_store_create();
	if (w->kind == IMAGE_VHDX)
		image_make_vhdx(w->disk, &w->maker);
	else if (w->kind == IMAGE_VHD)
		image_make_vhd(w->disk, &w->maker);
	else
		TAP_EQ(vmm_store_resize(w->disk, w->maker.bytes), 0);
	if (w->kind == IMAGE_VHDX && !w->maker.fixed)
		leave_places(w);
	memory_store_copy(w->base, w->disk);
	memory_store_of(w->disk)->records = true;
	memory_store_of(w->disk)->lies = lies;
	for (unsigned s = 0; s < HOT_BLOCKS * HOT_SECTORS; s++) {
		w->history[s] = malloc(REQUESTS);
		w->length[s] = 0;
	}
	memset(w->trace, 0, sizeof(w->trace));
	w->event = 0;
}

static void end_world(struct world *w)
{
	for (unsigned s = 0; s < HOT_BLOCKS * HOT_SECTORS; s++)
		free(w->history[s]);
	if (w->file.image)
		(void)image_driver_close(&w->file);
	memory_store_destroy(w->base);
	memory_store_destroy(w->disk);
	memory_store_destroy(w->durable);
	memory_store_destroy(w->state);
	memory_store_destroy(w->inner);
}

/* One guest, and states that cuts at any time leave of it, in order of their time. */
static void one_guest(struct world *w, bool lies)
{
	const struct memory_store *s;
	unsigned from = 0, done = 0;

	begin_world(w, lies);
	if (!TAP_EQ(image_driver_open(w->disk, w->kind, false, &w->file, w->why), 0))
		return;
	run_guest(w);
	s = memory_store_of(w->disk);
	memory_store_copy(w->durable, w->base);
	for (unsigned end = 0; end <= s->ops; end++) {
		if (end && s->op[end - 1].kind == MEMORY_SYNC)
			for (; from < end; from++)
				memory_store_apply(w->durable, &s->op[from]);
		/* So many of them that the last is at the end. */
		for (; done * s->ops < end * RUN_STATES; done++) {
			memory_store_copy(w->state, w->durable);
			cut(w->state, s, from, end);
			look_at_state(w, end,
				      !lies && (states_wanted() > STATES ||
						w->states % QEMU_EVERY == 0));
		}
	}
	end_world(w);
}

static void cut_power(enum image_kind kind, const struct image_maker *maker, bool lies)
{
	struct world *w = calloc(1, sizeof(*w));
	unsigned wanted;

	w->kind = kind;
	w->maker = *maker;
	wanted = lies || maker->fixed ? states_wanted() / FEW : states_wanted();
	while (w->states < wanted)
		one_guest(w, lies);
	printf("# %u states: %u not opened, %u sectors wrong; %u replayed, %u of them again after a cut; qemu-img saw %u\n",
	       w->states, w->unopened, w->wrong, w->replays, w->inner_replays, w->judged);
	if (lies) {
		/* Without syncs none of this is true: the checks see it. */
		TAP_CHECK(w->wrong > 0);
	} else {
		tap_note(!w->unopened, __FILE__, __LINE__, "%u not opened: %s", w->unopened,
			 w->why);
		TAP_EQ(w->wrong, 0);
		TAP_CHECK(kind == IMAGE_RAW || maker->fixed || w->replays > 0);
		TAP_CHECK(kind != IMAGE_VHDX || maker->fixed || w->inner_replays > 0);
	}
	free(w);
}

static const struct image_maker large = { 600ull << 20, 1 << 20, SECTOR, false };
static const struct image_maker fixed = { 600ull << 20, 1 << 20, SECTOR, true };

TAP_TEST(raw_disks_hold_what_was_flushed)
{
	cut_power(IMAGE_RAW, &large, false);
}

TAP_TEST(dynamic_vhds_hold_what_was_flushed)
{
	cut_power(IMAGE_VHD, &large, false);
}

TAP_TEST(dynamic_vhdxs_hold_what_was_flushed)
{
	cut_power(IMAGE_VHDX, &large, false);
}

TAP_TEST(fixed_images_hold_what_was_flushed)
{
	cut_power(IMAGE_VHD, &fixed, false);
	cut_power(IMAGE_VHDX, &fixed, false);
}

TAP_TEST(a_flush_that_does_nothing_is_noticed)
{
	cut_power(IMAGE_RAW, &large, true);
	cut_power(IMAGE_VHD, &large, true);
	cut_power(IMAGE_VHDX, &large, true);
}

TAP_MAIN()
