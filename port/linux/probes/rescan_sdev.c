/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <scsi/scsi_host.h>
void probe_rescan(struct scsi_device *sdev);
void probe_rescan(struct scsi_device *sdev)
{
	scsi_rescan_device(sdev);
}
