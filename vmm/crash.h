/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A guest's report of its own crash (hypervisor.md section 10): the crash MSRs, the text that comes with
 * them, and what the guest does afterwards. It ends nothing by itself: the monitor does that.
 *
 * KVM's own crash MSRs cannot offer the text, so these take their place. All functions: any thread,
 * unless they say otherwise.
 */
#ifndef VMM_CRASH_H
#define VMM_CRASH_H

#include <jansson.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hvp_hv.h"

struct hvh_mem;

#define VMM_CRASH_LINE_MAX 256 /* of one line of the guest's text, with its end */

enum vmm_crash_phase {
	VMM_CRASH_NONE,
	VMM_CRASH_REPORTED, /* the guest may write its last words, and restart */
	VMM_CRASH_HANDOVER, /* it gave up its identity: it is about to start a crash kernel */
	VMM_CRASH_KERNEL, /* another kernel, which saves what is left of the first, has introduced itself */
};

/* What the monitor has to act on. */
struct vmm_crash_news {
	enum vmm_crash_phase phase;
	bool reported; /* the first report of the guest, or of its crash kernel */
	bool told; /* the guest's text has come */
	char cause[VMM_CRASH_LINE_MAX]; /* the lines in it for people; may be empty */
	char panic[VMM_CRASH_LINE_MAX];
	uint64_t parameters[HVP_CRASH_PARAMETERS];
};

struct vmm_crash {
	pthread_mutex_t lock; /* for all below */
	uint64_t registers[HVP_CRASH_PARAMETERS]; /* as written last */
	uint64_t parameters[HVP_CRASH_PARAMETERS]; /* as reported */
	enum vmm_crash_phase phase;
	unsigned reports;
	bool reported_news, told_news, phase_news;
	size_t text_len; /* 0: none */
	char text[HVP_CRASH_MESSAGE_MAX + 1]; /* printable */
};

void vmm_crash_init(struct vmm_crash *crash);
void vmm_crash_fini(struct vmm_crash *crash);

/* The guest reads or writes one of HVP_MSR_CRASH_P0 to HVP_MSR_CRASH_CTL. True: there is news. */
uint64_t vmm_crash_read(struct vmm_crash *crash, uint32_t msr);
bool vmm_crash_write(struct vmm_crash *crash, const struct hvh_mem *mem, uint32_t msr,
		     uint64_t value);

/* The guest writes GUEST_OS_ID. True: there is news. */
bool vmm_crash_identified(struct vmm_crash *crash, uint64_t os_id);

enum vmm_crash_phase vmm_crash_phase(struct vmm_crash *crash);

/* False: nothing since the last call. */
bool vmm_crash_take_news(struct vmm_crash *crash, struct vmm_crash_news *news);

/* For `status` and the event; null when nothing was reported. */
json_t *vmm_crash_json(struct vmm_crash *crash);

/*
 * The lines of a kernel's log that say why it stopped, without time stamps: `cause` from before the
 * panic (an oops), `panic`; empty if there is none. Both have VMM_CRASH_LINE_MAX bytes.
 */
void vmm_crash_find_lines(const char *text, char *cause, char *panic);

#endif
