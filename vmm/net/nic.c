/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "vmm/net/nic.h"

#include <errno.h>
#include <hvh/hvh_net.h>
#include <hvh/hvh_server.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/io_loops.h"
#include "vmm/log.h"
#include "vmm/net/pcap.h"
#include "vmm/vm_priv.h"

#define BITS_PER_SECOND	   10000000000ull
#define QUEUES_DEFAULT_MAX 8u

/* Frames under way from another queue's loop to that of queue 0. */
#define RELAY_FRAMES 64u
#define RELAY_BYTES  (HVH_NET_FRAME_MAX + 4u)

/*
 * An adapter goes when all of its queues were quiet so often in a row, looked at every so often; or after so many looks, whatever
 * the guest does (hvh_net_quiet()).
 */
#define QUIET_LOOK_NS	50000000ull
#define QUIET_LOOKS	6u
#define QUIET_LOOKS_MAX 100u

/* One producer, the loop of queue k, and one consumer, that of queue 0. */
struct relay {
	struct vmm_nic *nic; /* (c) */
	unsigned queue; /* (c) */
	_Atomic uint32_t head, tail; /* consumer's, producer's */
	_Atomic bool waits; /* the producer found no room */
	struct vmm_call ready; /* to the producer */
	uint32_t len[RELAY_FRAMES];
	uint8_t (*frame)[RELAY_BYTES];
};

struct vmm_nic {
	struct vmm_vm *vm; /* (c) */
	unsigned index; /* (c) */
	char name[16]; /* (c) */
	struct vmm_nic_config config; /* (c) */
	unsigned queues; /* (c) */
	struct hvh_device *device; /* (c) until it is removed */
	const struct vmm_net_port_ops *ops; /* (c) */
	void *port; /* (c) */
	struct hvh_net_backend backend; /* (c) */
	struct vmm_pcap *pcap; /* (c) NULL: none */
	struct vmm_loop *loop[HVH_NET_QUEUES_MAX]; /* (c) owner of each queue */
	struct vmm_call start; /* to the loop of queue 0 */
	struct vmm_call take; /* to it: frames in relays */
	struct vmm_call run[HVH_NET_QUEUES_MAX]; /* hvh_net_run() */
	struct run {
		struct vmm_nic *nic;
		unsigned queue;
	} run_of[HVH_NET_QUEUES_MAX];
	struct relay relay[HVH_NET_QUEUES_MAX]; /* from queue 1 on */

	/* (o) The end. */
	bool leaving;
	struct vmm_timer look_timer;
	unsigned looks, quiet_looks; /* all, and those in a row that found it quiet */
	bool quiet; /* (w) of the queue that is visited: so far in this look */
	unsigned holds;
	bool left; /* nothing of it is on any loop */
	void (*gone)(void *ctx);
	void *gone_ctx;
	unsigned visit_at; /* (w) the queue whose loop is visited */
	struct vmm_call visit; /* to each loop in turn */
	struct vmm_call back; /* and to the control loop */
};

static const struct vmm_net_port_ops *const ports[] = {
	[VMM_NIC_NULL] = &vmm_net_null, [VMM_NIC_LOOP] = &vmm_net_loop,
	[VMM_NIC_ECHO] = &vmm_net_echo, [VMM_NIC_USER] = &vmm_net_user,
	[VMM_NIC_TAP] = &vmm_net_tap,
};

const char *vmm_nic_name(const struct vmm_nic *nic)
{
	return nic->name;
}

/* --- frames ----------------------------------------------------------------------------------------- */

unsigned vmm_nic_queues(const struct vmm_nic *nic)
{
	return nic->queues;
}

int vmm_nic_receive(struct vmm_nic *nic, unsigned queue, const struct iovec *iov, unsigned iovs,
		    const struct hvh_net_meta *meta)
{
	if (nic->pcap)
		vmm_pcap_write(nic->pcap, iov, iovs);
	return hvh_net_receive(nic->device, queue, iov, iovs, meta);
}

