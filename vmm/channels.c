/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Channels: the hand-over between the server, on the control loop, and each channel's owner loop, with
 * doorbells and timers. All steps are posted, so neither loop ever waits for the other.
 *
 *   control loop                        owner loop
 *   vmm_channel_start    -- start -->   watch the doorbell, hvh_channel_start()
 *   hvh_server_started  <-- started --
 *                        -- notify -->  hvh_channel_notify(), once: some devices speak first
 *   vmm_channel_stop     -- stop -->    hvh_channel_stop()
 *   hvh_server_stopped  <-- stopped --  vmm_channel_drained(), now or when the device's I/O is done
 */
#include <errno.h>
#include <hvh/hvh_channel.h>
#include <hvh/hvh_server.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "vmm/disk/disk.h"
#include "vmm/hyperv_priv.h"
#include "vmm/io_loops.h"
#include "vmm/net/nic.h"
#include "vmm/trace.h"
#include "vmm/vm_priv.h"

/* One started channel, until the server has been told that it is stopped. (w) its owner loop */
struct vmm_channel {
	struct vmm_vm *vm; /* (c) */
	struct hvh_channel *channel; /* (c) */
	struct vmm_loop *loop; /* (c) the owner */
	uint32_t id, connection_id; /* (c) */
	const char *device; /* (c) its name */
	int fd; /* (c) doorbell: where the guest's SIGNAL_EVENT arrives */
	int result; /* of the start: (w), then (o) */
	struct vmm_timer timer; /* (w) */
	uint64_t deadline_ns; /* (w) of the timer, on vmm_vm_clock_ns() */
	struct vmm_call start, notify, attend, stop; /* to the owner loop */
	struct vmm_call started, stopped; /* to the control loop */
};

/* --- control loop ---------------------------------------------------------------------------------- */

static int set_doorbell(const struct vmm_channel *ch, unsigned flags)
{
	struct kvm_hyperv_eventfd event = {
		.conn_id = ch->connection_id,
		.fd = ch->fd,
		.flags = flags,
	};

	return ioctl(ch->vm->fd, KVM_HYPERV_EVENTFD, &event) < 0 ? -errno : 0;
}

/* The owner loop has nothing of it any more. */
static void free_channel(struct vmm_channel *ch)
{
	struct vmm_vm *vm = ch->vm;

	hvh_channel_set_context(ch->channel, NULL);
	close(ch->fd);
	free(ch);
	vm->hyperv.channels_started--;
}

static void on_started(void *ctx)
{
	struct vmm_channel *ch = ctx;
	struct hvh_server *server = ch->vm->hyperv.server;
	struct hvh_channel *channel = ch->channel;
	int result = ch->result;

	if (result) {
		set_doorbell(ch, KVM_HYPERV_EVENTFD_DEASSIGN);
		free_channel(ch);
	}
	/* True only after a start that did not fail, and before any stop. */
	if (hvh_server_started(server, channel, result))
		vmm_call_post(&ch->notify);
}

static void on_stopped(void *ctx)
{
	struct vmm_channel *ch = ctx;
	struct vmm_vm *vm = ch->vm;
	struct hvh_channel *channel = ch->channel;

	/* First, because the guest may have opened it anew, and that starts it at once. */
	free_channel(ch);
	hvh_server_stopped(vm->hyperv.server, channel);
	if (!vm->hyperv.channels_started)
		vmm_vm_wake(vm);
}

/* --- owner loop ------------------------------------------------------------------------------------- */

static void on_doorbell(void *ctx, uint32_t events)
{
	struct vmm_channel *ch = ctx;

	(void)events;
	vmm_eventfd_drain(ch->fd);
	hvh_channel_notify(ch->channel);
}

static void on_timer(void *ctx)
{
	struct vmm_channel *ch = ctx;

	uint64_t now_ns = vmm_vm_clock_ns(ch->vm);

	/* There was a pause. */
	if (ch->deadline_ns > now_ns)
		vmm_timer_set(&ch->timer, vmm_vm_clock_deadline(ch->vm, ch->deadline_ns));
	else
		hvh_channel_expire(ch->channel, now_ns);
}

static void on_start(void *ctx)
{
	struct vmm_channel *ch = ctx;

	ch->result = vmm_loop_add(ch->loop, ch->fd, EPOLLIN, on_doorbell, ch);
	if (!ch->result) {
		ch->result = hvh_channel_start(ch->channel);
		if (ch->result)
			vmm_loop_remove(ch->loop, ch->fd);
	}
	vmm_call_post(&ch->started);
}

static void on_notify(void *ctx)
{
	struct vmm_channel *ch = ctx;

	hvh_channel_notify(ch->channel);
}

