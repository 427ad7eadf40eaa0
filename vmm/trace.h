/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A trace of what guest and host say to each other: control messages and device packets, one JSON
 * object a line (docs/trace.md).
 *
 * What happens is copied to a bounded buffer; a thread of the trace's own writes it to the file. Where
 * that is too slow, records are lost, and the next line says how many. So nobody waits for the file.
 */
#ifndef VMM_TRACE_H
#define VMM_TRACE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/uio.h>

#include "hvp_hv.h"
#include "hvp_vmbus.h"

struct vmm_trace;

/* Bytes of a packet that are kept; of messages all are. */
#define VMM_TRACE_BYTES HVP_MESSAGE_PAYLOAD_MAX

struct vmm_trace_record {
	uint64_t time_ns; /* since the trace was created */
	enum hvp_direction direction;
	bool is_packet; /* else a control message */
	uint32_t len; /* bytes of the message, or of the packet's payload */
	uint32_t kept; /* of these, in `bytes` */
	/* Of a packet: */
	uint32_t channel_id;
	uint16_t type; /* HVP_PACKET_* */
	uint16_t flags;
	uint64_t transaction_id;
	bool named; /* no packet, but what the packet of that transaction names in memory */
	char device[20]; /* cut to fit */
	uint8_t bytes[VMM_TRACE_BYTES];
};

/* The file is made, or emptied. Negative errno after a line to the log. */
int vmm_trace_create(const char *path, struct vmm_trace **trace);

/* Write out what there is. False: the file takes too long; its thread goes on, the memory stays. NULL is fine. */
bool vmm_trace_destroy(struct vmm_trace *trace);

/* Any thread. `record` without time, `len`, `kept` and `bytes`, which come from `payload`. */
void vmm_trace_message(struct vmm_trace *trace, enum hvp_direction direction, const void *bytes,
		       size_t len);
void vmm_trace_packet(struct vmm_trace *trace, const struct vmm_trace_record *record,
		      const struct iovec payload[2]);

/* trace_json.c: a line's object; NULL: no memory. And that of records that are missing. */
json_t *vmm_trace_record_json(const struct vmm_trace_record *record);
json_t *vmm_trace_lost_json(uint64_t lost);

/*
 * trace_normalise.c: a trace so that those of two runs of the same script are equal: a stream for each
 * channel, numbers in the order in which they appear in it, no times. Negative errno after a line to
 * the log, which `name` is for.
 */
int vmm_trace_normalise(FILE *in, const char *name, FILE *out);

#endif
