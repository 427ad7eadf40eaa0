/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What a hostile guest does. Each group runs on all processors at once, each with a sequence of chance
 * of its own, which follows from the seed, the group and the processor.
 */
#ifndef TESTS_GUESTS_RAW_HOSTILE_H
#define TESTS_GUESTS_RAW_HOSTILE_H

#include "raw.h"

/* On one processor; `rounds` is how often to do what the group does. */
typedef void hostile_fn(uint64_t *chance, unsigned rounds);

hostile_fn hostile_messages; /* of any size, type and content, in any state */
hostile_fn hostile_gpadls; /* malformed, outside memory, too many, torn down wrongly */
hostile_fn hostile_opens; /* opened, closed, modified and released wrongly */
hostile_fn hostile_rings; /* impossible indices, before the open, after it, and while the host reads */
hostile_fn hostile_packets; /* impossible packets */
hostile_fn hostile_services; /* packets that integration services do not expect */
hostile_fn hostile_signals; /* floods, also to nobody */
hostile_fn hostile_synic; /* pages outside RAM, on top of each other, taken away */
hostile_fn hostile_calls; /* control words, parameters */
hostile_fn hostile_ports; /* port I/O where nothing is, or something else */
hostile_fn hostile_mmio;
hostile_fn hostile_msrs;

/* Each kind of message that the host does not want, once: for the lines in its log. */
void hostile_specimens(void);

/* A number that is likely to be wrong in an interesting way. */
uint32_t hostile_number(uint64_t *chance);

/* Up to, not including, `end`. */
static inline uint32_t hostile_below(uint64_t *chance, uint32_t end)
{
	return (uint32_t)(chance_next(chance) >> 32) % end;
}

/* The host did what no host does: a line, counted against the group. */
void hostile_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Before a group: for those that need all processors on one channel. */
void hostile_stage_clear(void);

/* Post, whatever it is; complains of statuses that no host gives. */
void hostile_post(uint32_t connection_id, uint32_t type, const void *message, uint32_t len);

/* Empty all slots of this processor, so that the host can go on. True: there were messages. */
bool hostile_drain(void);

#endif
