/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The embedder of the VMBus server: hypercalls and SynIC of KVM on one side, hvh_server on the other.
 * The control loop owns all channels.
 */
#include <errno.h>
#include <hvh/hvh_channel.h>
#include <hvh/hvh_ic.h>
#include <hvh/hvh_mem.h>
#include <hvh/hvh_server.h>
#include <hvh/hvh_synic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "vmm/log.h"
#include "vmm/vm_priv.h"

/* A busy slot is looked at again after this, twice as long each time, up to the second. */
#define MAIL_DELAY_MIN_NS 1000000ull
#define MAIL_DELAY_MAX_NS 256000000ull

/* Where the guest's SIGNAL_EVENT on one channel arrives. */
struct vmm_doorbell {
	struct vmm_doorbell *next;
	struct vmm_vm *vm;
	struct hvh_channel *channel;
	uint32_t connection_id;
	int fd;
};

static void drain(int fd)
{
	uint64_t count;

	/* Nothing there is as good. */
	if (read(fd, &count, sizeof(count)) < 0)
		return;
}

static void ring(int fd)
{
	uint64_t one = 1;

	/* Only fails when the counter is full, and then the other side has been told. */
	if (write(fd, &one, sizeof(one)) < 0)
		return;
}

/* --- interrupts to the guest ---------------------------------------------------------------------- */

static void raise_sint(struct vmm_vcpu *vcpu, uint32_t sint)
{
	if (sint == HVP_VMBUS_SINT) {
		ring(vcpu->sint_fd);
	} else {
		/* A guest may choose another for its messages; nothing fast uses it. */
		vmm_vm_set_irq(vcpu->vm, VMM_SINT_GSI(vcpu->index, sint), 1);
	}
}

static void on_signal(void *ctx, uint32_t vp, uint32_t sint, uint32_t flag)
{
	struct vmm_vm *vm = ctx;

	if (vp < vm->config->cpus && hvh_synic_signal(vm->vcpus[vp].synic, sint, flag))
		raise_sint(&vm->vcpus[vp], sint);
}

static int assign_irqfd(struct vmm_vcpu *vcpu, int fd, int resample_fd, unsigned flags)
{
	struct kvm_irqfd irqfd = {
		.fd = (uint32_t)fd,
		.gsi = VMM_SINT_GSI(vcpu->index, HVP_VMBUS_SINT),
		.flags = flags,
		.resamplefd = (uint32_t)resample_fd,
	};

	return ioctl(vcpu->vm->fd, KVM_IRQFD, &irqfd) < 0 ? -errno : 0;
}

/* --- messages to the guest ------------------------------------------------------------------------ */

static bool on_post_message(void *ctx, uint32_t vp, uint32_t sint, const void *bytes, size_t len)
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

void vmm_hyperv_deliver(struct vmm_vcpu *vcpu)
{
	struct vmm_mail *mail = &vcpu->mail;
	int was = atomic_load(&mail->state), err;

	if (was == VMM_MAIL_EMPTY)
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
		raise_sint(vcpu, mail->sint);
	atomic_store(&mail->state, VMM_MAIL_EMPTY);
	vmm_vm_wake(vcpu->vm);
}

static void unwatch_eom(struct vmm_vcpu *vcpu)
{
	if (vcpu->eom_fd < 0)
		return;
	assign_irqfd(vcpu, vcpu->eom_irq_fd, -1, KVM_IRQFD_FLAG_DEASSIGN);
	vmm_loop_remove(vcpu->vm->loop, vcpu->eom_fd);
	close(vcpu->eom_fd);
	close(vcpu->eom_irq_fd);
	vcpu->eom_fd = vcpu->eom_irq_fd = -1;
}

