/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <scsi/scsi_host.h>
static enum scsi_timeout_action probe_timed_out(struct scsi_cmnd *cmd)
{
	return SCSI_EH_RESET_TIMER;
}
extern const struct scsi_host_template probe_template;
const struct scsi_host_template probe_template = { .eh_timed_out = probe_timed_out };
