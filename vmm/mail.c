/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Messages between guest and server. Each way ends in a virtual processor's thread: to the guest in a
 * mailbox, because only that thread may write the processor's message page; from the guest in a
 * hypercall, which waits until the control loop has judged the message.
 */
#include <errno.h>
#include <hvh/hvh_mem.h>
#include <hvh/hvh_server.h>
#include <hvh/hvh_synic.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "vmm/hyperv_priv.h"
#include "vmm/vm_priv.h"

/* A busy slot is looked at again after this, twice as long each time, up to the second. */
#define MAIL_DELAY_MIN_NS 1000000ull
#define MAIL_DELAY_MAX_NS 256000000ull
/* --- messages to the guest ------------------------------------------------------------------------ */

bool vmm_mail_post(void *ctx, uint32_t vp, uint32_t sint, const void *bytes, size_t len)
{
	struct vmm_vm *vm = ctx;
	struct vmm_vcpu *vcpu;

	/* The server keeps to these bounds; a message that does not is dropped. */
	if (vp >= vm->config->cpus || sint >= HVP_SINT_COUNT || len > HVP_MESSAGE_PAYLOAD_MAX)
		return true;
	vcpu = &vm->vcpus[vp];
	if (atomic_load(&vcpu->mail.state) != VMM_MAIL_EMPTY)
		return false;
	vcpu->mail.sint = sint;
	vcpu->mail.len = len;
	memcpy(vcpu->mail.bytes, bytes, len);
	vcpu->mailed = true;
	vm->hyperv.message_vp = vp;
	atomic_store(&vcpu->mail.state, VMM_MAIL_FULL);
	vmm_vcpu_request(vcpu, VMM_REQUEST_MAIL);
	return true;
}

/* A message that its processor's thread is just putting into the slot arrives as if it had been quicker. */
void vmm_mail_withdraw(void *ctx)
{
	struct vmm_vm *vm = ctx;

	for (unsigned i = 0; i < vm->config->cpus; i++) {
		struct vmm_vcpu *vcpu = &vm->vcpus[i];
		int full = VMM_MAIL_FULL, busy = VMM_MAIL_BUSY;

		if (atomic_compare_exchange_strong(&vcpu->mail.state, &full, VMM_MAIL_EMPTY) ||
		    atomic_compare_exchange_strong(&vcpu->mail.state, &busy, VMM_MAIL_EMPTY))
			vcpu->mailed = false;
	}
}

void vmm_mail_deliver(struct vmm_vcpu *vcpu)
{
	struct vmm_mail *mail = &vcpu->mail;
	int was = atomic_load(&mail->state), err;

	/* If it changes now, the loop has taken the message back. */
	if (was == VMM_MAIL_EMPTY ||
	    !atomic_compare_exchange_strong(&mail->state, &was, VMM_MAIL_DELIVERING))
		return;
	err = hvh_synic_post(vcpu->synic, mail->sint, HVP_MESSAGE_VMBUS, mail->bytes, mail->len);
	if (err == -EAGAIN) {
		atomic_store(&mail->state, VMM_MAIL_BUSY);
		if (was == VMM_MAIL_FULL)
			vmm_vm_wake(vcpu->vm);
		return;
	}
	if (err)
		atomic_fetch_add(&vcpu->vm->hyperv.messages_dropped, 1);
	else
		vmm_sint_raise(vcpu, mail->sint);
	atomic_store(&mail->state, VMM_MAIL_EMPTY);
	vmm_vm_wake(vcpu->vm);
}

void vmm_mail_unwatch(struct vmm_vcpu *vcpu)
{
	if (vcpu->eom_fd < 0)
		return;
	vmm_sint_assign_irqfd(vcpu, vcpu->eom_irq_fd, -1, KVM_IRQFD_FLAG_DEASSIGN);
	vmm_loop_remove(vcpu->vm->loop, vcpu->eom_fd);
	close(vcpu->eom_fd);
	close(vcpu->eom_irq_fd);
	vcpu->eom_fd = vcpu->eom_irq_fd = -1;
}

