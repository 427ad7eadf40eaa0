/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The control socket: JSON lines over a Unix socket, one per running VM.
 *
 *   request  {"id": N, "command": "status", ...arguments}
 *   reply    {"id": N, "ok": true, "result": {...}}  or  {"id": N, "ok": false, "error": "one line"}
 *
 * A request with a number "data_bytes" is followed by so many bytes that are no line.
 *
 * `id` is the client's and optional. Replies may come in another order than requests. Everything
 * runs on the loop that vmm_control_create() was given.
 */
#ifndef VMM_CONTROL_H
#define VMM_CONTROL_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes behind a request, at most. */
#define VMM_CONTROL_DATA_MAX 43008u

struct vmm_control;
struct vmm_loop;

/* A request that waits for its reply. Valid until replied to; its client may be gone meanwhile. */
struct vmm_request;

/*
 * Handle one request; reply now or later, exactly once. `arguments` is the whole request object,
 * borrowed for the call.
 */
typedef void (*vmm_control_fn)(void *ctx, struct vmm_request *request, const char *command,
			       const json_t *arguments);

/* The bytes behind the request, borrowed for the call that handles it; none: `len` is 0. */
const uint8_t *vmm_request_data(const struct vmm_request *request, size_t *len);

/* `result` is taken. */
void vmm_reply(struct vmm_request *request, json_t *result);
void vmm_reply_error(struct vmm_request *request, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * Serve the socket of the VM `name`. Takes the name with a lock, so that two VMs cannot share it and
 * a stale socket is replaced. -EADDRINUSE: a VM of that name runs; other errors: after a line to the log.
 */
int vmm_control_create(struct vmm_loop *loop, const char *name, vmm_control_fn fn, void *ctx,
		       struct vmm_control **control);

/* Serve one connected stream instead (a nested monitor's port). The descriptor is taken. */
int vmm_control_create_stream(struct vmm_loop *loop, int fd, vmm_control_fn fn, void *ctx,
			      struct vmm_control **control);

/* Send an object that is no reply to every client that is connected; `event` is taken. */
void vmm_control_event(struct vmm_control *control, json_t *event);

/* Requests still waiting are answered with an error. Output is written out first, for up to a second. */
void vmm_control_destroy(struct vmm_control *control);

/* The folder of sockets: $XDG_RUNTIME_DIR/hvhost, or /run/hvhost; and the socket of one VM. */
const char *vmm_control_folder(void);

#endif
