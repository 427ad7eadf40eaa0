/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Faults on purpose: how the server misbehaves towards the guest, for tests of guests. A rule names one
 * of the server's messages, a fault, and which of these messages it befalls.
 *
 *   SPEC   RULE[,RULE]...
 *   RULE   MESSAGE:FAULT[:N[+]]     the N-th one, with + also all later ones; without N every one
 *
 * MESSAGE is a name of HVP_MSG_LIST in lower case with dashes: "open-result". Names with a dot are for other
 * things than messages; of network adapters, each with the fault "late" alone, and N for each N-th (16 unless given):
 *
 *   nic.send        a frame of the guest's: the back end takes it only later
 *   nic.completion  of a packet with frames: the guest hears later that they are sent
 *   nic.ring        frames for the guest: the ring has no room for them yet
 *
 * Later is when the control loop has come round; of that queue nothing else goes on meanwhile.
 *
 * FAULT
 *   short        its first half alone, rounded down
 *   long         240 bytes: what is behind its end is 0xff. Legal, and to be borne by a guest
 *   bad-id       another id: a channel's plus 2048, which is none; a GPADL's, or a connection's, with
 *                its highest bit turned; a socket's endpoint with all bits turned. Where a message
 *                carries none: type plus 256, which is none
 *   wrong-state  in addition to those that are due, one for channel 1 or GPADL 1, otherwise zeros, right
 *                behind each VERSION_RESPONSE that accepts a version, when none is due (a
 *                VERSION_RESPONSE: behind each ALL_OFFERS_DELIVERED); N counts these
 *   duplicate    twice
 *   late         100 ms later; others go ahead of it
 *   never        not at all
 *
 * Of several rules for one message the first that fits counts. Messages of a reset or earlier connection
 * that are still held back are dropped with it.
 */
#ifndef HOST_INCLUDE_HVH_HVH_INJECT_H
#define HOST_INCLUDE_HVH_HVH_INJECT_H

#include <stddef.h>
#include <stdint.h>

#include "hvw_error.h"

struct hvh_server;

#define HVH_INJECT_RULES_MAX 64
#define HVH_INJECT_LATE_NS   100000000ull

#define HVH_INJECT_FAULT_LIST(X)                                                                   \
	X(SHORT, "short")                                                                          \
	X(LONG, "long")                                                                            \
	X(BAD_ID, "bad-id")                                                                        \
	X(WRONG_STATE, "wrong-state")                                                              \
	X(DUPLICATE, "duplicate")                                                                  \
	X(LATE, "late")                                                                            \
	X(NEVER, "never")

enum hvh_inject_fault {
#define HVH_INJECT_ENUM(id, name) HVH_INJECT_##id,
	HVH_INJECT_FAULT_LIST(HVH_INJECT_ENUM)
#undef HVH_INJECT_ENUM
};

struct hvh_inject_rule {
	uint32_t type; /* HVP_MSG_*, of those to the guest */
	enum hvh_inject_fault fault;
	uint32_t first, last; /* which ones, counted from 1 */
};

/* What faults of network adapters befall: identifier, name. */
#define HVH_INJECT_NIC_LIST(X)                                                                     \
	X(SEND, "nic.send")                                                                        \
	X(COMPLETION, "nic.completion")                                                            \
	X(RING, "nic.ring")

enum hvh_inject_nic {
#define HVH_INJECT_ENUM(id, name) HVH_INJECT_NIC_##id,
	HVH_INJECT_NIC_LIST(HVH_INJECT_ENUM)
#undef HVH_INJECT_ENUM
		HVH_INJECT_NICS
};
#define HVH_INJECT_NIC_EVERY 16u

struct hvh_inject {
	uint32_t nic_every[HVH_INJECT_NICS]; /* 0: never; for hvh_net_config */
	struct hvh_inject_rule rules[HVH_INJECT_RULES_MAX];
	unsigned count;
};

/* -EINVAL: `error` says in one line what is wrong; `inject` is untouched. */
int hvh_inject_parse(const char *text, struct hvh_inject *inject, char *error,
		     size_t error_size) HVW_MUST_CHECK;

/*
 * Misbehave so from now on; the rules are copied, and counting begins. Control loop. -EINVAL: a rule
 * makes no sense, or one is for `late` and there is no hvh_server_ops.work_at; -ENOMEM.
 */
int hvh_server_inject(struct hvh_server *server, const struct hvh_inject *inject) HVW_MUST_CHECK;

#endif
