/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * File copy where the kernel has no driver for it (Linux from 6.10 on): the channel itself, by uio_hv_generic. Its messages are
 * given as a driver's would be (hvp_daemon.h).
 */
#ifndef DAEMONS_UIO_H
#define DAEMONS_UIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "hvw_fcopy.h"
#include "hvw_ic.h"
#include "hvw_ring.h"

/* The longest message, and what the ring pads. */
#define HVD_UIO_PACKET (HVW_IC_HEADERS + HVW_FCOPY_MESSAGE + 8)

struct hvd_uio {
	int fd;
	struct hvw_tx tx;
	struct hvw_rx rx;
	bool ready; /* versions are agreed on */
	uint64_t transaction_id; /* of the request that is to be answered */
	struct hvp_ic_header request;
	uint8_t packet[HVD_UIO_PACKET]; /* the request, and its answer */
};

/* The device of file copy, below `root`/sys and `root`/dev; the channel opens with it. -ENOENT: there is none. */
int hvd_uio_open(struct hvd_uio *uio, const char *root);

/* One that is open and mapped: our ring, then the host's, each half of `bytes`. -EINVAL, -EPROTO. */
int hvd_uio_attach(struct hvd_uio *uio, int fd, void *rings, size_t bytes);

/* As hvd_read(): the next request, which hvd_uio_answer() answers. -EPROTO: the host has broken the ring. */
ssize_t hvd_uio_read(struct hvd_uio *uio, uint8_t message[HVW_FCOPY_MESSAGE]);

/* 0 or -errno. */
int hvd_uio_answer(struct hvd_uio *uio, uint32_t status);

#endif
