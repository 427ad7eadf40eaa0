/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Channels: doorbells, the hand-over between the server and the owner loop, timers. The control loop
 * owns all channels.
 */
#include <errno.h>
#include <hvh/hvh_channel.h>
#include <hvh/hvh_server.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "vmm/hyperv_priv.h"
#include "vmm/vm_priv.h"

/* Where the guest's SIGNAL_EVENT on one channel arrives. */
struct vmm_doorbell {
	struct vmm_doorbell *next;
	struct vmm_vm *vm;
	struct hvh_channel *channel;
	uint32_t connection_id;
	int fd;
	struct vmm_timer timer; /* of the channel */
};

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
	vmm_eventfd_drain(bell->fd);
	hvh_channel_notify(bell->channel);
}

static void remove_doorbell(struct vmm_vm *vm, const struct hvh_channel *channel)
{
	for (struct vmm_doorbell **at = &vm->hyperv.doorbells; *at; at = &(*at)->next) {
		struct vmm_doorbell *bell = *at;

		if (bell->channel != channel)
			continue;
		*at = bell->next;
		vmm_timer_set(&bell->timer, 0);
		set_doorbell(bell, KVM_HYPERV_EVENTFD_DEASSIGN);
		vmm_loop_remove(vm->loop, bell->fd);
		close(bell->fd);
		free(bell);
		return;
	}
}

static void on_channel_timer(void *ctx)
{
	struct vmm_doorbell *bell = ctx;

	hvh_channel_expire(bell->channel, vmm_now_ns());
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
	vmm_timer_init(&bell->timer, vm->loop, on_channel_timer, bell);
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

int vmm_channel_start(void *ctx, struct hvh_channel *channel, uint32_t connection_id)
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

void vmm_channel_stop(void *ctx, struct hvh_channel *channel)
{
	remove_doorbell(ctx, channel);
	hvh_channel_stop(channel);
}

void vmm_channel_drained(void *ctx, struct hvh_channel *channel)
{
	struct vmm_vm *vm = ctx;

	hvh_server_stopped(vm->hyperv.server, channel);
}

/* A channel that is stopped has no doorbell any more, and no timer. */
void vmm_channel_timer(void *ctx, struct hvh_channel *channel, uint64_t deadline_ns)
{
	struct vmm_vm *vm = ctx;

	for (struct vmm_doorbell *bell = vm->hyperv.doorbells; bell; bell = bell->next)
		if (bell->channel == channel)
			vmm_timer_set(&bell->timer, deadline_ns);
}