static void on_eom(void *ctx, uint32_t events)
{
	struct vmm_vcpu *vcpu = ctx;

	(void)events;
	drain(vcpu->eom_fd);
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
		err = assign_irqfd(vcpu, vcpu->eom_irq_fd, vcpu->eom_fd, KVM_IRQFD_FLAG_RESAMPLE);
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
			unwatch_eom(vcpu);
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

/*
 * Ask the control loop and wait. The way out is the gate: then the message was not taken, and the
 * guest is told to try again.
 */
static uint16_t post_message(struct vmm_vcpu *vcpu, uint64_t input, uint64_t gpa)
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

void vmm_hyperv_poll(struct vmm_vm *vm)
{
	poll_mail(vm);
	for (unsigned i = 0; i < vm->config->cpus; i++)
		poll_post(&vm->vcpus[i]);
}

/* --- exits ---------------------------------------------------------------------------------------- */

static uint64_t hypercall(struct vmm_vcpu *vcpu)
{
	uint64_t input = vcpu->run->hyperv.u.hcall.input;
	const __u64 *params = vcpu->run->hyperv.u.hcall.params;

	switch (input & HVP_CALL_CODE_MASK) {
	case HVP_CALL_POST_MESSAGE:
		return post_message(vcpu, input, params[0]);
	case HVP_CALL_SIGNAL_EVENT:
		/*
		 * KVM answers this by eventfd for every connection that there is, and comes here with
		 * the others and with flag numbers, which no connection of ours has. Whether
		 * params[0] is the parameter or its address depends on KVM's version, except in the
		 * fast form.
		 */
		if ((input & HVP_CALL_FAST) && (params[0] >> 32 & 0xffff))
			return HVP_STATUS_INVALID_PORT_ID;
		return HVP_STATUS_INVALID_CONNECTION_ID;
	default:
		return HVP_STATUS_INVALID_CALL_CODE;
	}
}

static void synic_changed(struct vmm_vcpu *vcpu)
{
	struct vmm_vm *vm = vcpu->vm;
	const struct kvm_hyperv_exit *exit = &vcpu->run->hyperv;
	uint64_t os_id;

	if (hvh_synic_set(vcpu->synic, exit->u.synic.control, exit->u.synic.evt_page,
			  exit->u.synic.msg_page))
		vmm_log(HVH_LOG_DEBUG, "processor %u: a SynIC page is not in RAM", vcpu->index);
	if (!vmm_vcpu_get_msr(vcpu, HVP_MSR_GUEST_OS_ID, &os_id))
		atomic_store(&vm->hyperv.guest_os_id, os_id);
}

void vmm_hyperv_exit(struct vmm_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	if (run->hyperv.type == KVM_EXIT_HYPERV_HCALL) {
		atomic_fetch_add_explicit(&vcpu->exits.hypercall, 1, memory_order_relaxed);
		run->hyperv.u.hcall.result = hypercall(vcpu);
	} else if (run->hyperv.type == KVM_EXIT_HYPERV_SYNIC) {
		atomic_fetch_add_explicit(&vcpu->exits.synic, 1, memory_order_relaxed);
		synic_changed(vcpu);
	}
}

/* --- channels ------------------------------------------------------------------------------------- */

static int set_doorbell(const struct vmm_doorbell *bell, unsigned flags)
{
	struct kvm_hyperv_eventfd event = {
		.conn_id = bell->connection_id,
		.fd = bell->fd,
		.flags = flags,
	};

	return ioctl(bell->vm->fd, KVM_HYPERV_EVENTFD, &event) < 0 ? -errno : 0;
}

static void on_doorbell(void *ctx, uint32_t events)
{
	struct vmm_doorbell *bell = ctx;

	(void)events;
	drain(bell->fd);
	hvh_channel_notify(bell->channel);
}

static void remove_doorbell(struct vmm_vm *vm, const struct hvh_channel *channel)
{
	for (struct vmm_doorbell **at = &vm->hyperv.doorbells; *at; at = &(*at)->next) {
		struct vmm_doorbell *bell = *at;

		if (bell->channel != channel)
			continue;
		*at = bell->next;
		set_doorbell(bell, KVM_HYPERV_EVENTFD_DEASSIGN);
		vmm_loop_remove(vm->loop, bell->fd);
		close(bell->fd);
		free(bell);
		return;
	}
}

static int add_doorbell(struct vmm_vm *vm, struct hvh_channel *channel, uint32_t connection_id)
{
	struct vmm_doorbell *bell = malloc(sizeof(*bell));
	int err;

	if (!bell)
		return -ENOMEM;
	*bell = (struct vmm_doorbell){
		.vm = vm,
		.channel = channel,
		.connection_id = connection_id,
		.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
	};
	err = bell->fd < 0 ? -errno : vmm_loop_add(vm->loop, bell->fd, EPOLLIN, on_doorbell, bell);
	if (err)
		goto err_close;
	err = set_doorbell(bell, 0);
	if (err)
		goto err_remove;
	bell->next = vm->hyperv.doorbells;
	vm->hyperv.doorbells = bell;
	return 0;

err_remove:
	vmm_loop_remove(vm->loop, bell->fd);
err_close:
	if (bell->fd >= 0)
		close(bell->fd);
	free(bell);
	return err;
}

static int on_channel_start(void *ctx, struct hvh_channel *channel, uint32_t connection_id)
{
	struct vmm_vm *vm = ctx;
	int err = add_doorbell(vm, channel, connection_id);

	if (err)
		return err;
	err = hvh_channel_start(channel);
	if (err)
		remove_doorbell(vm, channel);
	hvh_server_started(vm->hyperv.server, channel, err);
	if (!err)
		/* Some devices speak first, and may from now on. */
		hvh_channel_notify(channel);
	return 0;
}

static void on_channel_stop(void *ctx, struct hvh_channel *channel)
{
	remove_doorbell(ctx, channel);
	hvh_channel_stop(channel);
}

static void on_channel_drained(void *ctx, struct hvh_channel *channel)
{
	struct vmm_vm *vm = ctx;

	hvh_server_stopped(vm->hyperv.server, channel);
}

static void on_device_timer(void *ctx)
{
	struct vmm_device_timer *timer = ctx;

	hvh_device_expire(timer->device, vmm_now_ns());
}

static void on_timer(void *ctx, struct hvh_device *device, uint64_t deadline_ns)
{
	struct vmm_hyperv *hv = &((struct vmm_vm *)ctx)->hyperv;

	for (unsigned i = 0; i < hv->timers_used; i++)
		if (hv->timers[i].device == device)
			vmm_timer_set(&hv->timers[i].timer, deadline_ns);
}

static uint64_t on_now(void *ctx)
{
	(void)ctx;
	return vmm_now_ns();
}

static void on_log(void *ctx, enum hvh_log_level level, const char *line)
{
	(void)ctx;
	vmm_log(level, "%s", line);
}

static const struct hvh_server_ops server_ops = {
	.post_message = on_post_message,
	.signal = on_signal,
	.channel_start = on_channel_start,
	.channel_stop = on_channel_stop,
	.channel_drained = on_channel_drained,
	.timer = on_timer,
	.now_ns = on_now,
	.log = on_log,
};

/* --- life ----------------------------------------------------------------------------------------- */

static int add_device(struct vmm_vm *vm, struct hvh_device *device)
{
	struct vmm_hyperv *hv = &vm->hyperv;
	struct vmm_device_timer *timer = &hv->timers[hv->timers_used++];

	timer->device = device;
	vmm_timer_init(&timer->timer, vm->loop, on_device_timer, timer);
	return hvh_server_add(hv->server, device);
}

/*
 * KVM's reference counter is its clock of the VM in 100 ns, also where the guest computes it from the
 * reference TSC page, whose values KVM derives from that clock. With a stable TSC KVM tells the real
 * time of the same instant; else that is read between two readings of the clock.
 */
static bool on_timesync_clock(void *ctx, uint64_t *host_time, uint64_t *reference_time)
{
	struct vmm_vm *vm = ctx;
	struct kvm_clock_data first = { 0 }, second = { 0 };
	uint64_t clock_ns, real_ns;
	struct timespec now;

	if (ioctl(vm->fd, KVM_GET_CLOCK, &first) < 0)
		return false;
	if (first.flags & KVM_CLOCK_REALTIME) {
		clock_ns = first.clock;
		real_ns = first.realtime;
	} else {
		if (clock_gettime(CLOCK_REALTIME, &now) ||
		    ioctl(vm->fd, KVM_GET_CLOCK, &second) < 0)
			return false;
		clock_ns = first.clock + (second.clock - first.clock) / 2;
		real_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
	}
	*host_time = HVP_TIME_UNIX_EPOCH + real_ns / 100;
	*reference_time = clock_ns / 100;
	return true;
}

static int create_devices(struct vmm_vm *vm)
{
	struct vmm_hyperv *hv = &vm->hyperv;
	int err = 0;

	if (!(vm->config->services_off & VMM_SERVICE_heartbeat)) {
		err = hvh_heartbeat_create(&hv->heartbeat);
		if (!err)
			err = add_device(vm, hv->heartbeat);
	}
	if (!err && !(vm->config->services_off & VMM_SERVICE_shutdown)) {
		err = hvh_shutdown_create(&hv->shutdown);
		if (!err)
			err = add_device(vm, hv->shutdown);
	}
	if (!err && !(vm->config->services_off & VMM_SERVICE_timesync)) {
		err = hvh_timesync_create(on_timesync_clock, vm, &hv->timesync);
		if (!err)
			err = add_device(vm, hv->timesync);
	}
	return err;
}

int vmm_hyperv_create(struct vmm_vm *vm)
{
	const struct hvh_server_config config = {
		.version_max = vm->config->vmbus_version_max,
		.vps = vm->config->cpus,
	};
	int err = hvh_server_create(vm->mem, &config, &server_ops, vm, &vm->hyperv.server);

	vmm_timer_init(&vm->hyperv.mail_timer, vm->loop, on_mail_timer, vm);
	if (!err)
		err = create_devices(vm);
	if (err)
		vmm_log(HVH_LOG_ERROR, "cannot create the VMBus server: %s", strerror(-err));
	return err;
}

void vmm_hyperv_destroy(struct vmm_vm *vm)
{
	struct vmm_hyperv *hv = &vm->hyperv;

	if (!hv->server)
		return;
	hvh_server_destroy(hv->server);
	for (unsigned i = 0; i < hv->timers_used; i++)
		vmm_timer_set(&hv->timers[i].timer, 0);
	vmm_timer_set(&hv->mail_timer, 0);
	if (hv->heartbeat)
		hvh_heartbeat_destroy(hv->heartbeat);
	if (hv->shutdown)
		hvh_shutdown_destroy(hv->shutdown);
	if (hv->timesync)
		hvh_timesync_destroy(hv->timesync);
}

int vmm_hyperv_create_vcpu(struct vmm_vcpu *vcpu)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_HYPERV_SYNIC2 };
	int err = hvh_synic_create(vcpu->vm->mem, &vcpu->synic);

	if (!err && ioctl(vcpu->fd, KVM_ENABLE_CAP, &cap) < 0)
		err = -errno;
	if (!err)
		err = vmm_vcpu_set_msr(vcpu, HVP_MSR_VP_INDEX, vcpu->index);
	/* KVM's own choice here differs between versions. */
	if (!err)
		err = vmm_vcpu_set_msr(vcpu, HVP_MSR_SCONTROL, 0);
	if (!err) {
		vcpu->sint_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		err = vcpu->sint_fd < 0 ? -errno : assign_irqfd(vcpu, vcpu->sint_fd, -1, 0);
	}
	if (err)
		vmm_log(HVH_LOG_ERROR, "KVM: SynIC of processor %u: %s", vcpu->index,
			strerror(-err));
	return err;
}

