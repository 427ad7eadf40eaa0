/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * File copy: an integration service by which the host writes a file into the guest.
 *
 * One file at a time: HVP_FCOPY_START, pieces by HVP_FCOPY_WRITE, then HVP_FCOPY_COMPLETE or HVP_FCOPY_CANCEL. Requests wait
 * in a queue, because a guest answers one at a time. All functions: the device's owner loop.
 */
#ifndef HOST_INCLUDE_HVH_HVH_FCOPY_H
#define HOST_INCLUDE_HVH_HVH_FCOPY_H

#include "hvh_ic.h"
#include "hvp_fcopy.h"

struct hvh_fcopy_status {
	struct hvh_ic_status ic;
	bool open; /* a file is being written, or a START waits */
	uint64_t files; /* that are complete */
	uint64_t bytes; /* that the guest took, of all files */
};

/* A full disk or a slow one may take long; Linux's own driver gives its daemon 30 s. */
#define HVH_FCOPY_TIMEOUT_MS 60000

/*
 * Stays the caller's, untouched by it until `done`, which is called once after hvh_fcopy_request() returned 0, and may ask
 * anew. `result` 0: the guest answered with `status`; HVP_IC_SUCCESS: it is done. -ENOTCONN: the channel closed first;
 * -ETIMEDOUT: no answer within HVH_FCOPY_TIMEOUT_MS after the requests before this one; -ECANCELED: a request before
 * this one failed, and this one was not sent.
 *
 * After a failure the file is over, and the guest is told to remove what it has of it; not after a START that it refused,
 * because then what lies there is not ours.
 */
struct hvh_fcopy_request {
	struct hvh_ic_link link; /* the device's */
	enum hvp_fcopy_op op;
	const char *path; /* of START: the folder, with a slash at its end */
	const char *name; /* of START: the file in it */
	uint32_t flags; /* of START: HVP_FCOPY_OVERWRITE, HVP_FCOPY_CREATE_PATH */
	uint64_t bytes; /* of START: of the whole file */
	uint64_t offset; /* of WRITE */
	const uint8_t *data; /* of WRITE */
	uint32_t size; /* of WRITE: at most HVP_FCOPY_DATA */
	void (*done)(struct hvh_fcopy_request *request, int result, uint32_t status);
	void *ctx;
};

int hvh_fcopy_create(struct hvh_device **device) HVW_MUST_CHECK;
void hvh_fcopy_destroy(struct hvh_device *device);
void hvh_fcopy_status(const struct hvh_device *device, struct hvh_fcopy_status *status);

/*
 * -ENOTCONN: nothing in the guest answers (closed, negotiating or unusable); -EBUSY: START while a file is open; -ENOENT: the
 * others while none is; -EINVAL: a piece beyond the file's end or longer than a message carries; -EILSEQ, -EMSGSIZE: a name
 * that is not UTF-8 or too long.
 */
int hvh_fcopy_request(struct hvh_device *device, struct hvh_fcopy_request *request) HVW_MUST_CHECK;

#endif