static void on_attend(void *ctx)
{
	struct vmm_channel *ch = ctx;

	hvh_channel_attend(ch->channel);
}

static void on_stop(void *ctx)
{
	struct vmm_channel *ch = ctx;

	vmm_loop_remove(ch->loop, ch->fd);
	/* Cancels the timer; and when the device has nothing under way, `ch` is not ours any more after it. */
	hvh_channel_stop(ch->channel);
}

/* --- what the server asks for ------------------------------------------------------------------------ */

/* Channel k of device n: the channels of one device are spread, and so are those of many. */
static struct vmm_loop *choose_owner(struct vmm_vm *vm, const struct hvh_channel_info *info)
{
	unsigned device = vmm_service_index(vm, info->device);

	/* Of NICs nic.c counts the same, and disk.c of the SCSI controller. */
	if (info->device == vmm_scsi_device(vm))
		device = VMM_STOP_SCSI;
	else if (device == VMM_SERVICES)
		device += vmm_nic_index(vm, info->device);
	return vmm_io_loops_get(vm->hyperv.io, device + info->subchannel_index);
}

int vmm_channel_start(void *ctx, struct hvh_channel *channel, uint32_t connection_id)
{
	struct vmm_vm *vm = ctx;
	struct vmm_channel *ch = calloc(1, sizeof(*ch));
	struct hvh_channel_info info;
	int err;

	if (!ch)
		return -ENOMEM;
	ch->vm = vm;
	ch->channel = channel;
	hvh_channel_info(channel, &info);
	ch->loop = choose_owner(vm, &info);
	ch->id = info.id;
	ch->device = info.device->name;
	ch->connection_id = connection_id;
	vmm_timer_init(&ch->timer, ch->loop, on_timer, ch);
	vmm_call_init(&ch->start, ch->loop, on_start, ch);
	vmm_call_init(&ch->notify, ch->loop, on_notify, ch);
	vmm_call_init(&ch->attend, ch->loop, on_attend, ch);
	vmm_call_init(&ch->stop, ch->loop, on_stop, ch);
	vmm_call_init(&ch->started, vm->loop, on_started, ch);
	vmm_call_init(&ch->stopped, vm->loop, on_stopped, ch);
	ch->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	err = ch->fd < 0 ? -errno : set_doorbell(ch, 0);
	if (err) {
		if (ch->fd >= 0)
			close(ch->fd);
		free(ch);
		return err;
	}
	hvh_channel_set_context(channel, ch);
	vm->hyperv.channels_started++;
	vmm_call_post(&ch->start);
	return 0;
}

void vmm_channel_stop(void *ctx, struct hvh_channel *channel)
{
	struct vmm_channel *ch = hvh_channel_context(channel);

	(void)ctx;
	set_doorbell(ch, KVM_HYPERV_EVENTFD_DEASSIGN);
	vmm_call_post(&ch->stop);
}

void vmm_channel_attend(void *ctx, struct hvh_channel *channel)
{
	struct vmm_channel *ch = hvh_channel_context(channel);

	(void)ctx;
	vmm_call_post(&ch->attend);
}

void vmm_channel_drained(void *ctx, struct hvh_channel *channel)
{
	struct vmm_channel *ch = hvh_channel_context(channel);

	(void)ctx;
	vmm_call_post(&ch->stopped);
}

void vmm_channel_timer(void *ctx, struct hvh_channel *channel, uint64_t deadline_ns)
{
	struct vmm_vm *vm = ctx;
	struct vmm_channel *ch = hvh_channel_context(channel);

	/* Counted from one order to the next, also while it fires: then another follows. */
	atomic_fetch_add(&vm->hyperv.timers,
			 (unsigned)((deadline_ns != 0) - (ch->deadline_ns != 0)));
	ch->deadline_ns = deadline_ns;
	vmm_timer_set(&ch->timer, deadline_ns ? vmm_vm_clock_deadline(vm, deadline_ns) : 0);
}

void vmm_channel_trace(void *ctx, const struct hvh_trace_packet *packet)
{
	struct vmm_vm *vm = ctx;
	const struct vmm_channel *ch = hvh_channel_context(packet->channel);
	struct vmm_trace_record record = {
		.direction = packet->direction,
		.is_packet = true,
		.channel_id = ch->id,
		.type = packet->type,
		.flags = packet->flags,
		.transaction_id = packet->transaction_id,
		.named = packet->named,
	};

	snprintf(record.device, sizeof(record.device), "%s", ch->device);
	vmm_trace_packet(vm->hyperv.trace, &record, packet->payload);
}