void vmm_hyperv_destroy_vcpu(struct vmm_vcpu *vcpu)
{
	unwatch_eom(vcpu);
	if (vcpu->sint_fd >= 0)
		close(vcpu->sint_fd);
	if (vcpu->synic)
		hvh_synic_destroy(vcpu->synic);
}

void vmm_hyperv_disconnect(struct vmm_vm *vm)
{
	hvh_server_reset(vm->hyperv.server);
	for (unsigned i = 0; i < vm->config->cpus; i++) {
		struct vmm_vcpu *vcpu = &vm->vcpus[i];

		atomic_store(&vcpu->mail.state, VMM_MAIL_EMPTY);
		vcpu->mailed = false;
		unwatch_eom(vcpu);
	}
	vmm_timer_set(&vm->hyperv.mail_timer, 0);
	atomic_store(&vm->hyperv.guest_os_id, 0);
}

int vmm_hyperv_reset_vcpu(struct vmm_vcpu *vcpu)
{
	/* First what may write to memory or interrupt; the operating system's id last. */
	static const uint32_t cleared[] = {
		HVP_MSR_STIMER0_CONFIG,
		HVP_MSR_STIMER0_CONFIG + 1,
		HVP_MSR_STIMER0_CONFIG + 2,
		HVP_MSR_STIMER0_CONFIG + 3,
		HVP_MSR_STIMER0_CONFIG + 4,
		HVP_MSR_STIMER0_CONFIG + 5,
		HVP_MSR_STIMER0_CONFIG + 6,
		HVP_MSR_STIMER0_CONFIG + 7,
		HVP_MSR_SCONTROL,
		HVP_MSR_SIMP,
		HVP_MSR_SIEFP,
		HVP_MSR_VP_ASSIST_PAGE,
		HVP_MSR_REFERENCE_TSC,
		HVP_MSR_HYPERCALL,
		HVP_MSR_GUEST_OS_ID,
	};
	int err = hvh_synic_set(vcpu->synic, 0, 0, 0);

	for (unsigned i = 0; !err && i < sizeof(cleared) / sizeof(cleared[0]); i++)
		err = vmm_vcpu_set_msr(vcpu, cleared[i], 0);
	for (unsigned sint = 0; !err && sint < HVP_SINT_COUNT; sint++)
		err = vmm_vcpu_set_msr(vcpu, HVP_MSR_SINT0 + sint, HVP_SINT_MASKED);
	return err;
}
