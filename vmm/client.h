/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The other end of the control socket: how hvhost's subcommands talk to a running VM.
 */
#ifndef VMM_CLIENT_H
#define VMM_CLIENT_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct vmm_client;

/*
 * -ENOENT: no VM of that name; -ECONNREFUSED: its socket is there and the process is gone; other
 * errors: the socket cannot be reached.
 */
int vmm_client_open(const char *name, struct vmm_client **client);
void vmm_client_close(struct vmm_client *client);

/* Of the process that runs the VM. */
pid_t vmm_client_peer(const struct vmm_client *client);

/* Send a request; `request` is taken. -EPIPE: the VM has ended; -ETIMEDOUT: it does not read. */
int vmm_client_send(struct vmm_client *client, json_t *request);

/* Likewise, with bytes behind it, which it says itself ("data_bytes"). */
int vmm_client_send_with(struct vmm_client *client, json_t *request, const void *data,
			 size_t data_len);

/*
 * The next reply or event, to be released by the caller. -EPIPE: the VM has ended; -ETIMEDOUT:
 * nothing by `deadline_ns` of vmm_now_ns(); -EPROTO: it talks nonsense.
 */
int vmm_client_receive(struct vmm_client *client, uint64_t deadline_ns, json_t **message);

#endif
