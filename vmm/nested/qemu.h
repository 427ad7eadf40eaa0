/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The QEMU process that carries the inner Linux.
 */
#ifndef VMM_NESTED_QEMU_H
#define VMM_NESTED_QEMU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "vmm/net/nic_config.h"

struct vmm_share;

/* A port that leads to the same one of the inner Linux. */
struct vmm_qemu_forward {
	bool udp;
	uint16_t port;
};

struct vmm_qemu_config {
	unsigned cpus; /* the guest's */
	uint64_t guest_memory_bytes; /* the inner Linux gets more */
	int console_fd; /* the process's ends of the two streams */
	int control_fd;
	const struct vmm_share *share;
	const char *argv_bytes; /* the inner monitor's command line */
	size_t argv_len;
	bool network; /* the inner Linux needs one, with these ports of this machine led to the same ones of it */
	unsigned forwards;
	struct vmm_qemu_forward forward[VMM_NICS_MAX * VMM_NIC_FORWARDS_MAX];
	unsigned taps; /* interfaces of this machine that the inner Linux gets, in this order, behind that network */
	int tap_fd[VMM_NICS_MAX];
};

/* As vmm_nested_check(). */
int vmm_qemu_check(char *why, size_t why_size);

/*
 * Start it: it dies with us. Its words, and those of the inner kernel, come out of *output_fd, which
 * the caller owns. Returns the process id or a negative errno.
 */
pid_t vmm_qemu_start(const struct vmm_qemu_config *config, int *output_fd);

#endif
