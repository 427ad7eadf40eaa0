/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <scsi/scsi_host.h>
static int probe_configure(struct scsi_device *sdev, struct queue_limits *limits)
{
	return 0;
}
extern const struct scsi_host_template probe_template;
const struct scsi_host_template probe_template = { .sdev_configure = probe_configure };
