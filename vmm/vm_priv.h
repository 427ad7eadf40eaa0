/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The virtual machine's state, for the files of the monitor that make it up: machine.c (its parts),
 * vm.c (start, stop, restart), pause.c, vcpu.c (processors), cpuid.c, msr.c, crash.c, status.c and, behind
 * hyperv.h, the VMBus server with its devices.
 *
 * Threads: the control loop, and one per processor. Keys: (c) const after create, (o) control loop,
 * (l) vmm_vm.lock, (v) the processor's thread, (a) atomic.
 */
#ifndef VMM_VM_PRIV_H
#define VMM_VM_PRIV_H

#include <linux/kvm.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "hvp_hv.h"
#include "vmm/boot/image.h"
#include "vmm/crash.h"
#include "vmm/fault_guard.h"
#include "vmm/hyperv.h"
#include "vmm/irq_routes.h"
#include "vmm/loop.h"
#include "vmm/memmap.h"
#include "vmm/pio.h"
#include "vmm/vm.h"

struct hvh_mem;
struct hvh_synic;
struct vmm_pm;
struct vmm_rtc;
struct vmm_serial;

/* --- where things are, besides memory (vmm/memmap.h) ---------------------------------------------- */

/* Pages that KVM wants for itself on Intel processors: between the interrupt controllers and 4 GiB. */
#define VMM_IDENTITY_MAP_GPA 0xfffbc000ull
#define VMM_TSS_GPA	     0xfffbd000ull

#define VMM_SERIAL_PORT 0x3f8
#define VMM_SERIAL_IRQ	4
#define VMM_RTC_PORT	0x70
#define VMM_RTC_IRQ	8
#define VMM_PM_PORT	0x600
#define VMM_SCI_IRQ	9

/* --- processors ----------------------------------------------------------------------------------- */

/* What others want of a processor's thread; vmm_vcpu_request(). */
#define VMM_REQUEST_MAIL  (1u << 0) /* put the message in the mailbox into the guest's slot */
#define VMM_REQUEST_FLUSH (1u << 1) /* send on what the serial port holds */
#define VMM_REQUEST_GATE  (1u << 2) /* look at vmm_vm.gate */
#define VMM_REQUEST_NMI	  (1u << 3) /* interrupt the guest, whatever it does */

/* One message from the control loop to the guest, which only this processor's thread may deliver. */
enum vmm_mail_state {
	VMM_MAIL_EMPTY, /* the loop may fill it */
	VMM_MAIL_FULL, /* for the processor's thread; the loop may take it back */
	VMM_MAIL_BUSY, /* the same, and the guest's slot was taken: to be tried again after the guest's EOM */
	VMM_MAIL_DELIVERING, /* the processor's thread is at it */
};

struct vmm_mail {
	atomic_int state; /* vmm_mail_state */
	uint32_t sint;
	size_t len;
	uint8_t bytes[HVP_MESSAGE_PAYLOAD_MAX];
};

/* One message from the guest, which the control loop has to judge while the processor waits. */
enum vmm_post_state { VMM_POST_IDLE, VMM_POST_ASKED, VMM_POST_TAKEN, VMM_POST_DONE };

struct vmm_post {
	enum vmm_post_state state; /* (l) */
	uint16_t status; /* (l) */
	struct hvp_post_message message; /* belongs to the loop while taken, else to the processor */
};

/* Exits to us, by reason. */
#define VMM_EXIT_LIST(X)                                                                           \
	X(io)                                                                                      \
	X(mmio)                                                                                    \
	X(msr)                                                                                     \
	X(synic)                                                                                   \
	X(hypercall)                                                                               \
	X(interrupted)                                                                             \
	X(other)

struct vmm_exit_counts {
#define VMM_EXIT_FIELD(name) atomic_ullong name;
	VMM_EXIT_LIST(VMM_EXIT_FIELD)
#undef VMM_EXIT_FIELD
};

/* Power-on state, read back after creation and written at a restart. */
struct vmm_vcpu_power_on;

struct vmm_vcpu {
	struct vmm_vm *vm; /* (c) */
	unsigned index; /* (c) virtual processor index and APIC id */
	int fd; /* (c) */
	struct kvm_run *run; /* (v), but immediate_exit */
	pthread_t thread; /* (o) */
	bool started; /* (o) */
	atomic_uint requests; /* VMM_REQUEST_* */
	struct hvh_synic *synic; /* (c) */
	int sint_fd; /* (c) irqfd of HVP_VMBUS_SINT */
	struct vmm_mail mail;
	struct vmm_post post;
	struct vmm_vcpu_power_on *power_on; /* (c) */
	uint64_t tsc_offset; /* (o) while paused */
	bool tsc_offset_known; /* (o) */
	uint64_t vp_assist; /* (v) the MSR, where KVM has not got it */
	struct vmm_exit_counts exits;

