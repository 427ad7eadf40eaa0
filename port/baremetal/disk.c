/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Disks of the bare-metal guest: finds them, says how large they are, and with disk=copy on the command line copies the first
 * bytes of each, inverted, to its end and reads them again.
 */
#include "bm.h"
#include "hvg/hvg_stor.h"
#include "hvw_pkt.h"
#include "hvw_scsi.h"

#define LUNS	   8u
#define PAGES	   16u
#define PART	   (PAGES * HVP_PAGE_SIZE)
#define COPY_BYTES (1u << 20)
#define WAIT_MS	   60000u
#define TRIES	   8u /* of what finds a unit attention */

/* Of the first byte of INQUIRY data: no disk here. */
#define NO_DISK 0x7fu

static struct {
	struct hvg_stor *stor; /* NULL: none; of several controllers the first */
	struct hvos_event over;
	struct hvos_shared memory[2]; /* of PAGES each */
	struct hvg_stor_request request;
	bool stuck; /* the host has not given it back */
	uint64_t ranges[PAGES + 2];
} disk;

/* --- one command at a time ------------------------------------------------------------------------------ */

static void done(void *ctx, struct hvg_stor_request *request)
{
	(void)ctx;
	(void)request;
	hvos_event_set(&disk.over);
}

static void room(void *ctx, unsigned queue)
{
	(void)ctx;
	(void)queue;
}

static void rescan(void *ctx)
{
	(void)ctx;
	bm_printf("disk: something has come or gone\n");
}

static const struct hvg_stor_ops ops = { done, room, rescan };

static int describe(const struct hvos_shared *memory, uint32_t bytes)
{
	struct hvw_gpa_writer writer;
	uint64_t *pages;
	uint32_t count, i;
	int err = hvw_gpa_writer_init(&writer, disk.ranges, sizeof(disk.ranges));

	if (err)
		return err;
	pages = hvw_gpa_writer_range(&writer, 0, bytes, &count);
	if (!pages)
		return -EINVAL;
	for (i = 0; i < count; i++)
		pages[i] = hvos_shared_gpn(memory, i);
	disk.request.ranges = disk.ranges;
	disk.request.ranges_len = (uint32_t)hvw_gpa_writer_finish(&writer);
	return 0;
}

/* 0: good. -EIO: the disk says no; -ETIMEDOUT: the host has the request still, and there is no other. */
static int command(uint8_t lun, const struct hvw_cdb *cdb, uint8_t data_in, unsigned memory,
		   uint32_t bytes)
{
	struct hvg_stor_request *request = &disk.request;
	int err;

	if (disk.stuck)
		return -ETIMEDOUT;
	*request = (struct hvg_stor_request){ .lun = lun, .data_in = data_in, .bytes = bytes };
	request->cdb_length = (uint8_t)hvw_cdb_bytes(cdb->op);
	hvw_cdb_build(request->cdb, cdb);
	err = bytes ? describe(&disk.memory[memory], bytes) : 0;
	if (err)
		return err;
	hvos_event_reset(&disk.over);
	err = hvg_stor_submit(disk.stor, cdb->lba & 1, request);
	if (!err)
		err = hvos_event_wait(&disk.over, WAIT_MS);
	disk.stuck = err == -ETIMEDOUT;
	if (err)
		return err;
	if (request->err)
		return request->err;
	return request->srb_status == HVP_SRB_SUCCESS && !request->scsi_status ? 0 : -EIO;
}

/* --- disks ---------------------------------------------------------------------------------------------- */

static bool is_there(uint8_t lun)
{
	const struct hvw_cdb inquiry = { .op = HVP_SCSI_INQUIRY, .length = 36 };
	const struct hvw_cdb ready = { .op = HVP_SCSI_TEST_UNIT_READY };
	unsigned tries;

	if (command(lun, &inquiry, HVP_STORVSP_READ, 0, 36) ||
	    *(const uint8_t *)disk.memory[0].base == NO_DISK)
		return false;
	for (tries = 0; tries < TRIES; tries++)
		if (!command(lun, &ready, HVP_STORVSP_NO_DATA, 0, 0))
			return true;
	bm_printf("disk %u: is not ready\n", lun);
	return false;
}

static int transfer(uint8_t lun, uint8_t op, uint64_t lba, uint32_t blocks, unsigned memory)
{
	const struct hvw_cdb cdb = { .op = op, .lba = lba, .length = blocks };

	return command(lun, &cdb, op == HVP_SCSI_READ_10 ? HVP_STORVSP_READ : HVP_STORVSP_WRITE,
		       memory, PART);
}

