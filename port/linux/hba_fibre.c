/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Fibre Channel adapters: beside what all controllers are, a host of that transport, with its names and one port that stands
 * for all that the real adapter reaches.
 */
#include "hba.h"

#if IS_ENABLED(CONFIG_SCSI_FC_ATTRS)
#include <scsi/scsi_transport_fc.h>

static struct scsi_transport_template *fibre;

static struct fc_function_template functions = {
	.show_host_node_name = 1,
	.show_host_port_name = 1,
};

int hba_fibre_start(void)
{
	fibre = fc_attach_transport(&functions);
	return fibre ? 0 : -ENOMEM;
}

void hba_fibre_stop(void)
{
	fc_release_transport(fibre);
}

void hba_fibre_init(struct Scsi_Host *shost)
{
	shost->transportt = fibre;
}

int hba_fibre_add(struct hba *hba)
{
	const struct hvg_stor_info *info = hvg_stor_info(hba->stor);
	struct fc_rport_identifiers port = { .roles = FC_PORT_ROLE_FCP_DUMMY_INITIATOR };

	fc_host_node_name(hba->shost) = wwn_to_u64(info->fibre_node);
	fc_host_port_name(hba->shost) = wwn_to_u64(info->fibre_port);
	return fc_remote_port_add(hba->shost, 0, &port) ? 0 : -ENOMEM;
}

/* With its port. */
void hba_fibre_remove(struct hba *hba)
{
	fc_remove_host(hba->shost);
}

#else

int hba_fibre_start(void)
{
	return 0;
}

void hba_fibre_stop(void)
{
}

void hba_fibre_init(struct Scsi_Host *shost)
{
}

int hba_fibre_add(struct hba *hba)
{
	return 0;
}

void hba_fibre_remove(struct hba *hba)
{
}

#endif