void vmm_nic_flush(struct vmm_nic *nic, unsigned queue)
{
	hvh_net_flush(nic->device, queue);
}

/* Into the relay of that queue; its loop. */
static int hand_over(struct vmm_nic *nic, unsigned queue, const struct iovec *iov, unsigned iovs)
{
	struct relay *relay = &nic->relay[queue];
	uint32_t tail = atomic_load_explicit(&relay->tail, memory_order_relaxed);
	uint32_t slot = tail % RELAY_FRAMES, len = 0;

	if (tail - atomic_load(&relay->head) >= RELAY_FRAMES) {
		atomic_store(&relay->waits, true);
		/* The consumer may have made room before it could see that. */
		if (tail - atomic_load(&relay->head) >= RELAY_FRAMES)
			return -EAGAIN;
	}
	for (unsigned i = 0; i < iovs; i++) {
		if (iov[i].iov_len > RELAY_BYTES - len)
			return -EMSGSIZE;
		memcpy(relay->frame[slot] + len, iov[i].iov_base, iov[i].iov_len);
		len += (uint32_t)iov[i].iov_len;
	}
	relay->len[slot] = len;
	atomic_store(&relay->tail, tail + 1);
	vmm_call_post(&nic->take);
	return 0;
}

/* What is in the relays goes to the port. Loop of queue 0. */
static void on_take(void *ctx)
{
	const struct hvh_net_meta plain = { .verified = false };
	struct vmm_nic *nic = ctx;

	for (unsigned queue = 1; queue < nic->queues; queue++) {
		struct relay *relay = &nic->relay[queue];
		uint32_t head = atomic_load_explicit(&relay->head, memory_order_relaxed);

		for (; head != atomic_load(&relay->tail); head++) {
			const struct iovec iov = { relay->frame[head % RELAY_FRAMES],
						   relay->len[head % RELAY_FRAMES] };

			(void)nic->ops->send(nic->port, queue, &iov, 1, &plain);
			atomic_store(&relay->head, head + 1);
		}
		if (atomic_exchange(&relay->waits, false))
			vmm_call_post(&relay->ready);
	}
}

static void on_relay_ready(void *ctx)
{
	struct relay *relay = ctx;

	hvh_net_tx_ready(relay->nic->device, relay->queue);
}

/* --- what the device needs -------------------------------------------------------------------------- */

static int on_send(void *ctx, unsigned queue, const struct iovec *iov, unsigned iovs,
		   const struct hvh_net_meta *meta)
{
	struct vmm_nic *nic = ctx;
	bool relayed = queue && !(nic->ops->can & HVH_NET_READS_QUEUES);
	int err = relayed ? hand_over(nic, queue, iov, iovs) : 0;

	if (!err && nic->pcap)
		vmm_pcap_write(nic->pcap, iov, iovs);
	return relayed || err ? err : nic->ops->send(nic->port, queue, iov, iovs, meta);
}

static void on_opened(void *ctx, unsigned queue, bool open)
{
	struct vmm_nic *nic = ctx;

	if (nic->ops->opened)
		nic->ops->opened(nic->port, queue, open ? nic->loop[queue] : NULL);
}

static void on_joins(void *ctx, unsigned joins)
{
	struct vmm_nic *nic = ctx;

	if (nic->ops->joins)
		nic->ops->joins(nic->port, joins);
}

static void on_receive_ready(void *ctx, unsigned queue)
{
	struct vmm_nic *nic = ctx;

	if (nic->ops->receive_ready)
		nic->ops->receive_ready(nic->port, queue);
}

static void on_kick(void *ctx, unsigned queue)
{
	struct vmm_nic *nic = ctx;

	vmm_call_post(&nic->run[queue]);
}

static void on_run(void *ctx)
{
	const struct run *run = ctx;

	hvh_net_run(run->nic->device, run->queue);
}

