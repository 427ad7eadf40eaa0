/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Asking the host: one question at a time of each kind, and an answer that is told by its number. One that comes when
 * nobody waits for it any more is dropped.
 */
#include "net_priv.h"

/* Revoking a channel wakes nobody: so often it is looked for. */
#define STEP_MS 50u

#define ID_TAKEN 0xffffffffu /* the answer is being copied */

void hvg_net_question_init(struct hvg_net_question *question)
{
	hvos_event_init(&question->answered);
}

void hvg_net_question_fini(struct hvg_net_question *question)
{
	hvos_event_fini(&question->answered);
}

uint32_t hvg_net_question_begin(struct hvg_net_question *question)
{
	question->last = question->last >= ID_TAKEN - 1 ? 1 : question->last + 1;
	hvos_event_reset(&question->answered);
	__atomic_store_n(&question->id, question->last, __ATOMIC_RELEASE);
	return question->last;
}

/* False: an answer is being copied, so the event comes at once. */
static bool withdraw(struct hvg_net_question *question)
{
	uint32_t id = question->last;

	return __atomic_compare_exchange_n(&question->id, &id, 0, false, __ATOMIC_ACQ_REL,
					   __ATOMIC_ACQUIRE);
}

void hvg_net_question_cancel(struct hvg_net *net, struct hvg_net_question *question)
{
	/* The host cannot have answered what it was not asked, unless it guessed. */
	while (!withdraw(question) && hvg_net_port_wait(net->port, &question->answered, STEP_MS))
		;
}

bool hvg_net_question_answer(struct hvg_net_question *question, uint32_t id)
{
	return id && id != ID_TAKEN &&
	       __atomic_compare_exchange_n(&question->id, &id, ID_TAKEN, false, __ATOMIC_ACQ_REL,
					   __ATOMIC_RELAXED);
}

void hvg_net_question_end(struct hvg_net_question *question, uint32_t len)
{
	question->len = len;
	__atomic_store_n(&question->id, 0, __ATOMIC_RELEASE);
	hvos_event_set(&question->answered);
}

uint64_t hvg_net_deadline_ns(const struct hvg_net *net)
{
	const uint64_t end_ns = hvos_now_ns() + HVG_NET_ANSWER_MS * 1000000ull;

	return net->leave_ns && net->leave_ns < end_ns ? net->leave_ns : end_ns;
}

int hvg_net_question_wait(struct hvg_net *net, struct hvg_net_question *question)
{
	const uint64_t end_ns = hvg_net_deadline_ns(net);
	int err;

	while (hvg_net_port_wait(net->port, &question->answered, STEP_MS)) {
		err = hvg_chan_revoked(hvg_net_chan(net)) ? -ENODEV :
		      hvos_now_ns() > end_ns		  ? -ETIMEDOUT :
							    0;
		if (err && withdraw(question))
			return err;
	}
	return 0;
}

void hvg_net_pause(struct hvg_net *net, uint32_t ms)
{
	/* It always says that the time is over. */
	(void)!hvg_net_port_wait(net->port, NULL, ms);
}

int hvg_net_send_patiently(struct hvg_net *net, uint16_t type, uint16_t flags, uint64_t id,
			   uint32_t header, const struct hvw_piece *pieces, unsigned npieces)
{
	const uint64_t end_ns = hvg_net_deadline_ns(net);
	int err;

	for (;;) {
		err = hvg_chan_send_pieces(hvg_net_chan(net), type, flags, id, header, pieces,
					   npieces);
		if (err != -EAGAIN)
			return err;
		if (hvos_now_ns() > end_ns)
			return -ETIMEDOUT;
		hvg_net_pause(net, HVG_NET_RETRY_MS);
	}
}
