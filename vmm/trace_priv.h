/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What the files of the trace share.
 */
#ifndef VMM_TRACE_PRIV_H
#define VMM_TRACE_PRIV_H

#include "vmm/trace.h"

/* trace_net.c: an NVSP message in a packet, an RNDIS message in memory; NULL: it is none. */
json_t *vmm_trace_nvsp_json(const struct vmm_trace_record *record);
json_t *vmm_trace_rndis_json(const struct vmm_trace_record *record);

#endif