static const struct hvh_net_backend backend = {
	.send = on_send,
	.opened = on_opened,
	.joins = on_joins,
	.receive_ready = on_receive_ready,
	.kick = on_kick,
};

/* --- life ------------------------------------------------------------------------------------------- */

static void on_start(void *ctx)
{
	struct vmm_nic *nic = ctx;

	if (nic->ops->start)
		nic->ops->start(nic->port, nic->loop[0]);
}

/* Hyper-V's own range, then what distinguishes VMs and their NICs. */
static void choose_mac(struct vmm_nic *nic, uint8_t mac[6])
{
	uint32_t hash = 2166136261u;

	for (const char *c = nic->vm->config->name; *c; c++)
		hash = (hash ^ (uint8_t)*c) * 16777619u;
	mac[0] = 0x00;
	mac[1] = 0x15;
	mac[2] = 0x5d;
	mac[3] = (uint8_t)(hash >> 16);
	mac[4] = (uint8_t)(hash >> 8);
	mac[5] = (uint8_t)((hash & 0xf0) | nic->index);
}

static int create_device(struct vmm_nic *nic)
{
	struct hvh_net_config config = {
		.instance = { 'h', 'v', 'i', 's', (uint8_t)nic->index },
		.queues_max = nic->queues,
		.frame_max = nic->config.frame_max,
		.bits_per_second = BITS_PER_SECOND,
		.mac_change = nic->config.mac_change,
		.foreign_macs = nic->config.mac_spoofing,
		.no_join = nic->config.no_rsc,
	};
	struct hvh_inject inject;
	char error[256];

	/* It was parsed before, so it is right. */
	if (nic->vm->config->inject &&
	    !hvh_inject_parse(nic->vm->config->inject, &inject, error, sizeof(error)))
		memcpy(config.fault_every, inject.nic_every, sizeof(config.fault_every));
	if (!nic->config.has_mac)
		choose_mac(nic, nic->config.mac);
	memcpy(config.mac, nic->config.mac, sizeof(config.mac));
	return hvh_net_create(&config, &nic->backend, nic, &nic->device);
}

static int create_relays(struct vmm_nic *nic)
{
	for (unsigned i = 0; i < nic->queues; i++) {
		struct relay *relay = &nic->relay[i];

		relay->nic = nic;
		relay->queue = i;
		vmm_call_init(&relay->ready, nic->loop[i], on_relay_ready, relay);
		relay->frame = i ? calloc(RELAY_FRAMES, RELAY_BYTES) : NULL;
		if (i && !relay->frame)
			return -ENOMEM;
		nic->run_of[i] = (struct run){ nic, i };
		vmm_call_init(&nic->run[i], nic->loop[i], on_run, &nic->run_of[i]);
	}
	return 0;
}

static void free_nic(struct vmm_nic *nic)
{
	vmm_timer_set(&nic->look_timer, 0);
	if (nic->port)
		nic->ops->destroy(nic->port);
	if (nic->device)
		hvh_net_destroy(nic->device);
	for (unsigned i = 0; i < nic->queues; i++)
		free(nic->relay[i].frame);
	vmm_pcap_destroy(nic->pcap);
	free(nic);
}

/* --- the end of one ---------------------------------------------------------------------------------- */

/*
 * First the guest's network goes quiet: the link is down, and then all queues are looked at, again and again. Then the server takes
 * the device away, and with the channels closed each loop is visited once more.
 */

/* Have `visit` called on the loop of each queue, that of queue 0 first because it is what others hand frames to; then `back`. */
static void visit_all(struct vmm_nic *nic, vmm_loop_fn visit, vmm_loop_fn back)
{
	nic->visit_at = 0;
	vmm_call_init(&nic->visit, nic->loop[0], visit, nic);
	vmm_call_init(&nic->back, nic->vm->loop, back, nic);
	vmm_call_post(&nic->visit);
}

