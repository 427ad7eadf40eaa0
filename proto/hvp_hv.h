/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The hypervisor interface (Hyper-V TLFS): CPUID leaves, MSRs, hypercalls, SynIC pages.
 */
#ifndef PROTO_HVP_HV_H
#define PROTO_HVP_HV_H

#include "hvp_base.h"

/* CPUID leaves and their signatures. */
#define HVP_CPUID_VENDOR      0x40000000u /* EAX highest leaf, EBX ECX EDX vendor */
#define HVP_CPUID_INTERFACE   0x40000001u
#define HVP_CPUID_VERSION     0x40000002u
#define HVP_CPUID_FEATURES    0x40000003u
#define HVP_CPUID_HINTS	      0x40000004u
#define HVP_CPUID_LIMITS      0x40000005u
#define HVP_CPUID_HW_FEATURES 0x40000006u

#define HVP_VENDOR_EBX	  0x7263694du /* "Micr" */
#define HVP_VENDOR_ECX	  0x666f736fu /* "osof" */
#define HVP_VENDOR_EDX	  0x76482074u /* "t Hv" */
#define HVP_INTERFACE_HV1 0x31237648u /* "Hv#1" */

/* Leaf 3 EAX: MSRs the partition may use. */
#define HVP_ACCESS_VP_RUNTIME	   (1u << 0)
#define HVP_ACCESS_REF_COUNTER	   (1u << 1)
#define HVP_ACCESS_SYNIC	   (1u << 2)
#define HVP_ACCESS_STIMER	   (1u << 3)
#define HVP_ACCESS_APIC		   (1u << 4)
#define HVP_ACCESS_HYPERCALL	   (1u << 5)
#define HVP_ACCESS_VP_INDEX	   (1u << 6)
#define HVP_ACCESS_RESET	   (1u << 7)
#define HVP_ACCESS_STATS	   (1u << 8)
#define HVP_ACCESS_REF_TSC	   (1u << 9)
#define HVP_ACCESS_GUEST_IDLE	   (1u << 10)
#define HVP_ACCESS_FREQUENCY	   (1u << 11)
#define HVP_ACCESS_DEBUG	   (1u << 12)
#define HVP_ACCESS_REENLIGHTENMENT (1u << 13)
#define HVP_ACCESS_TSC_INVARIANT   (1u << 15)

/* Leaf 3 EBX: hypercalls the partition may make. */
#define HVP_PRIV_POST_MESSAGES (1u << 4)
#define HVP_PRIV_SIGNAL_EVENTS (1u << 5)

/* Leaf 3 EDX: other features. */
#define HVP_FEATURE_XMM_INPUT	  (1u << 4)
#define HVP_FEATURE_FREQUENCY	  (1u << 8)
#define HVP_FEATURE_CRASH_MSR	  (1u << 10)
#define HVP_FEATURE_STIMER_DIRECT (1u << 19)

/* Leaf 4 EAX: what the guest is advised to do. */
#define HVP_HINT_REMOTE_TLB_FLUSH (1u << 2)
#define HVP_HINT_APIC_MSR	  (1u << 3)
#define HVP_HINT_RESET_MSR	  (1u << 4)
#define HVP_HINT_RELAXED_TIMING	  (1u << 5)
#define HVP_HINT_NO_AUTO_EOI	  (1u << 9)
#define HVP_HINT_CLUSTER_IPI	  (1u << 10)
#define HVP_HINT_EX_MASKS	  (1u << 11)

/* Leaf 4 EBX: never call "notify long spin wait". */
#define HVP_SPIN_NEVER_NOTIFY 0xffffffffu

/* MSRs. */
#define HVP_MSR_GUEST_OS_ID    0x40000000u
#define HVP_MSR_HYPERCALL      0x40000001u
#define HVP_MSR_VP_INDEX       0x40000002u
#define HVP_MSR_RESET	       0x40000003u
#define HVP_MSR_VP_RUNTIME     0x40000010u
#define HVP_MSR_TIME_REF_COUNT 0x40000020u
#define HVP_MSR_REFERENCE_TSC  0x40000021u
#define HVP_MSR_TSC_FREQUENCY  0x40000022u
#define HVP_MSR_APIC_FREQUENCY 0x40000023u
#define HVP_MSR_EOI	       0x40000070u
#define HVP_MSR_ICR	       0x40000071u
#define HVP_MSR_TPR	       0x40000072u
#define HVP_MSR_VP_ASSIST_PAGE 0x40000073u
#define HVP_MSR_SCONTROL       0x40000080u
#define HVP_MSR_SVERSION       0x40000081u
#define HVP_MSR_SIEFP	       0x40000082u
#define HVP_MSR_SIMP	       0x40000083u
#define HVP_MSR_EOM	       0x40000084u
#define HVP_MSR_SINT0	       0x40000090u
#define HVP_MSR_STIMER0_CONFIG 0x400000b0u /* of timer n: 2 * n further */
#define HVP_MSR_STIMER0_COUNT  0x400000b1u
#define HVP_MSR_STATS	       0x400000e0u
#define HVP_MSR_GUEST_IDLE     0x400000f0u
#define HVP_MSR_SYNDBG_CONTROL 0x400000f1u
#define HVP_MSR_CRASH_P0       0x40000100u
#define HVP_MSR_CRASH_CTL      0x40000105u

