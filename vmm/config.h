/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What `hvhost run` was asked to do.
 */
#ifndef VMM_CONFIG_H
#define VMM_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/disk/disk_config.h"
#include "vmm/net/nic_config.h"

enum vmm_accel { VMM_ACCEL_AUTO, VMM_ACCEL_KVM, VMM_ACCEL_NESTED };

enum vmm_serial_kind { VMM_SERIAL_STDIO, VMM_SERIAL_FILE, VMM_SERIAL_NONE };

/* Integration services that can be left out with --no-service: bit, name. */
#define VMM_SERVICE_LIST(X)                                                                        \
	X(0, heartbeat)                                                                            \
	X(1, shutdown)                                                                             \
	X(2, timesync)                                                                             \
	X(3, kvp)                                                                                  \
	X(4, fcopy)                                                                                \
	X(5, vss)

enum vmm_service {
#define VMM_SERVICE_ENUM(bit, name) VMM_SERVICE_##name = 1 << (bit),
	VMM_SERVICE_LIST(VMM_SERVICE_ENUM)
#undef VMM_SERVICE_ENUM
};

/*
 * What of the hypervisor's interface can be left out with --no-enlightenment: bit, identifier, name. Beyond
 * these there are only what VMBus itself is made of: hypercalls, SynIC, messages and events.
 */
#define VMM_ENLIGHTENMENT_LIST(X)                                                                  \
	X(0, REFERENCE_COUNTER, "reference-counter")                                               \
	X(1, REFERENCE_TSC, "reference-tsc")                                                       \
	X(2, STIMER, "stimer")                                                                     \
	X(3, STIMER_DIRECT, "stimer-direct")                                                       \
	X(4, VP_INDEX, "vp-index")                                                                 \
	X(5, VP_RUNTIME, "vp-runtime")                                                             \
	X(6, APIC_MSRS, "apic-msrs")                                                               \
	X(7, FREQUENCIES, "frequencies")                                                           \
	X(8, TSC_INVARIANT, "tsc-invariant")                                                       \
	X(9, TLB_FLUSH, "tlb-flush")                                                               \
	X(10, IPI, "ipi")                                                                          \
	X(11, XMM_INPUT, "xmm-input")                                                              \
	X(12, RELAXED_TIMING, "relaxed-timing")                                                    \
	X(13, RESET, "reset")                                                                      \
	X(14, CRASH, "crash")

enum vmm_enlightenment {
#define VMM_ENLIGHTENMENT_ENUM(bit, id, name) VMM_ENLIGHTENMENT_##id = 1 << (bit),
	VMM_ENLIGHTENMENT_LIST(VMM_ENLIGHTENMENT_ENUM)
#undef VMM_ENLIGHTENMENT_ENUM
};

#define VMM_CPUS_MAX	   64
#define VMM_MEMORY_MIN	   (64ull << 20)
#define VMM_MEMORY_DEFAULT (512ull << 20)

/* Below 4 GiB; the limits are those of Hyper-V's low memory-mapped I/O space. */
#define VMM_MMIO_GAP_MIN     (128ull << 20)
#define VMM_MMIO_GAP_MAX     (3584ull << 20)
#define VMM_MMIO_GAP_DEFAULT (1ull << 30)

/* Strings are borrowed from the command line. */
struct vmm_config {
	const char *name;
	unsigned cpus;
	uint64_t memory_bytes;
	uint64_t mmio_gap_bytes;
	const char *kernel;
	const char *initrd; /* or NULL */
	const char *append; /* or NULL */
	enum vmm_serial_kind serial;
	const char *serial_path; /* for VMM_SERIAL_FILE */
	const char *trace_path; /* or NULL */
	enum vmm_accel accel;
	uint32_t vmbus_version_max;
	unsigned services_off; /* VMM_SERVICE_* */
	unsigned enlightenments_off; /* VMM_ENLIGHTENMENT_* */
	const char *nic[VMM_NICS_MAX]; /* texts that vmm_nic_config_parse() accepts */
	unsigned nics;
	const char *disk[VMM_DISKS_MAX]; /* texts that vmm_disk_config_parse() accepts */
	unsigned disks;
	const char *inject; /* faults on purpose: a text that hvh_inject_parse() accepts, or NULL */
	unsigned timeout_seconds; /* 0: none */
	bool daemonize;
};

/* Exit statuses of hvhost. */
enum vmm_exit {
	VMM_EXIT_DONE = 0, /* run: the guest powered off */
	VMM_EXIT_FAILED = 1,
	VMM_EXIT_USAGE = 2,
	VMM_EXIT_CRASHED = 3, /* run: the guest reported a crash */
	VMM_EXIT_TIMEOUT = 124,
};

#endif