	/* Watching for the guest's EOM costs a wake-up for each interrupt, so only while a message waits. */
	bool mailed; /* (o) the mailbox was filled */
	int eom_fd; /* (o) -1: not watched */
	int eom_irq_fd; /* (o) */
};

int vmm_vcpu_create(struct vmm_vm *vm, unsigned index, struct vmm_vcpu *vcpu);
void vmm_vcpu_destroy(struct vmm_vcpu *vcpu);

/* Keep the present state as that of power-on. */
int vmm_vcpu_keep_power_on(struct vmm_vcpu *vcpu);

/* Back to power-on. The processor is not running. */
int vmm_vcpu_reset(struct vmm_vcpu *vcpu);

/* The boot processor's registers. The processor is not running. */
int vmm_vcpu_set_entry(struct vmm_vcpu *vcpu, const struct vmm_entry *entry);

int vmm_vcpu_start(struct vmm_vcpu *vcpu);

/* Have the processor's thread do something soon. Any thread. */
void vmm_vcpu_request(struct vmm_vcpu *vcpu, unsigned request);

/* After vmm_vm.gate is VMM_GATE_STOP: false when the thread did not end within a second; try again. */
bool vmm_vcpu_join(struct vmm_vcpu *vcpu);

#define VMM_MSR_TSC 0x10

/* An MSR of a processor, on its thread or while it is not running. Negative errno. */
int vmm_vcpu_get_msr(struct vmm_vcpu *vcpu, uint32_t index, uint64_t *value);
int vmm_vcpu_set_msr(struct vmm_vcpu *vcpu, uint32_t index, uint64_t value);

/* CPUID leaves of a processor; negative errno after a line to the log. */
int vmm_cpuid_set(struct vmm_vcpu *vcpu);

/* Have KVM exit for the MSRs that are ours; and such an exit, on the processor's thread. */
int vmm_msr_take_out(struct vmm_vm *vm);
void vmm_msr_exit(struct vmm_vcpu *vcpu);

/* Width of the guest's physical addresses in bits. */
unsigned vmm_cpuid_address_bits(int kvm_fd);

/* --- the machine ----------------------------------------------------------------------------------- */

/* What the processors' threads may do. Changes only under the lock, with a broadcast of `changed`. */
enum vmm_gate {
	VMM_GATE_OPEN, /* run */
	VMM_GATE_CLOSED, /* wait */
	VMM_GATE_STOP, /* end */
};

enum vmm_pause_state {
	VMM_PAUSE_NONE,
	VMM_PAUSE_BEGINS, /* the processors are on their way to the gate */
	VMM_PAUSE_STANDS,
};

struct vmm_pause {
	enum vmm_pause_state state; /* (o) */
	struct vmm_request *request; /* (o) who waits for the standstill, or NULL */
	uint64_t since_ns; /* (o) */
	struct kvm_clock_data clock; /* (o) of the VM, and the TSC, when it began to stand */
	bool clock_known; /* (o) */
	uint64_t tsc; /* (o) */
	atomic_ullong stood_at_ns; /* what vmm_vm_clock_ns() shows meanwhile; 0: it goes */
	atomic_ullong lag_ns; /* of that clock behind vmm_now_ns() */
};

struct vmm_vm {
	struct vmm_loop *loop; /* (c) */
	const struct vmm_config *config; /* (c) */
	int kvm_fd; /* (c) */
	int fd; /* (c) */
	struct vmm_memory_map map; /* (c) */
	struct hvh_mem *mem; /* (c) */
	struct vmm_image *image; /* (c) */
	bool pae_marked; /* (c) the guest may use PAE, and its tables get marks that KVM refuses: vmm/pae.h */
	struct vmm_pio pio; /* (c) */
	struct vmm_serial *serial; /* (c) */
	struct vmm_pm *pm; /* (c) */
	struct vmm_rtc *rtc; /* (c) */
	struct vmm_timer rtc_timer; /* (o) */
	struct vmm_call rtc_call;
	struct vmm_crash crash;
	struct vmm_pause pause;
	struct vmm_hyperv hyperv;
	struct kvm_msrs *power_on_msrs; /* (c) the same for all processors */
	struct kvm_irqchip power_on_irqchips[3]; /* (c) */
	struct kvm_pit_state2 power_on_pit; /* (c) */