#define HVP_MSR_REENLIGHTENMENT_CONTROL 0x40000106u
#define HVP_MSR_TSC_INVARIANT_CONTROL	0x40000118u

/* Enable bit of HYPERCALL, REFERENCE_TSC, VP_ASSIST_PAGE, SIEFP, SIMP and SCONTROL. */
#define HVP_MSR_ENABLE (1ull << 0)

/* CRASH_CTL. With the message bit P3 holds the address of a text and P4 its length. */
#define HVP_CRASH_NOTIFY	(1ull << 63)
#define HVP_CRASH_MESSAGE	(1ull << 62)
#define HVP_CRASH_PARAMETERS	5 /* P0 to P4 */
#define HVP_CRASH_MESSAGE_GPA	3
#define HVP_CRASH_MESSAGE_BYTES 4
#define HVP_CRASH_MESSAGE_MAX	HVP_PAGE_SIZE

/* SINTn; at reset a SINT is masked. */
#define HVP_SINT_COUNT	     16
#define HVP_SINT_VECTOR_MASK 0xffull
#define HVP_SINT_MASKED	     (1ull << 16)
#define HVP_SINT_AUTO_EOI    (1ull << 17)

/* STIMERn_CONFIG; STIMERn_COUNT is a time (one-shot) or a period. */
#define HVP_STIMER_COUNT	4
#define HVP_STIMER_ENABLE	(1ull << 0)
#define HVP_STIMER_PERIODIC	(1ull << 1)
#define HVP_STIMER_AUTO_ENABLE	(1ull << 3)
#define HVP_STIMER_VECTOR_SHIFT 4 /* of the direct mode */
#define HVP_STIMER_DIRECT	(1ull << 12)
#define HVP_STIMER_SINT_SHIFT	16

/* Hypercall control word. */
#define HVP_CALL_CODE_MASK	  0xffffull
#define HVP_CALL_FAST		  (1ull << 16)
#define HVP_CALL_HEADER_SHIFT	  17 /* variable header, in 8-byte units */
#define HVP_CALL_COUNT_SHIFT	  32 /* of a rep call's elements; in the result, those done */
#define HVP_CALL_START_SHIFT	  48
#define HVP_CALL_FLUSH_SPACE	  0x0002u
#define HVP_CALL_FLUSH_LIST	  0x0003u
#define HVP_CALL_SEND_IPI	  0x000bu
#define HVP_CALL_FLUSH_SPACE_EX	  0x0013u
#define HVP_CALL_SEND_IPI_EX	  0x0015u
#define HVP_CALL_GET_VP_REGISTERS 0x0050u
#define HVP_CALL_SET_VP_REGISTERS 0x0051u
#define HVP_CALL_POST_MESSAGE	  0x005cu
#define HVP_CALL_SIGNAL_EVENT	  0x005du
#define HVP_CALL_EXT_QUERY_CAP	  0x8001u

/* Parameters of the register calls: the caller's own partition and processor. */
#define HVP_PARTITION_SELF 0xffffffffffffffffull
#define HVP_VP_SELF	   0xfffffffeu

/* arm64: the function of HVC #0 that is a hypercall, and the registers, which have no MSR there. */
#define HVP_SMCCC_HYPERCALL    0x46000001u
#define HVP_REG_VERSION	       0x00000100u
#define HVP_REG_FEATURES       0x00000200u /* as CPUID leaf 3 */
#define HVP_REG_HINTS	       0x00000201u /* as CPUID leaf 4 */
#define HVP_REG_CRASH_P0       0x00000210u
#define HVP_REG_CRASH_CTL      0x00000215u
#define HVP_REG_GUEST_OS_ID    0x00090002u
#define HVP_REG_VP_INDEX       0x00090003u
#define HVP_REG_TIME_REF_COUNT 0x00090004u
#define HVP_REG_REFERENCE_TSC  0x00090017u
#define HVP_REG_SINT0	       0x000a0000u
#define HVP_REG_SCONTROL       0x000a0010u
#define HVP_REG_SIEFP	       0x000a0012u
#define HVP_REG_SIMP	       0x000a0013u
#define HVP_REG_EOM	       0x000a0014u

/* Hypercall status, in the low bits of the result. */
#define HVP_STATUS_MASK			 0xffffull
#define HVP_STATUS_SUCCESS		 0x0000u
#define HVP_STATUS_INVALID_CALL_CODE	 0x0002u
#define HVP_STATUS_INVALID_CALL_INPUT	 0x0003u
#define HVP_STATUS_INVALID_ALIGNMENT	 0x0004u
#define HVP_STATUS_INVALID_PARAMETER	 0x0005u
#define HVP_STATUS_ACCESS_DENIED	 0x0006u
#define HVP_STATUS_INSUFFICIENT_MEMORY	 0x000bu
#define HVP_STATUS_INVALID_PORT_ID	 0x0011u
#define HVP_STATUS_INVALID_CONNECTION_ID 0x0012u
#define HVP_STATUS_INSUFFICIENT_BUFFERS	 0x0013u

