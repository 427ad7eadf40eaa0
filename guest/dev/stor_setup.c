/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What is agreed on with a storage controller before commands, and what is asked beside them: one question at a time, on the
 * first channel.
 */
#include "stor_priv.h"

static const uint32_t versions[] = { HVP_STORVSP_6_2, HVP_STORVSP_6_0, HVP_STORVSP_5_1,
				     HVP_STORVSP_4_2, HVP_STORVSP_2_0 };

/* --- asking --------------------------------------------------------------------------------------------- */

/* False: an answer is just being copied. */
static bool withdraw(struct hvg_stor *stor)
{
	bool waiting;

	hvos_lock(&stor->ask_lock);
	waiting = stor->question != 0;
	stor->question = 0;
	hvos_unlock(&stor->ask_lock);
	return waiting;
}

static int wait(struct hvg_stor *stor)
{
	const uint64_t end_ns = hvos_now_ns() + HVG_STOR_ANSWER_MS * 1000000ull;
	int err;

	while (hvos_event_wait(&stor->answered, HVG_STOR_STEP_MS)) {
		err = hvg_chan_revoked(hvg_stor_chan(stor)) ? -ENODEV :
		      hvos_now_ns() > end_ns		    ? -ETIMEDOUT :
							      0;
		if (err && withdraw(stor))
			return err;
	}
	return 0;
}

static int send_patiently(struct hvg_stor *stor, uint64_t id, const struct hvw_storvsp *msg,
			  uint32_t len)
{
	const uint64_t end_ns = hvos_now_ns() + HVG_STOR_ANSWER_MS * 1000000ull;
	int err;

	for (;;) {
		err = hvg_chan_send(hvg_stor_chan(stor), HVP_PACKET_FLAG_COMPLETION, id,
				    msg->u.bytes, len);
		if (err != -EAGAIN)
			return err;
		if (hvos_now_ns() > end_ns)
			return -ETIMEDOUT;
		hvos_sleep_ms(1);
	}
}

bool hvg_stor_answer(struct hvg_stor *stor, uint64_t id, const void *bytes, uint32_t len)
{
	bool wanted;

	hvos_lock(&stor->ask_lock);
	wanted = stor->question && stor->question == id;
	if (wanted) {
		stor->question = 0;
		stor->answer_len = len;
		hvw_memcpy(stor->answer, bytes, len);
	}
	hvos_unlock(&stor->ask_lock);
	if (wanted)
		hvos_event_set(&stor->answered);
	return wanted;
}

/*
 * The answer, whatever its status. The longest message always: newer hosts drop shorter ones before a version is agreed on,
 * and older ones do not look behind the end of theirs.
 */
static int ask(struct hvg_stor *stor, struct hvw_storvsp *msg, struct hvw_storvsp *answer)
{
	uint64_t id;
	int err;

	hvos_mutex_lock(&stor->ask_mutex);
	id = HVG_STOR_ID_QUESTION | ++stor->questions;
	hvos_event_reset(&stor->answered);
	hvos_lock(&stor->ask_lock);
	stor->question = id;
	hvos_unlock(&stor->ask_lock);
	msg->u.h.flags = 1;
	err = send_patiently(stor, id, msg, HVP_STORVSP_BYTES);
	if (err)
		(void)withdraw(stor);
	else
		err = wait(stor);
	if (!err)
		err = hvw_storvsp_parse(answer, stor->answer, stor->answer_len,
					HVP_STORVSP_TO_GUEST, stor->info.version);
	if (!err && answer->u.h.operation != HVP_STORVSP_COMPLETE_IO)
		err = -EPROTO;
	hvos_mutex_unlock(&stor->ask_mutex);
	return err == -EOPNOTSUPP ? -EPROTO : err;
}

/* One that the host does. */
static int order(struct hvg_stor *stor, struct hvw_storvsp *msg, struct hvw_storvsp *answer)
{
	int err = ask(stor, msg, answer);

	if (!err && answer->u.h.status != HVP_STORVSP_STATUS_SUCCESS)
		err = -EIO;
	return err;
}

static int say(struct hvg_stor *stor, uint32_t operation)
{
	struct hvw_storvsp msg, answer;

	hvw_storvsp_init(&msg, operation);
	return order(stor, &msg, &answer);
}

/* --- set-up --------------------------------------------------------------------------------------------- */

static int negotiate(struct hvg_stor *stor)
{
	struct hvw_storvsp msg, answer;
	unsigned i;
	int err;

	for (i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
		if (versions[i] > stor->config.version_max)
			continue;
		hvw_storvsp_init(&msg, HVP_STORVSP_QUERY_PROTOCOL_VERSION);
		msg.u.query_version.version = (uint16_t)versions[i];
		err = order(stor, &msg, &answer);
		if (!err)
			stor->info.version = versions[i];
		/* Only "not this one" leads to the next. */
		if (err != -EIO)
			return err;
	}
	return -EIO;
}

static int query(struct hvg_stor *stor)
{
	struct hvw_storvsp msg, answer;
	int err;

	hvw_storvsp_init(&msg, HVP_STORVSP_QUERY_PROPERTIES);
	err = order(stor, &msg, &answer);
	if (err)
		return err;
	if (answer.len < sizeof(answer.u.properties))
		return -EPROTO;
	/* A host that says nothing takes as much as any guest has sent to it. */
	stor->info.transfer_max = answer.u.properties.transfer_max;
	if (stor->info.transfer_max < HVP_PAGE_SIZE)
		stor->info.transfer_max = HVP_PAGE_SIZE;
	stor->info.queues_max = 1;
	if (stor->info.version >= HVP_STORVSP_5_1 &&
	    answer.u.properties.flags & HVP_STORVSP_MULTI_CHANNEL)
		stor->info.queues_max += answer.u.properties.sub_channels_max;
	return 0;
}

static int query_fibre(struct hvg_stor *stor)
{
	struct hvw_storvsp msg, answer;
	const struct hvp_storvsp_fibre *fibre = &answer.u.fibre;
	unsigned path;
	int err;

	hvw_storvsp_init(&msg, HVP_STORVSP_FIBRE_DATA);
	err = order(stor, &msg, &answer);
	if (err)
		return err;
	if (answer.len < sizeof(*fibre))
		return -EPROTO;
	path = fibre->primary ? 0 : 1;
	hvw_memcpy(stor->info.fibre_port, fibre->paths[path].port, sizeof(stor->info.fibre_port));
	hvw_memcpy(stor->info.fibre_node, fibre->paths[path].node, sizeof(stor->info.fibre_node));
	return 0;
}

int hvg_stor_agree(struct hvg_stor *stor)
{
	int err;

	hvw_memset(&stor->info, 0, sizeof(stor->info));
	err = say(stor, HVP_STORVSP_BEGIN_INITIALIZATION);
	if (!err)
		err = negotiate(stor);
	if (!err)
		err = query(stor);
	if (!err && stor->config.fibre)
		err = query_fibre(stor);
	if (!err)
		err = say(stor, HVP_STORVSP_END_INITIALIZATION);
	return err;
}

int hvg_stor_ask_subchannels(struct hvg_stor *stor, unsigned count)
{
	struct hvw_storvsp msg, answer;

	hvw_storvsp_init(&msg, HVP_STORVSP_CREATE_SUB_CHANNELS);
	msg.u.sub_channels.count = (uint16_t)count;
	return order(stor, &msg, &answer);
}

int hvg_stor_reset(struct hvg_stor *stor)
{
	return say(stor, HVP_STORVSP_RESET_BUS);
}
