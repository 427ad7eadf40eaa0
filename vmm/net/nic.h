/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Network adapters of the virtual machine: the device of libhvis-host, and what carries its frames.
 *
 * Queue k of a NIC belongs to the owner loop of its channel k. What carries frames (a port) lives on the loop of
 * queue 0; frames that other queues send are handed over to it, unless it has a part on each queue's loop.
 */
#ifndef VMM_NET_NIC_H
#define VMM_NET_NIC_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "vmm/net/nic_config.h"

struct hvh_device;
struct hvh_net_meta;
struct hvh_net_status;
struct vmm_loop;
struct vmm_nic;
struct vmm_vm;

/*
 * What carries frames. All on the loop of queue 0, or of the queue that is named if it `can` read each queue on its own
 * loop; but create and destroy, which are for any while nothing runs there.
 */
struct vmm_net_port_ops {
	unsigned can; /* HVH_NET_* */

	/* Negative errno after a line to the log. */
	int (*create)(struct vmm_nic *nic, const struct vmm_nic_config *config, void **port);
	void (*destroy)(void *port);

	/* Watch descriptors from now on; no more. May be NULL. */
	void (*start)(void *port, struct vmm_loop *loop);
	void (*stop)(void *port);

	/* The guest has opened that queue, which is on that loop; NULL: closed it. May be NULL. */
	void (*opened)(void *port, unsigned queue, struct vmm_loop *loop);

	/* The guest takes joined segments of that, as hvh_net_backend.joins. May be NULL. */
	void (*joins)(void *port, unsigned joins);

	/* A frame from the guest, as hvh_net_backend.send. */
	int (*send)(void *port, unsigned queue, const struct iovec *iov, unsigned iovs,
		    const struct hvh_net_meta *meta);

	/* The guest has room again; may be NULL. */
	void (*receive_ready)(void *port, unsigned queue);
};
extern const struct vmm_net_port_ops vmm_net_null, vmm_net_loop, vmm_net_echo, vmm_net_user,
	vmm_net_tap;

/*
 * For ports: a frame for the guest, and the end of a row of them, as hvh_net_receive() and hvh_net_flush(). A frame for which
 * there was no room (-EAGAIN) may be dropped. Loop of that queue; 0 where a port reads on one loop.
 */
int vmm_nic_receive(struct vmm_nic *nic, unsigned queue, const struct iovec *iov, unsigned iovs,
		    const struct hvh_net_meta *meta);
void vmm_nic_flush(struct vmm_nic *nic, unsigned queue);
const char *vmm_nic_name(const struct vmm_nic *nic);
unsigned vmm_nic_queues(const struct vmm_nic *nic);

/* --- for the machine. Control loop ------------------------------------------------------------------ */

/* All that the configuration names, added to the server. Negative errno after a line to the log. */
int vmm_nics_create(struct vmm_vm *vm);

/*
 * One more, while the machine runs: `text` as for --nic. Returns its number, or a negative errno after a line to the log:
 * -ENOSPC: there are as many as there may be; -EINVAL: the text.
 */
int vmm_nic_add(struct vmm_vm *vm, const char *text);

/*
 * Take one away from the guest, whatever it does; `gone` is called when nothing of it is left. -ENOENT: there is none; -EBUSY: it
 * is just being taken away.
 */
int vmm_nic_remove(struct vmm_vm *vm, unsigned index, void (*gone)(void *ctx), void *ctx);

/* See hvh_server_ops: true if the device was a NIC. */
bool vmm_nic_removed(struct vmm_vm *vm, struct hvh_device *device);

/* Keep it until vmm_nic_release(), for those who visit its loop. NULL: it is not there, or about to go. */
struct vmm_nic *vmm_nic_hold(const struct vmm_vm *vm, unsigned index);
void vmm_nic_release(struct vmm_nic *nic);

/* With the owner loops gone. */
void vmm_nics_destroy(struct vmm_vm *vm);

/* NULL: it is not there, or about to go. */
struct hvh_device *vmm_nic_device(const struct vmm_vm *vm, unsigned index);
const struct vmm_nic_config *vmm_nic_config_of(const struct vmm_vm *vm, unsigned index);

/* Which one a device is; VMM_NICS_MAX: none. */
unsigned vmm_nic_index(const struct vmm_vm *vm, const struct hvh_device *device);

#endif
