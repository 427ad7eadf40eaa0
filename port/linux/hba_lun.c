/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Disks of a controller: what Linux is told of each, and how they come, change and go.
 */
#include <linux/blkdev.h>
#include <scsi/scsi_devinfo.h>

#include "hba.h"

/* --- one disk ------------------------------------------------------------------------------------------- */

int hba_lun_alloc(struct scsi_device *sdev)
{
	/* Hyper-V's disks have both, whatever version of SCSI they say they follow. */
	sdev->sdev_bflags = BLIST_REPORTLUN2 | BLIST_TRY_VPD_PAGES;
	return 0;
}

/* Hyper-V's own disks are newer than they say at these versions; only the newest hosts know WRITE SAME. */
int hba_lun_configure(struct scsi_device *sdev COMPAT_CONFIGURE_MORE)
{
	const u32 version = hvg_stor_info(hba_of(sdev->host)->stor)->version;

	blk_queue_rq_timeout(sdev->request_queue, HBA_COMMAND_SECONDS * HZ);
	sdev->no_report_opcodes = 1;
	sdev->no_write_same = 1;
	if (sdev->inquiry_len >= 16 && !strncmp(sdev->vendor, "Msft", 4)) {
		if ((version == HVP_STORVSP_5_1 || version == HVP_STORVSP_6_0) &&
		    sdev->scsi_level < SCSI_SPC_3)
			sdev->scsi_level = SCSI_SPC_3;
		if (version >= HVP_STORVSP_6_2)
			sdev->no_write_same = 0;
	}
	return 0;
}

/* As the host's own BIOS shows them. */
int hba_geometry(struct scsi_device *sdev, compat_geometry_disk *disk, sector_t capacity,
		 int *geometry)
{
	sector_t cylinders = capacity;

	geometry[0] = 255;
	geometry[1] = 63;
	sector_div(cylinders, 255 * 63);
	geometry[2] = cylinders;
	return 0;
}

/* --- marks ---------------------------------------------------------------------------------------------- */

/* In the place of a pointer to memory of ours: the structure is there as long as anybody uses it, whoever deletes the disk. */
static unsigned long *marks_of(struct scsi_device *sdev)
{
	BUILD_BUG_ON(sizeof(sdev->hostdata) != sizeof(unsigned long));
	return (unsigned long *)&sdev->hostdata;
}

/* Context A. */
void hba_lun_mark(struct hba *hba, struct scsi_device *sdev, enum hba_mark mark)
{
	if (!test_and_set_bit(mark, marks_of(sdev)))
		hvos_work_queue(&hba->luns);
}

void hba_run_luns(void *ctx)
{
	struct hba *hba = ctx;
	struct scsi_device *sdev;

	shost_for_each_device(sdev, hba->shost)
	{
		if (test_and_clear_bit(HBA_CHANGED, marks_of(sdev)))
			compat_rescan_device(sdev);
		if (test_and_clear_bit(HBA_GONE, marks_of(sdev)))
			scsi_remove_device(sdev);
	}
}

/* Those that are there are asked whether they still are: the answer marks those that are not. Then for new ones. */
void hba_run_scan(void *ctx)
{
	struct hba *hba = ctx;
	struct scsi_device *sdev;

	shost_for_each_device(sdev, hba->shost)(void) scsi_test_unit_ready(sdev, 30 * HZ, 1, NULL);
	if (!hba->kind->one_disk)
		scsi_scan_host(hba->shost);
}
