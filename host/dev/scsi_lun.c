/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The SCSI controller: disks come, go, and change their size, while commands use them.
 */
#include <errno.h>
#include <string.h>

#include "scsi_priv.h"

bool hvh_scsi_lun_present(const struct scsi *scsi, unsigned lun)
{
	return !(atomic_load(&scsi->lun[lun].users) & LUN_GONE_BIT);
}

struct scsi_lun *hvh_scsi_lun_get(struct scsi *scsi, const struct hvp_storvsp_srb *srb)
{
	struct scsi_lun *lun;
	uint32_t users;

	if (srb->path || srb->target || srb->lun >= HVH_SCSI_LUNS)
		return NULL;
	lun = &scsi->lun[srb->lun];
	users = atomic_load(&lun->users);
	do {
		if (users & LUN_GONE_BIT)
			return NULL;
	} while (!atomic_compare_exchange_weak(&lun->users, &users, users + 1));
	return lun;
}

/* Nobody uses it and nobody can begin to. */
static void release(struct scsi *scsi, struct scsi_lun *lun)
{
	void *disk = lun->disk.disk;

	atomic_store(&lun->state, LUN_EMPTY);
	scsi->backend->released(scsi->ctx, (unsigned)(lun - scsi->lun), disk);
}

void hvh_scsi_lun_put(struct scsi *scsi, struct scsi_lun *lun)
{
	if (atomic_fetch_sub(&lun->users, 1) - 1 == LUN_GONE_BIT)
		release(scsi, lun);
}

/* Have the guest look again: 4.2 was the first that could be told. */
static void changed(struct scsi *scsi)
{
	if (atomic_load(&scsi->state) != SCSI_READY || scsi->version < HVP_STORVSP_4_2)
		return;
	scsi->changed = true;
	hvh_scsi_flush(&scsi->device, 0);
}

static bool power_of_two(uint32_t value)
{
	return value && !(value & (value - 1));
}

static bool sound(const struct hvh_scsi_disk *disk)
{
	return (disk->block_bytes == 512 || disk->block_bytes == 4096) && disk->bytes &&
	       disk->bytes % disk->block_bytes == 0 && disk->bytes <= INT64_MAX &&
	       power_of_two(disk->physical_bytes) && disk->physical_bytes >= disk->block_bytes &&
	       disk->unmap_bytes % disk->block_bytes == 0 &&
	       memchr(disk->serial, '\0', sizeof(disk->serial));
}

int hvh_scsi_add(struct hvh_device *device, unsigned index, const struct hvh_scsi_disk *disk)
{
	struct scsi *scsi = (struct scsi *)device;
	struct scsi_lun *lun;

	if (index >= HVH_SCSI_LUNS || !sound(disk))
		return -EINVAL;
	lun = &scsi->lun[index];
	if (atomic_load(&lun->state) != LUN_EMPTY)
		return atomic_load(&lun->state) == LUN_PRESENT ? -EEXIST : -EBUSY;
	lun->disk = *disk;
	lun->shift = disk->block_bytes == 512 ? 9 : 12;
	atomic_store(&lun->blocks, disk->bytes >> lun->shift);
	atomic_store(&lun->attentions, 0);
	atomic_store(&lun->write_cache, true);
	atomic_store(&lun->state, LUN_PRESENT);
	atomic_store(&lun->users, 0);
	changed(scsi);
	return 0;
}

int hvh_scsi_remove(struct hvh_device *device, unsigned index)
{
	struct scsi *scsi = (struct scsi *)device;
	struct scsi_lun *lun;

	if (index >= HVH_SCSI_LUNS)
		return -EINVAL;
	lun = &scsi->lun[index];
	if (atomic_load(&lun->state) != LUN_PRESENT)
		return -ENOENT;
	atomic_store(&lun->state, LUN_LEAVING);
	if (!atomic_fetch_or(&lun->users, LUN_GONE_BIT))
		release(scsi, lun);
	changed(scsi);
	return 0;
}

int hvh_scsi_resize(struct hvh_device *device, unsigned index, uint64_t bytes)
{
	struct scsi *scsi = (struct scsi *)device;
	struct scsi_lun *lun;

	if (index >= HVH_SCSI_LUNS)
		return -EINVAL;
	lun = &scsi->lun[index];
	if (atomic_load(&lun->state) != LUN_PRESENT)
		return -ENOENT;
	if (!bytes || bytes % lun->disk.block_bytes || bytes > INT64_MAX)
		return -EINVAL;
	if (atomic_exchange(&lun->blocks, bytes >> lun->shift) != bytes >> lun->shift)
		atomic_fetch_or(&lun->attentions, ATTENTION_CAPACITY);
	/* Whoever looks again sends a command, and gets the attention with it: Linux tests each disk it knows. */
	changed(scsi);
	return 0;
}
