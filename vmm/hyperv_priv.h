/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What hyperv.c, mail.c, channels.c and services.c share. Control loop unless it says otherwise.
 */
#ifndef VMM_HYPERV_PRIV_H
#define VMM_HYPERV_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hvh_channel;
struct hvh_device;
struct vmm_vcpu;
struct vmm_vm;

/* hyperv.c: interrupt a processor; any thread. And an irqfd for HVP_VMBUS_SINT (`flags`: KVM_IRQFD_FLAG_*). */
void vmm_sint_raise(struct vmm_vcpu *vcpu, uint32_t sint);
int vmm_sint_assign_irqfd(struct vmm_vcpu *vcpu, int fd, int resample_fd, unsigned flags);

/* mail.c: messages to the guest. vmm_mail_post() is hvh_server_ops.post_message, vmm_mail_withdraw() its withdraw. */
void vmm_mail_init(struct vmm_vm *vm);
void vmm_mail_reset(struct vmm_vm *vm);
void vmm_mail_unwatch(struct vmm_vcpu *vcpu);
bool vmm_mail_post(void *ctx, uint32_t vp, uint32_t sint, const void *bytes, size_t len);
void vmm_mail_withdraw(void *ctx);

/*
 * mail.c: the hypercall POST_MESSAGE. On the processor's thread. Asks the control loop and waits; the
 * way out is the gate: then the message was not taken, and the guest is told to try again.
 */
uint16_t vmm_mail_receive(struct vmm_vcpu *vcpu, uint64_t input, uint64_t gpa);

/* channels.c: see hvh_server_ops. The last two on the owner loop. */
int vmm_channel_start(void *ctx, struct hvh_channel *channel, uint32_t connection_id);
void vmm_channel_stop(void *ctx, struct hvh_channel *channel);
void vmm_channel_attend(void *ctx, struct hvh_channel *channel);
void vmm_channel_drained(void *ctx, struct hvh_channel *channel);
void vmm_channel_timer(void *ctx, struct hvh_channel *channel, uint64_t deadline_ns);

/* channels.c: likewise, on the owner loop, and only with a trace. */
struct hvh_trace_packet;
void vmm_channel_trace(void *ctx, const struct hvh_trace_packet *packet);

/* services.c: see hvh_server_ops. */
void vmm_device_removed(void *ctx, struct hvh_device *device);

/* services.c: which one a device is; VMM_SERVICES: none. */
unsigned vmm_service_index(const struct vmm_vm *vm, const struct hvh_device *device);

#endif
