/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The SCSI controller's own state.
 *
 * Key: (c) const while attached; (l) queue's lock; (m) subs_mutex; (a) atomic; (s) who polls.
 */
#ifndef GUEST_DEV_STOR_PRIV_H
#define GUEST_DEV_STOR_PRIV_H

#include "hvg/hvg_log.h"
#include "hvg/hvg_stor.h"
#include "hvw_storvsp.h"

/* The host's answers during set-up, and to commands when the device goes. Linux waits for three minutes. */
#define HVG_STOR_ANSWER_MS 180000u
#define HVG_STOR_DRAIN_MS  30000u

/* How often a wait looks whether the device is still there. */
#define HVG_STOR_STEP_MS 50u

/* Packets after which the host gets its room back. */
#define HVG_STOR_BATCH 32u

/*
 * A transaction id: of a command its slot and how often that was used, so that an answer that comes twice finds nobody; of a
 * question this bit and its number. Never 0, which the host's own messages have.
 */
#define HVG_STOR_ID_QUESTION (1ull << 63)
#define HVG_STOR_ID_SLOT     0xffffull
#define HVG_STOR_ID_SHIFT    16

#define HVG_STOR_NO_SLOT 0xffffu

struct hvg_stor_slot {
	struct hvg_stor_request *request; /* (l) NULL: free */
	uint32_t uses; /* (l) */
	uint16_t next; /* (l) of the free ones */
};

struct hvg_stor_queue {
	struct hvg_stor *stor; /* (c) */
	unsigned index; /* (c) */
	struct hvg_chan *chan; /* (m) */
	uint32_t open; /* (a) */
	uint32_t users; /* (a) submits under way, which the channel's end waits for */
	uint32_t wants_room; /* (a) a submit found none */
	uint32_t quiet; /* (a) the host may not have heard of its last command */
	uint32_t spare; /* (c) while open: with less of its ring free, others help */
	struct hvos_lock lock;
	struct hvg_stor_slot *slots; /* (c) while open */
	uint16_t free; /* (l) */
	uint32_t under_way; /* (a), changed under (l) */
	struct hvg_stor_counters counters; /* (a) */
};

struct hvg_stor {
	struct hvg_device *device; /* (c) */
	struct hvg_stor_config config; /* (c) */
	const struct hvg_stor_ops *ops; /* (c) */
	void *ctx; /* (c) */
	struct hvg_stor_info info; /* (c) */
	uint32_t ready; /* (a) commands are taken */
	uint32_t quiet; /* (a) some queue's may be set */
	struct hvos_mutex subs_mutex;
	bool subs_wanted; /* (m) */
	unsigned granted; /* (m) queues, the first included */

	/* One question at a time. */
	struct hvos_mutex ask_mutex;
	struct hvos_lock ask_lock;
	struct hvos_event answered;
	uint64_t question; /* (ask_lock) its id; 0: nobody waits */
	uint32_t questions; /* (ask_mutex) */
	uint32_t answer_len; /* (ask_lock) */
	uint8_t answer[HVP_STORVSP_BYTES]; /* (ask_lock) */

	struct hvg_stor_queue queues[HVG_STOR_QUEUES_MAX];
};

static inline void hvg_stor_count(unsigned long *counter)
{
	__atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

static inline struct hvg_chan *hvg_stor_chan(const struct hvg_stor *stor)
{
	return hvg_device_chan(stor->device);
}

/* stor_setup.c. T: agree on a version and the like; ask for `count` sub-channels. Errors as hvg_stor_attach(). */
int hvg_stor_agree(struct hvg_stor *stor) HVW_MUST_CHECK;
int hvg_stor_ask_subchannels(struct hvg_stor *stor, unsigned count) HVW_MUST_CHECK;

/* S, of queue 0. The answer to a question; false: nobody has asked that. */
bool hvg_stor_answer(struct hvg_stor *stor, uint64_t id, const void *bytes, uint32_t len);

/* stor_io.c. T. */
int hvg_stor_queue_start(struct hvg_stor_queue *queue, struct hvg_chan *chan) HVW_MUST_CHECK;
void hvg_stor_queue_close(struct hvg_stor_queue *queue);

/* After it, when the host is done with the channel: ends what is under way with -ENODEV. */
void hvg_stor_queue_end(struct hvg_stor_queue *queue);

#endif
