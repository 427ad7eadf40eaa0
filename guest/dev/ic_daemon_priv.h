/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * An integration service whose requests a daemon answers, one at a time.
 *
 * Keys: (c) const after attach, (w) the service's work, (l) under the lock, (a) atomic.
 */
#ifndef GUEST_DEV_IC_DAEMON_PRIV_H
#define GUEST_DEV_IC_DAEMON_PRIV_H

#include "hvg/hvg_daemon.h"
#include "ic_priv.h"

/* Where the host's request is. */
enum hvg_daemon_request {
	HVG_DAEMON_NONE, /* there is none, or its end was told to the host */
	HVG_DAEMON_UNREAD, /* the message is for the daemon to read */
	HVG_DAEMON_READ, /* it works on it */
	HVG_DAEMON_ANSWERED, /* the message is its answer */
	HVG_DAEMON_LOST, /* the daemon has gone */
};

/* What a request leaves behind with the daemon that has read it. */
enum hvg_daemon_effect {
	HVG_DAEMON_AS_BEFORE,
	HVG_DAEMON_HOLDS, /* something that another request is to end: a file is open */
	HVG_DAEMON_LETS_GO,
};

struct hvg_daemon {
	struct hvg_ic ic;
	struct hvos_mutex lock;
	struct hvos_timer timer; /* armed while the daemon is asked */
	uint32_t expired; /* (a) */
	bool open; /* (l) */
	bool registered; /* (l) it has said what it is */
	bool greeting; /* (l) it has not read the answer to that yet */
	bool stale; /* (l) it works on a request that was given up, or is none: its next message is nobody's */
	bool holds; /* (l) as the requests that it has read have it */
	bool undo; /* (l) the channel has closed meanwhile: the daemon is told to end that */
	uint32_t listens; /* (a) some daemon was there since the channel was opened */
	enum hvg_daemon_request request; /* (l) */
	uint32_t message_len; /* (l) */
	hvos_fn wake; /* (l) of who has it open */
	void *wake_ctx; /* (l) */
	uint8_t message[]; /* (l) */
};

/* What the services differ in; all with the lock held. */
struct hvg_daemon_service {
	struct hvg_ic_service ic; /* begins with HVG_DAEMON_IC */
	uint32_t answer_bytes; /* of the daemon's answer to any message; not more than the room for messages */
	uint32_t greeting_bytes; /* of what `greet` makes */

	/*
	 * Make the daemon's message of the host's request. Its bytes, or 0: nothing for the daemon, *status is the answer, with what
	 * is in the request's place.
	 */
	uint32_t (*ask)(uint8_t *body, size_t size, uint8_t *message, uint32_t *status);

	/* The time that the daemon has for it; then the host is told that it failed. */
	uint32_t (*timeout_ms)(const uint8_t *message);

	/* Put the daemon's answer into the request's place; the status. */
	uint32_t (*answer)(const uint8_t *message, uint8_t *body, size_t size);

	/*
	 * What the message leaves behind when the daemon has read it; NULL: nothing. Nobody would ever end that when the host
	 * goes away, so the daemon then gets the message of `undo_bytes` that `undo` makes.
	 */
	enum hvg_daemon_effect (*effect)(const uint8_t *message);
	void (*undo)(uint8_t *message);
	uint32_t undo_bytes;

	/* Is it the first message of a daemon? And the answer to that, which it reads first. */
	bool (*hello)(const uint8_t *message, size_t size);
	void (*greet)(uint8_t *message);
};

/* The part of struct hvg_ic_service that is the same for all; `messages`: bytes of the longest one of the daemon's. */
#define HVG_DAEMON_IC(messages)                                                                    \
	.bytes = sizeof(struct hvg_daemon) + (messages), .init = hvg_daemon_init,                  \
	.fini = hvg_daemon_fini, .request = hvg_daemon_ask, .finish = hvg_daemon_finish,           \
	.give_up = hvg_daemon_give_up, .closed = hvg_daemon_closed

void hvg_daemon_init(struct hvg_ic *ic);
void hvg_daemon_fini(struct hvg_ic *ic);
uint32_t hvg_daemon_ask(struct hvg_ic *ic, uint8_t *body, size_t size);
uint32_t hvg_daemon_finish(struct hvg_ic *ic, uint8_t *body, size_t size);
void hvg_daemon_give_up(struct hvg_ic *ic);
void hvg_daemon_closed(struct hvg_ic *ic);
bool hvg_daemon_listens(struct hvg_ic *ic);

#endif
