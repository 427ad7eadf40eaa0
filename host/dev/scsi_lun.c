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

/* One more that uses it, unless it is gone. */
static bool take(_Atomic uint32_t *users)
{
	uint32_t before = atomic_load(users);

	do {
		if (before & LUN_GONE_BIT)
			return false;
	} while (!atomic_compare_exchange_weak(users, &before, before + 1));
	return true;
}

struct scsi_lun *hvh_scsi_lun_get(struct scsi *scsi, const struct hvp_storvsp_srb *srb)
{
	if (srb->path || srb->target || srb->lun >= HVH_SCSI_LUNS)
		return NULL;
	return take(&scsi->lun[srb->lun].users) ? &scsi->lun[srb->lun] : NULL;
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

/* --- media ------------------------------------------------------------------------------------------- */

bool hvh_scsi_medium_present(const struct scsi_lun *lun)
{
	return !(atomic_load(&lun->medium_users) & LUN_GONE_BIT);
}

bool hvh_scsi_medium_get(struct scsi_lun *lun)
{
	return take(&lun->medium_users);
}

static void ejected(struct scsi *scsi, struct scsi_lun *lun)
{
	/* First, so that the embedder finds it so. */
	atomic_store(&lun->medium_out, true);
	scsi->backend->ejected(scsi->ctx, (unsigned)(lun - scsi->lun), lun->disk.disk);
}

void hvh_scsi_medium_put(struct scsi *scsi, struct scsi_lun *lun)
{
	if (atomic_fetch_sub(&lun->medium_users, 1) - 1 == LUN_GONE_BIT)
		ejected(scsi, lun);
}

bool hvh_scsi_medium_eject(struct scsi *scsi, struct scsi_lun *lun)
{
	uint32_t users = atomic_fetch_or(&lun->medium_users, LUN_GONE_BIT);

	if (users & LUN_GONE_BIT)
		return false;
	atomic_fetch_or(&lun->events, EVENT_REMOVAL);
	if (!users)
		ejected(scsi, lun);
	return true;
}

/* The drive at that place; NULL: there is none. */
static struct scsi_lun *drive_at(struct scsi *scsi, unsigned index)
{
	struct scsi_lun *lun = index < HVH_SCSI_LUNS ? &scsi->lun[index] : NULL;

	return lun && atomic_load(&lun->state) == LUN_PRESENT && lun->disk.dvd ? lun : NULL;
}

int hvh_scsi_eject(struct hvh_device *device, unsigned index)
{
	struct scsi *scsi = (struct scsi *)device;
	struct scsi_lun *lun = drive_at(scsi, index);

	if (!lun)
		return -EINVAL;
	if (!hvh_scsi_medium_present(lun))
		return -ENOMEDIUM;
	if (atomic_load(&lun->locked)) {
		atomic_fetch_or(&lun->events, EVENT_EJECT_REQUEST);
		return -EPERM;
	}
	return hvh_scsi_medium_eject(scsi, lun) ? 0 : -ENOMEDIUM;
}

int hvh_scsi_insert(struct hvh_device *device, unsigned index, uint64_t bytes)
{
	struct scsi *scsi = (struct scsi *)device;
	struct scsi_lun *lun = drive_at(scsi, index);

	if (!lun || !bytes || bytes % HVP_DVD_BLOCK || bytes > INT64_MAX)
		return -EINVAL;
	if (!atomic_load(&lun->medium_out))
		return -EBUSY;
	atomic_store(&lun->blocks, bytes >> lun->shift);
	atomic_store(&lun->medium_out, false);
	atomic_fetch_or(&lun->events, EVENT_NEW);
	atomic_fetch_or(&lun->attentions, ATTENTION_MEDIUM);
	atomic_store(&lun->medium_users, 0);
	return 0;
}

/* --- disks ------------------------------------------------------------------------------------------- */

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

static bool sound_drive(const struct hvh_scsi_disk *disk)
{
	return disk->block_bytes == HVP_DVD_BLOCK && disk->physical_bytes == HVP_DVD_BLOCK &&
	       disk->bytes % HVP_DVD_BLOCK == 0 && disk->bytes <= INT64_MAX && disk->read_only &&
	       !disk->unmap_bytes && memchr(disk->serial, '\0', sizeof(disk->serial));
}

static bool sound(const struct hvh_scsi_disk *disk)
{
	if (disk->dvd)
		return sound_drive(disk);
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

	if (index >= HVH_SCSI_LUNS || !sound(disk) || (disk->dvd && !scsi->backend->ejected))
		return -EINVAL;
	lun = &scsi->lun[index];
	if (atomic_load(&lun->state) != LUN_EMPTY)
		return atomic_load(&lun->state) == LUN_PRESENT ? -EEXIST : -EBUSY;
	lun->disk = *disk;
	lun->shift = disk->dvd ? 11 : disk->block_bytes == 512 ? 9 : 12;
	atomic_store(&lun->blocks, disk->bytes >> lun->shift);
	atomic_store(&lun->attentions, 0);
	atomic_store(&lun->write_cache, !disk->dvd);
	atomic_store(&lun->locked, false);
	atomic_store(&lun->events, 0);
	atomic_store(&lun->medium_out, disk->dvd && !disk->bytes);
	atomic_store(&lun->medium_users, disk->dvd && !disk->bytes ? LUN_GONE_BIT : 0);
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
	if (lun->disk.dvd || !bytes || bytes % lun->disk.block_bytes || bytes > INT64_MAX)
		return -EINVAL;
	if (atomic_exchange(&lun->blocks, bytes >> lun->shift) != bytes >> lun->shift)
		atomic_fetch_or(&lun->attentions, ATTENTION_CAPACITY);
	/* Whoever looks again sends a command, and gets the attention with it: Linux tests each disk it knows. */
	changed(scsi);
	return 0;
}