static void invert(uint64_t *words)
{
	unsigned i;

	for (i = 0; i < PART / sizeof(*words); i++)
		words[i] = ~words[i];
}

static bool same(const uint64_t *a, const uint64_t *b)
{
	unsigned i;

	for (i = 0; i < PART / sizeof(*a) && a[i] == b[i]; i++)
		;
	return i == PART / sizeof(*a);
}

/* The beginning goes to the end; 0: it was read there again. */
static int copy(uint8_t lun, uint64_t blocks, uint32_t block_bytes)
{
	const struct hvw_cdb flush = { .op = HVP_SCSI_SYNCHRONIZE_CACHE_10 };
	const uint32_t step = PART / block_bytes, all = COPY_BYTES / block_bytes;
	uint32_t at;
	int err = 0;

	for (at = 0; !err && at < all; at += step) {
		err = transfer(lun, HVP_SCSI_READ_10, at, step, 0);
		invert(disk.memory[0].base);
		if (!err)
			err = transfer(lun, HVP_SCSI_WRITE_10, blocks - all + at, step, 0);
		if (!err)
			err = transfer(lun, HVP_SCSI_READ_10, blocks - all + at, step, 1);
		if (!err && !same(disk.memory[0].base, disk.memory[1].base))
			err = -EPROTO;
	}
	return err ? err : command(lun, &flush, HVP_STORVSP_NO_DATA, 0, 0);
}

static void look(uint8_t lun, bool wants_copy)
{
	const struct hvw_cdb cdb = { .op = HVP_SCSI_READ_CAPACITY_10 };
	struct hvp_capacity_10 capacity;
	uint32_t block_bytes;
	uint64_t blocks;
	int err;

	if (!is_there(lun))
		return;
	err = command(lun, &cdb, HVP_STORVSP_READ, 0, sizeof(capacity));
	if (err) {
		bm_printf("disk %u: its size is not known: error %d\n", lun, -err);
		return;
	}
	hvw_memcpy(&capacity, disk.memory[0].base, sizeof(capacity));
	blocks = (uint64_t)hvw_be32(capacity.last) + 1;
	block_bytes = hvw_be32(capacity.block_bytes);
	bm_printf("disk %u: %lu blocks of %u bytes\n", lun, blocks, block_bytes);
	if (!wants_copy)
		return;
	if ((block_bytes != 512 && block_bytes != 4096) || blocks < 2 * COPY_BYTES / block_bytes) {
		bm_printf("disk %u: too small to copy\n", lun);
		return;
	}
	err = copy(lun, blocks, block_bytes);
	if (err)
		bm_printf("disk %u: error %d\n", lun, -err);
	else
		bm_printf("disk %u: copied %u bytes, and read them again\n", lun, COPY_BYTES);
}

/* --- life ----------------------------------------------------------------------------------------------- */

static void free_memory(void)
{
	unsigned i;

	for (i = 0; i < 2; i++)
		if (disk.memory[i].base)
			(void)!hvos_shared_free(&disk.memory[i]);
}

static int attach(struct hvg_device *device)
{
	const struct hvg_stor_config config = {
		.version_max = HVP_STORVSP_6_2,
		.queues = 2,
		.depth = 4,
		.ring_pages = 5,
		.timeout_seconds = 60,
	};
	struct hvg_stor *stor;
	char value[8];
	uint8_t lun;
	int err;

	if (disk.stor)
		return -EBUSY;
	err = hvg_stor_create(device, &config, &ops, NULL, &stor);
	if (err)
		return err;
	hvos_event_init(&disk.over);
	err = hvos_shared_alloc(&disk.memory[0], PAGES);
	if (!err)
		err = hvos_shared_alloc(&disk.memory[1], PAGES);
	if (!err) {
		hvg_device_set_data(device, stor);
		err = hvg_stor_attach(stor);
	}
	if (err) {
		free_memory();
		hvg_stor_destroy(stor);
		return err;
	}
	disk.stor = stor;
	disk.stuck = false;
	for (lun = 0; lun < LUNS; lun++)
		look(lun, bm_option("disk", value, sizeof(value)));
	bm_printf("disk: that is all\n");
	return 0;
}

static void detach(struct hvg_device *device)
{
	struct hvg_stor *stor = hvg_device_data(device);

	hvg_stor_detach(stor);
	disk.stor = NULL;
	free_memory();
	hvg_stor_destroy(stor);
}

const struct hvg_driver bm_disk_driver = {
	.name = "storage",
	.class_id = HVP_CLASS_SCSI,
	.attach = attach,
	.detach = detach,
	.subchannel = hvg_stor_device_subchannel,
	.subchannel_gone = hvg_stor_device_subchannel_gone,
};