/* At the end of a visit. */
static void visit_next(struct vmm_nic *nic)
{
	vmm_loop_fn visit = nic->visit.fn;

	if (++nic->visit_at == nic->queues) {
		vmm_call_post(&nic->back);
		return;
	}
	vmm_call_init(&nic->visit, nic->loop[nic->visit_at], visit, nic);
	vmm_call_post(&nic->visit);
}

static void on_look(void *ctx)
{
	struct vmm_nic *nic = ctx;

	if (!nic->visit_at)
		hvh_net_link(nic->device, false);
	/* Each is asked: what it says is of the time since it was asked last. */
	if (!hvh_net_quiet(nic->device, nic->visit_at))
		nic->quiet = false;
	visit_next(nic);
}

static void on_looked(void *ctx)
{
	struct vmm_nic *nic = ctx;
	int err;

	nic->quiet_looks = nic->quiet ? nic->quiet_looks + 1 : 0;
	if (++nic->looks < QUIET_LOOKS_MAX && nic->quiet_looks < QUIET_LOOKS) {
		vmm_timer_set(&nic->look_timer, vmm_now_ns() + QUIET_LOOK_NS);
		return;
	}
	if (nic->quiet_looks < QUIET_LOOKS)
		vmm_log(HVH_LOG_INFO, "%s is removed while the guest still uses it", nic->name);
	err = hvh_server_remove(nic->vm->hyperv.server, nic->device);
	if (err)
		vmm_log(HVH_LOG_ERROR, "%s cannot be removed: %s", nic->name, strerror(-err));
}

static void on_look_timer(void *ctx)
{
	struct vmm_nic *nic = ctx;

	nic->quiet = true;
	visit_all(nic, on_look, on_looked);
}

int vmm_nic_remove(struct vmm_vm *vm, unsigned index, void (*gone)(void *ctx), void *ctx)
{
	struct vmm_nic *nic = vm->hyperv.nics[index];

	if (!nic || nic->leaving)
		return nic ? -EBUSY : -ENOENT;
	nic->leaving = true;
	nic->gone = gone;
	nic->gone_ctx = ctx;
	vm->hyperv.errands++;
	on_look_timer(nic);
	return 0;
}

/* What was posted to that loop before has run: of the queue nothing is left there. */
static void on_leave(void *ctx)
{
	struct vmm_nic *nic = ctx;

	if (!nic->visit_at && nic->ops->stop)
		nic->ops->stop(nic->port);
	visit_next(nic);
}

static void go(struct vmm_nic *nic)
{
	struct vmm_vm *vm = nic->vm;
	void (*gone)(void *ctx) = nic->gone;
	void *ctx = nic->gone_ctx;

	if (!nic->left || nic->holds)
		return;
	vm->hyperv.nics[nic->index] = NULL;
	free_nic(nic);
	gone(ctx);
	if (!--vm->hyperv.errands)
		vmm_vm_wake(vm);
}

static void on_left(void *ctx)
{
	struct vmm_nic *nic = ctx;

	nic->left = true;
	go(nic);
}

/* The channels are closed. Frames and calls that were on their way between the loops go first. */
bool vmm_nic_removed(struct vmm_vm *vm, struct hvh_device *device)
{
	unsigned index = vmm_nic_index(vm, device);

	if (index == VMM_NICS_MAX)
		return false;
	visit_all(vm->hyperv.nics[index], on_leave, on_left);
	return true;
}

struct vmm_nic *vmm_nic_hold(const struct vmm_vm *vm, unsigned index)
{
	struct vmm_nic *nic = vm->hyperv.nics[index];

	if (!nic || nic->leaving)
		return NULL;
	nic->holds++;
	return nic;
}

void vmm_nic_release(struct vmm_nic *nic)
{
	nic->holds--;
	go(nic);
}

/* --- the beginning ----------------------------------------------------------------------------------- */

