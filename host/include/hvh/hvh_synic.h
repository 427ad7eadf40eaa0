/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The host's half of the SynIC of one virtual processor: messages into its message page, flags into
 * its event page. Raising the interrupt is the monitor's business, as each function tells.
 *
 * hvh_synic_post() is called on the virtual processor's own thread only: the hypervisor writes the
 * same page from there (timer messages) and no lock is shared with it. hvh_synic_signal() may be
 * called from any thread. hvh_synic_set() is called on the processor's thread.
 */
#ifndef HOST_INCLUDE_HVH_HVH_SYNIC_H
#define HOST_INCLUDE_HVH_HVH_SYNIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hvw_error.h"

struct hvh_mem;
struct hvh_state_reader;
struct hvh_state_writer;
struct hvh_synic;

int hvh_synic_create(struct hvh_mem *mem, struct hvh_synic **synic) HVW_MUST_CHECK;
void hvh_synic_destroy(struct hvh_synic *synic);

/*
 * The guest wrote SCONTROL, SIEFP or SIMP: their complete values. A page that becomes enabled is
 * zeroed, as the hypervisor's overlay would be; one that is no RAM is not used, and -EFAULT returned.
 */
int hvh_synic_set(struct hvh_synic *synic, uint64_t control, uint64_t siefp,
		  uint64_t simp) HVW_MUST_CHECK;

/*
 * Put a message into the slot of `sint`. 0: raise the SINT. -EAGAIN: the slot is busy; the guest will
 * write EOM when it is free (try again then). -ENOTCONN: the SynIC or its page is off. -EINVAL: sint
 * or len out of range.
 */
int hvh_synic_post(struct hvh_synic *synic, unsigned sint, uint32_t type, const void *payload,
		   size_t len) HVW_MUST_CHECK;

/* Set an event flag. True: it was clear, raise the SINT. Ignored (false) while the SynIC is off. */
bool hvh_synic_signal(struct hvh_synic *synic, unsigned sint, unsigned flag) HVW_MUST_CHECK;

/* Load: -EPROTO; -ENOMEM. */
void hvh_synic_save(const struct hvh_synic *synic, struct hvh_state_writer *w);
int hvh_synic_load(struct hvh_synic *synic, struct hvh_state_reader *r) HVW_MUST_CHECK;

#endif
