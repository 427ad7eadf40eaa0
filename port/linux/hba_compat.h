/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * As compat.h, of SCSI hosts.
 */
#ifndef PORT_LINUX_HBA_COMPAT_H
#define PORT_LINUX_HBA_COMPAT_H

#include <scsi/scsi_cmnd.h>
#include <scsi/scsi_device.h>
#include <scsi/scsi_host.h>

#if COMPAT_SCSI_QC_STATUS
typedef enum scsi_qc_status compat_queue_status;
#else
typedef int compat_queue_status;
#endif

#if COMPAT_SCSI_TIMEOUT_ACTION
typedef enum scsi_timeout_action compat_timeout_action;
#define COMPAT_WAIT_ON SCSI_EH_RESET_TIMER
#else
typedef enum blk_eh_timer_return compat_timeout_action;
#define COMPAT_WAIT_ON BLK_EH_RESET_TIMER
#endif

/* Of functions that differ in their last parameters, which ours do not use. */
#if COMPAT_SDEV_CONFIGURE
typedef int compat_configure_type(struct scsi_device *sdev, struct queue_limits *limits);
#define COMPAT_CONFIGURE_MORE , struct queue_limits *limits
#define COMPAT_LUN_ALLOC      sdev_init
#define COMPAT_LUN_CONFIGURE  sdev_configure
#else
typedef int compat_configure_type(struct scsi_device *sdev);
#define COMPAT_CONFIGURE_MORE
#define COMPAT_LUN_ALLOC     slave_alloc
#define COMPAT_LUN_CONFIGURE slave_configure
#endif

#if COMPAT_BIOS_PARAM_GENDISK
typedef struct gendisk compat_geometry_disk;
#else
typedef struct block_device compat_geometry_disk;
#endif
typedef int compat_geometry_type(struct scsi_device *sdev, compat_geometry_disk *disk,
				 sector_t capacity, int *geometry);

static inline void compat_scsi_done(struct scsi_cmnd *cmd)
{
#if COMPAT_SCSI_DONE
	scsi_done(cmd);
#else
	cmd->scsi_done(cmd);
#endif
}

static inline void compat_rescan_device(struct scsi_device *sdev)
{
#if COMPAT_RESCAN_SDEV
	scsi_rescan_device(sdev);
#else
	scsi_rescan_device(&sdev->sdev_gendev);
#endif
}

#endif