static void set_up_loops(struct vmm_nic *nic)
{
	struct vmm_vm *vm = nic->vm;

	for (unsigned i = 0; i < nic->queues; i++)
		nic->loop[i] = vmm_io_loops_get(vm->hyperv.io, VMM_SERVICES + nic->index + i);
	vmm_call_init(&nic->start, nic->loop[0], on_start, nic);
	vmm_call_init(&nic->take, nic->loop[0], on_take, nic);
	vmm_timer_init(&nic->look_timer, vm->loop, on_look_timer, nic);
}

static int create_nic(struct vmm_vm *vm, unsigned index, const char *text)
{
	struct vmm_nic *nic = calloc(1, sizeof(*nic));
	int err;

	if (!nic)
		return -ENOMEM;
	nic->vm = vm;
	nic->index = index;
	snprintf(nic->name, sizeof(nic->name), "nic %u", index);
	err = vmm_nic_config_parse(text, &nic->config) ? -EINVAL : 0;
	nic->queues = nic->config.queues ? nic->config.queues : vm->config->cpus;
	if (!nic->config.queues && nic->queues > QUEUES_DEFAULT_MAX)
		nic->queues = QUEUES_DEFAULT_MAX;
	nic->ops = ports[nic->config.kind];
	nic->backend = backend;
	nic->backend.can = nic->ops->can;
	/* What is recorded is what is on the wire, so nothing of it is left to others. */
	if (*nic->config.pcap)
		nic->backend.can &= HVH_NET_READS_QUEUES;
	set_up_loops(nic);
	if (!err && *nic->config.pcap) {
		err = vmm_pcap_create(nic->config.pcap, &nic->pcap);
		if (err)
			vmm_log(HVH_LOG_ERROR, "%s: %s: %s", nic->name, nic->config.pcap,
				strerror(-err));
	}
	if (!err)
		err = create_relays(nic);
	if (!err)
		err = create_device(nic);
	if (!err)
		err = nic->ops->create(nic, &nic->config, &nic->port);
	if (!err)
		err = hvh_server_add(vm->hyperv.server, nic->device);
	if (err) {
		free_nic(nic);
		return err;
	}
	vm->hyperv.nics[index] = nic;
	vmm_call_post(&nic->start);
	return 0;
}

int vmm_nics_create(struct vmm_vm *vm)
{
	int err = 0;

	for (unsigned i = 0; i < vm->config->nics && !err; i++) {
		err = create_nic(vm, i, vm->config->nic[i]);
		if (err)
			vmm_log(HVH_LOG_ERROR, "network adapter %u cannot be made: %s", i,
				strerror(-err));
	}
	return err;
}

int vmm_nic_add(struct vmm_vm *vm, const char *text)
{
	unsigned index = 0;
	int err;

	while (index < VMM_NICS_MAX && vm->hyperv.nics[index])
		index++;
	if (index == VMM_NICS_MAX)
		return -ENOSPC;
	err = create_nic(vm, index, text);
	return err ? err : (int)index;
}

void vmm_nics_destroy(struct vmm_vm *vm)
{
	for (unsigned i = 0; i < VMM_NICS_MAX; i++) {
		if (vm->hyperv.nics[i])
			free_nic(vm->hyperv.nics[i]);
		vm->hyperv.nics[i] = NULL;
	}
}

struct hvh_device *vmm_nic_device(const struct vmm_vm *vm, unsigned index)
{
	const struct vmm_nic *nic = vm->hyperv.nics[index];

	return nic && !nic->leaving ? nic->device : NULL;
}

const struct vmm_nic_config *vmm_nic_config_of(const struct vmm_vm *vm, unsigned index)
{
	return vm->hyperv.nics[index] ? &vm->hyperv.nics[index]->config : NULL;
}

unsigned vmm_nic_index(const struct vmm_vm *vm, const struct hvh_device *device)
{
	unsigned i = 0;

	while (i < VMM_NICS_MAX && (!vm->hyperv.nics[i] || vm->hyperv.nics[i]->device != device))
		i++;
	return i;
}