	struct vmm_console *_Atomic console; /* (a) */
	int wake_fd; /* (c) vmm_vm_wake() */
	int delay_fd; /* (c) where KVM puts writes to the delay port */
	struct vmm_timer flush_timer; /* (o) */
	atomic_bool flush_armed;
	struct vmm_timer crash_timer; /* (o) */
	uint64_t crash_deadline_ns; /* (o) on vmm_vm_clock_ns() */
	const struct vmm_vm_ops *ops; /* (o) NULL until it runs */
	void *ops_ctx; /* (o) */
	bool finished; /* (o) the end was told */
	uint64_t started_ns; /* (o) */
	bool interrupted; /* (o) the user asked once */
	bool running; /* (o) the processors have threads */
	bool finishing; /* (o) they have been stopped, for good */
	struct vmm_timer finish_timer; /* (o) the end of patience with what is still under way then */
	unsigned restarts; /* (o) */

	atomic_int end_status; /* vmm_exit, or VMM_NOT_ENDED */
	atomic_bool restart_wanted;
	atomic_ullong mmio_unclaimed;

	pthread_mutex_t lock;
	pthread_cond_t changed; /* gate, parked, posts */
	_Atomic enum vmm_gate gate; /* written under the lock */
	struct vmm_fault_guard fault_guard; /* (l), or while no processor runs */
	unsigned parked; /* (l) processors that wait at the closed gate */

	struct vmm_vcpu vcpus[]; /* config->cpus */
};

#define VMM_NOT_ENDED (-1)

/*
 * All parts of the machine up to the first instruction; destroy accepts a half-built one. Failures
 * have been logged.
 */
int vmm_machine_create(struct vmm_vm *vm);

/* False: a thread does not end, and what it may use stays. */
bool vmm_machine_destroy(struct vmm_vm *vm);

/* The devices among these parts. After a failure no line was logged; destroy accepts half-built ones. */
int vmm_devices_create(struct vmm_vm *vm);
void vmm_devices_reset(struct vmm_vm *vm);
void vmm_devices_destroy(struct vmm_vm *vm);

/* Back to power-on, with the kernel loaded anew. No processor is running, the guest is disconnected. */
int vmm_machine_reset(struct vmm_vm *vm);

/* Have the control loop look at what changed. Any thread. */
void vmm_vm_wake(struct vmm_vm *vm);

/* The virtual machine is over; the first status counts. Any thread. */
void vmm_vm_end(struct vmm_vm *vm, enum vmm_exit status);

/* Tell whoever listens; `event` is taken. Control loop. */
void vmm_vm_event(struct vmm_vm *vm, json_t *event);

/* The guest wants a restart. Any thread. */
void vmm_vm_restart(struct vmm_vm *vm);

/* A processor of the guest met a triple fault, which resets the machine. On the processor's thread. */
void vmm_vm_triple_fault(struct vmm_vcpu *vcpu);

/* Whether the processors may run. Any thread. */
void vmm_vm_set_gate(struct vmm_vm *vm, enum vmm_gate gate);

/* The gate is closed: true when all processors wait there; if not, the loop is woken when they do. */
bool vmm_vm_park(struct vmm_vm *vm);

/* "running", "paused", ... for `status`. Control loop. */
const char *vmm_vm_state_name(struct vmm_vm *vm);

/*
 * pause.c. begin: the request is answered when the machine stands still; end: at once. poll: after
 * vmm_vm_wake(). cancel: whoever waits gets `why` as an error.
 */
void vmm_pause_begin(struct vmm_vm *vm, struct vmm_request *request);
void vmm_pause_poll(struct vmm_vm *vm);
void vmm_pause_end(struct vmm_vm *vm, struct vmm_request *request);
void vmm_pause_cancel(struct vmm_vm *vm, const char *why);

/*
 * The clock of what waits for the guest: vmm_now_ns() without the pauses, so that no deadline passes
 * while the guest cannot act. And when on vmm_now_ns() to look whether a deadline of it has come.
 * Any thread.
 */
#define VMM_PAUSE_LOOK_NS 50000000ull
uint64_t vmm_vm_clock_ns(struct vmm_vm *vm);
uint64_t vmm_vm_clock_deadline(struct vmm_vm *vm, uint64_t deadline_ns);

/* Level of a global interrupt. Any thread. */
void vmm_vm_set_irq(struct vmm_vm *vm, unsigned gsi, int level);

#endif
