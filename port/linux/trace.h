/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Tracepoints of our modules, a group of each module's own name: packets of its channels, and rings that
 * are full or spoilt. What happens on the bus below is in the kernel's group `hyperv`.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM HVIS_TRACE_SYSTEM

#if !defined(PORT_LINUX_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define PORT_LINUX_TRACE_H

#include <linux/hyperv.h>
#include <linux/tracepoint.h>

/* clang-format off */
DECLARE_EVENT_CLASS(hvg_packet,
	TP_PROTO(const struct vmbus_channel *channel, u16 type, u64 transaction_id, u32 bytes),
	TP_ARGS(channel, type, transaction_id, bytes),
	TP_STRUCT__entry(
		__field(u32, relid)
		__field(u16, type)
		__field(u64, transaction_id)
		__field(u32, bytes)
	),
	TP_fast_assign(
		__entry->relid = channel->offermsg.child_relid;
		__entry->type = type;
		__entry->transaction_id = transaction_id;
		__entry->bytes = bytes;
	),
	TP_printk("relid %u, type %u, transaction %llu, %u bytes", __entry->relid, __entry->type,
		  __entry->transaction_id, __entry->bytes)
);

/* A packet is in the ring; bytes without the descriptor. */
DEFINE_EVENT(hvg_packet, hvg_sent,
	TP_PROTO(const struct vmbus_channel *channel, u16 type, u64 transaction_id, u32 bytes),
	TP_ARGS(channel, type, transaction_id, bytes)
);

/* A packet was found in the ring. */
DEFINE_EVENT(hvg_packet, hvg_received,
	TP_PROTO(const struct vmbus_channel *channel, u16 type, u64 transaction_id, u32 bytes),
	TP_ARGS(channel, type, transaction_id, bytes)
);

/* No room for a packet: the host is to signal when there is. */
DEFINE_EVENT(hvg_packet, hvg_full,
	TP_PROTO(const struct vmbus_channel *channel, u16 type, u64 transaction_id, u32 bytes),
	TP_ARGS(channel, type, transaction_id, bytes)
);

/* clang-format on */

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