static void on_eom(void *ctx, uint32_t events)
{
	struct vmm_vcpu *vcpu = ctx;

	(void)events;
	vmm_eventfd_drain(vcpu->eom_fd);
	if (atomic_load(&vcpu->mail.state) == VMM_MAIL_BUSY)
		vmm_vcpu_request(vcpu, VMM_REQUEST_MAIL);
}

/*
 * KVM tells of the guest's EOM through the resample descriptor of an irqfd, but also of each end of
 * an interrupt. So there are two irqfds: one that only raises, and this one, which is there only
 * while messages wait. Should it fail, the timer is left.
 */
static void watch_eom(struct vmm_vcpu *vcpu)
{
	int err = 0;

	if (vcpu->eom_fd >= 0)
		return;
	vcpu->eom_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	vcpu->eom_irq_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (vcpu->eom_fd < 0 || vcpu->eom_irq_fd < 0)
		err = -errno;
	if (!err)
		err = vmm_loop_add(vcpu->vm->loop, vcpu->eom_fd, EPOLLIN, on_eom, vcpu);
	if (!err) {
		err = vmm_sint_assign_irqfd(vcpu, vcpu->eom_irq_fd, vcpu->eom_fd,
					    KVM_IRQFD_FLAG_RESAMPLE);
		if (err)
			vmm_loop_remove(vcpu->vm->loop, vcpu->eom_fd);
	}
	if (!err)
		return;
	if (vcpu->eom_fd >= 0)
		close(vcpu->eom_fd);
	if (vcpu->eom_irq_fd >= 0)
		close(vcpu->eom_irq_fd);
	vcpu->eom_fd = vcpu->eom_irq_fd = -1;
}

/* While messages wait: try again. When none has for one round: stop watching. */
static void on_mail_timer(void *ctx)
{
	struct vmm_vm *vm = ctx;
	struct vmm_hyperv *hv = &vm->hyperv;
	bool watching = false;

	hv->mail_delay_ns *= 2;
	for (unsigned i = 0; i < vm->config->cpus; i++) {
		struct vmm_vcpu *vcpu = &vm->vcpus[i];

		if (atomic_load(&vcpu->mail.state) == VMM_MAIL_BUSY)
			vmm_vcpu_request(vcpu, VMM_REQUEST_MAIL);
		else if (hv->mail_delay_ns > MAIL_DELAY_MAX_NS)
			vmm_mail_unwatch(vcpu);
		watching |= vcpu->eom_fd >= 0;
	}
	if (hv->mail_delay_ns > MAIL_DELAY_MAX_NS)
		hv->mail_delay_ns = MAIL_DELAY_MAX_NS;
	if (watching)
		vmm_timer_set(&hv->mail_timer, vmm_now_ns() + hv->mail_delay_ns);
}

/* What became of the mailboxes. */
static void poll_mail(struct vmm_vm *vm)
{
	struct vmm_hyperv *hv = &vm->hyperv;
	bool room = false;

	for (unsigned i = 0; i < vm->config->cpus; i++) {
		struct vmm_vcpu *vcpu = &vm->vcpus[i];
		int state = vcpu->mailed ? atomic_load(&vcpu->mail.state) : VMM_MAIL_FULL;

		if (state == VMM_MAIL_EMPTY) {
			vcpu->mailed = false;
			room = true;
		} else if (state == VMM_MAIL_BUSY) {
			watch_eom(vcpu);
			/* The EOM may have come before it was watched for. */
			vmm_vcpu_request(vcpu, VMM_REQUEST_MAIL);
			hv->mail_delay_ns = MAIL_DELAY_MIN_NS;
			vmm_timer_set(&hv->mail_timer, vmm_now_ns() + hv->mail_delay_ns);
		}
	}
	if (room)
		hvh_server_flush(hv->server);
}