/* SynIC message slot: one per SINT in the message page (SIMP). */
#define HVP_MESSAGE_PAYLOAD_MAX 240

#define HVP_MESSAGE_NONE	  0u
#define HVP_MESSAGE_VMBUS	  1u
#define HVP_MESSAGE_TIMER_EXPIRED 0x80000010u
#define HVP_MESSAGE_HYPERVISOR	  0x80000000u /* the bit that marks the hypervisor's own types */

#define HVP_MESSAGE_FLAG_PENDING 0x01u

struct hvp_synic_message {
	uint32_t type; /* HVP_MESSAGE_NONE: the slot is free */
	uint8_t size;
	uint8_t flags;
	uint16_t reserved;
	uint64_t sender;
	uint8_t payload[HVP_MESSAGE_PAYLOAD_MAX];
} HVP_WIRE(8);
HVP_SIZE(struct hvp_synic_message, 256);
HVP_OFFSET(struct hvp_synic_message, payload, 16);

struct hvp_synic_message_page {
	struct hvp_synic_message slot[HVP_SINT_COUNT];
} HVP_WIRE(8);
HVP_SIZE(struct hvp_synic_message_page, HVP_PAGE_SIZE);

/* Payload of HVP_MESSAGE_TIMER_EXPIRED. */
struct hvp_timer_message {
	uint32_t timer;
	uint32_t reserved;
	uint64_t expiration; /* as programmed */
	uint64_t delivery; /* when the message was posted */
} HVP_WIRE(8);
HVP_SIZE(struct hvp_timer_message, 24);

/* SynIC event flags (SIEFP): 2048 bits per SINT. */
#define HVP_EVENT_FLAG_COUNT 2048

struct hvp_synic_event_page {
	uint32_t flags[HVP_SINT_COUNT][HVP_EVENT_FLAG_COUNT / 32];
} HVP_WIRE(8);
HVP_SIZE(struct hvp_synic_event_page, HVP_PAGE_SIZE);

/* Input block of POST_MESSAGE: memory form only. */
struct hvp_post_message {
	uint32_t connection_id;
	uint32_t reserved;
	uint32_t message_type;
	uint32_t payload_size;
	uint8_t payload[HVP_MESSAGE_PAYLOAD_MAX];
} HVP_WIRE(8);
HVP_SIZE(struct hvp_post_message, 256);
HVP_OFFSET(struct hvp_post_message, payload, 16);

/* Parameter of SIGNAL_EVENT, in RDX (fast form) or in memory. */
struct hvp_signal_event {
	uint32_t connection_id;
	uint16_t flag;
	uint16_t reserved;
} HVP_WIRE(8);
HVP_SIZE(struct hvp_signal_event, 8);

/* A set of virtual processors: bit n of `banks` stands for the bank with VPs 64 n to 64 n + 63; the banks follow. */
#define HVP_VP_SET_SPARSE 0ull
#define HVP_VP_SET_ALL	  1ull

struct hvp_vp_set {
	uint64_t format;
	uint64_t banks;
} HVP_WIRE(8);
HVP_SIZE(struct hvp_vp_set, 16);

/* FLUSH_SPACE and, followed by addresses, FLUSH_LIST. */
#define HVP_FLUSH_ALL_PROCESSORS (1ull << 0)
#define HVP_FLUSH_ALL_SPACES	 (1ull << 1)

struct hvp_flush {
	uint64_t space; /* CR3 */
	uint64_t flags;
	uint64_t vp_mask;
} HVP_WIRE(8);
HVP_SIZE(struct hvp_flush, 24);

struct hvp_flush_ex {
	uint64_t space;
	uint64_t flags;
	struct hvp_vp_set vps;
} HVP_WIRE(8);
HVP_SIZE(struct hvp_flush_ex, 32);

/* Lowest vector that SEND_IPI takes. */
#define HVP_IPI_VECTOR_MIN 0x10u

struct hvp_send_ipi {
	uint32_t vector;
	uint8_t vtl;
	uint8_t flags;
	uint16_t reserved;
	uint64_t vp_mask;
} HVP_WIRE(8);
HVP_SIZE(struct hvp_send_ipi, 16);

struct hvp_send_ipi_ex {
	uint32_t vector;
	uint8_t vtl;
	uint8_t flags;
	uint16_t reserved;
	struct hvp_vp_set vps;
} HVP_WIRE(8);
HVP_SIZE(struct hvp_send_ipi_ex, 24);

/* Reference TSC page: time = ((TSC * scale) >> 64) + offset, in 100 ns; sequence 0 = invalid. */
struct hvp_reference_tsc_page {
	uint32_t sequence;
	uint32_t reserved;
	uint64_t scale;
	int64_t offset;
} HVP_WIRE(8);
HVP_SIZE(struct hvp_reference_tsc_page, 24);

/* The unit of every Hyper-V time: 100 ns. */
#define HVP_TICKS_PER_SECOND 10000000ull

#endif
