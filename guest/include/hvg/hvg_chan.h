/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Channels as device drivers see them: all that they know of VMBus. There is one implementation per
 * build, bound when it is built so that the data path is inline: guest/bus, or a kernel's own VMBus
 * in that kernel's port. It gives "hvg_chan_impl.h" on the include path, with a complete struct
 * hvg_chan, the inline functions below, and these that cannot be inline.
 *
 * Context: T = thread, may sleep; A = any, never sleeps; S = one caller at a time, any context: the
 * receiving side of a channel belongs to one thread or interrupt at a time.
 *
 * The host may take a device away at any moment ("revoked"). Then sends and receives fail with
 * -ENODEV, waits end, and the driver's detach follows, which closes the channel as ever.
 */
#ifndef GUEST_INCLUDE_HVG_HVG_CHAN_H
#define GUEST_INCLUDE_HVG_HVG_CHAN_H

#include "hvg/hvos.h"
#include "hvw_ring.h"

struct hvg_chan;
struct hvg_device;

/* Context A, on the processor that the channel interrupts: packets to read, or room to send, or neither. */
typedef void (*hvg_chan_fn)(void *ctx);

struct hvg_chan_config {
	uint32_t send_pages; /* of the ring to the host, control page included: 2 or more */
	uint32_t receive_pages;
	unsigned cpu; /* to be interrupted */
	hvg_chan_fn signalled;
	void *ctx;
	const void *user_data; /* HVP_USER_DATA_MAX bytes for the device; NULL: zeroes */
};

/*
 * T. Allocate the rings, share them, open. -ENODEV: revoked; -EIO: refused by the host; -ETIMEDOUT: it
 * did not answer; -ENOMEM; -EINVAL. After a failure the channel is closed, and every byte that the
 * host may still know has been given up for good (counted by the bus).
 */
int hvg_chan_open(struct hvg_chan *chan, const struct hvg_chan_config *config) HVW_MUST_CHECK;

/*
 * T. When it returns `signalled` is not running and does not run again; the caller has ended its own
 * use before. Closed already: nothing happens. Device buffers are unshared before, by who shared them.
 */
void hvg_chan_close(struct hvg_chan *chan);

/* T. Let the host know `shared` under *handle. -ENODEV, -EIO (refused), -ETIMEDOUT (then the memory is lost: do not free). */
int hvg_chan_share(struct hvg_chan *chan, const struct hvos_shared *shared,
		   uint32_t *handle) HVW_MUST_CHECK;

/* T. 0: the host has let go, free it. -ETIMEDOUT: it did not say so, never free it. Also on revoked channels. */
int hvg_chan_unshare(struct hvg_chan *chan, uint32_t handle) HVW_MUST_CHECK;

/* T. Have another processor interrupted from now on. -EOPNOTSUPP: not this host; -ENODEV, -EIO, -ETIMEDOUT. */
int hvg_chan_set_cpu(struct hvg_chan *chan, unsigned cpu) HVW_MUST_CHECK;

/* A. */
bool hvg_chan_revoked(const struct hvg_chan *chan);
struct hvg_device *hvg_chan_device(const struct hvg_chan *chan);
uint32_t hvg_chan_index(const struct hvg_chan *chan); /* 0: the primary channel */

/*
 * A. An in-band packet. -EAGAIN: no room; `signalled` is called when there is. -ENODEV, -EMSGSIZE,
 * -EPROTO (the ring is broken: the host's doing).
 *
 *   static inline int hvg_chan_send(struct hvg_chan *chan, uint16_t flags, uint64_t transaction_id,
 *				     const void *payload, uint32_t len);
 *
 * A. A packet of any type, as hvw_tx_put(): `header` bytes of the pieces are type-specific header.
 *
 *   static inline int hvg_chan_send_pieces(struct hvg_chan *chan, uint16_t type, uint16_t flags,
 *					    uint64_t transaction_id, uint32_t header,
 *					    const struct hvw_piece *pieces, unsigned npieces);
 *
 * S. Receiving, in this order: mask; next until -EAGAIN; release now and then, and at the end; unmask,
 * and begin again if it says so. `copy` as hvw_rx_copy(), valid until the release. next: -ENODEV,
 * -EPROTO (broken).
 *
 *   static inline void hvg_chan_mask(struct hvg_chan *chan);
 *   static inline int hvg_chan_next(struct hvg_chan *chan, struct hvw_rx_packet *packet);
 *   static inline int hvg_chan_copy(struct hvg_chan *chan, const struct hvw_rx_packet *packet,
 *				     uint32_t offset, void *dst, uint32_t len);
 *   static inline void hvg_chan_release(struct hvg_chan *chan);
 *   static inline bool hvg_chan_unmask(struct hvg_chan *chan);
 */
#include "hvg_chan_impl.h"

#endif