/* --- messages from the guest ---------------------------------------------------------------------- */

/* The parameters are read once, here. 0: `message` can be handed on; else the hypercall's status. */
static uint16_t copy_post(struct vmm_vcpu *vcpu, uint64_t input, uint64_t gpa)
{
	struct hvp_post_message *message = &vcpu->post.message;

	if (input & HVP_CALL_FAST)
		return HVP_STATUS_INVALID_CALL_CODE;
	if (gpa % 8)
		return HVP_STATUS_INVALID_ALIGNMENT;
	if (gpa % HVP_PAGE_SIZE > HVP_PAGE_SIZE - sizeof(*message))
		return HVP_STATUS_INVALID_CALL_INPUT;
	if (hvh_mem_read(vcpu->vm->mem, gpa, message, sizeof(*message)))
		return HVP_STATUS_INVALID_PARAMETER;
	if (message->payload_size > sizeof(message->payload))
		return HVP_STATUS_INVALID_CALL_INPUT;
	return HVP_STATUS_SUCCESS;
}

uint16_t vmm_mail_receive(struct vmm_vcpu *vcpu, uint64_t input, uint64_t gpa)
{
	struct vmm_vm *vm = vcpu->vm;
	struct vmm_post *post = &vcpu->post;
	uint16_t status = copy_post(vcpu, input, gpa);

	if (status)
		return status;
	pthread_mutex_lock(&vm->lock);
	post->state = VMM_POST_ASKED;
	pthread_mutex_unlock(&vm->lock);
	vmm_vm_wake(vm);

	pthread_mutex_lock(&vm->lock);
	while (post->state == VMM_POST_TAKEN ||
	       (post->state == VMM_POST_ASKED && atomic_load(&vm->gate) == VMM_GATE_OPEN))
		pthread_cond_wait(&vm->changed, &vm->lock);
	status = post->state == VMM_POST_DONE ? post->status : HVP_STATUS_INSUFFICIENT_BUFFERS;
	post->state = VMM_POST_IDLE;
	pthread_mutex_unlock(&vm->lock);
	return status;
}

static void poll_post(struct vmm_vcpu *vcpu)
{
	struct vmm_vm *vm = vcpu->vm;
	struct vmm_post *post = &vcpu->post;
	const struct hvp_post_message *message = &post->message;
	bool asked;
	uint16_t status;

	pthread_mutex_lock(&vm->lock);
	asked = post->state == VMM_POST_ASKED;
	if (asked)
		post->state = VMM_POST_TAKEN;
	pthread_mutex_unlock(&vm->lock);
	if (!asked)
		return;
	status = hvh_server_post(vm->hyperv.server, message->connection_id, message->message_type,
				 message->payload, message->payload_size);
	pthread_mutex_lock(&vm->lock);
	post->status = status;
	post->state = VMM_POST_DONE;
	pthread_cond_broadcast(&vm->changed);
	pthread_mutex_unlock(&vm->lock);
}

void vmm_mail_poll(struct vmm_vm *vm)
{
	poll_mail(vm);
	for (unsigned i = 0; i < vm->config->cpus; i++)
		poll_post(&vm->vcpus[i]);
}

/* --- life ------------------------------------------------------------------------------------------- */

void vmm_mail_init(struct vmm_vm *vm)
{
	vmm_timer_init(&vm->hyperv.mail_timer, vm->loop, on_mail_timer, vm);
}

void vmm_mail_reset(struct vmm_vm *vm)
{
	for (unsigned i = 0; i < vm->config->cpus; i++) {
		struct vmm_vcpu *vcpu = &vm->vcpus[i];

		atomic_store(&vcpu->mail.state, VMM_MAIL_EMPTY);
		vcpu->mailed = false;
		vmm_mail_unwatch(vcpu);
	}
	vmm_timer_set(&vm->hyperv.mail_timer, 0);
}
