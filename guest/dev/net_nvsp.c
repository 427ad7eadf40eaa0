/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * NVSP: agreeing on a version, sharing the buffers, giving them back; and what the host says on the
 * ring beside packets.
 */
#include "net_priv.h"

/* The guest's choice, here that of others, for whoever reads traces. */
#define RECEIVE_ID HVG_NET_RECEIVE_ID
#define SEND_ID	   0u

/* A section holds a header and the shortest frame; hosts have far larger ones. */
#define SECTION_MIN 68u

/* Every message has the length of the newest version's: hosts are silent about shorter ones. */
#define MESSAGE_BYTES 40u

static const uint32_t versions[] = { HVP_NVSP_6_1, HVP_NVSP_6, HVP_NVSP_5,
				     HVP_NVSP_4,   HVP_NVSP_2, HVP_NVSP_1 };

/* --- asking -------------------------------------------------------------------------------------------- */

/* Without an answer. */
static int tell(struct hvg_net *net, const struct hvw_nvsp *msg)
{
	const struct hvw_piece piece = { msg->u.bytes, MESSAGE_BYTES };

	return hvg_net_send_patiently(net, HVP_PACKET_INBAND, 0, 0, 0, &piece, 1);
}

static int ask(struct hvg_net *net, const struct hvw_nvsp *msg, struct hvw_nvsp *answer,
	       uint32_t answer_type, uint32_t version)
{
	const struct hvw_piece piece = { msg->u.bytes, MESSAGE_BYTES };
	uint32_t id = hvg_net_question_begin(&net->setup);
	int err = hvg_net_send_patiently(net, HVP_PACKET_INBAND, HVP_PACKET_FLAG_COMPLETION,
					 hvg_net_id(HVG_NET_ID_SETUP, id, 0), 0, &piece, 1);

	if (err) {
		hvg_net_question_cancel(net, &net->setup);
		return err;
	}
	err = hvg_net_question_wait(net, &net->setup);
	/* Some have nothing to say but that they were heard. */
	if (err || !answer)
		return err;
	err = hvw_nvsp_parse(answer, net->setup_answer, net->setup.len, HVP_NVSP_TO_GUEST, version);
	return err || answer->u.h.type != answer_type ? -EPROTO : 0;
}

/* --- versions -------------------------------------------------------------------------------------------- */

static int try_version(struct hvg_net *net, uint32_t version)
{
	struct hvw_nvsp msg, answer;
	int err;

	hvw_nvsp_init(&msg, HVP_NVSP_INIT);
	msg.u.INIT.version_min = version;
	msg.u.INIT.version_max = version;
	err = ask(net, &msg, &answer, HVP_NVSP_INIT_COMPLETE, 0);
	if (err)
		return err;
	return answer.u.INIT_COMPLETE.status == HVP_NVSP_STATUS_SUCCESS ? 0 : -EOPNOTSUPP;
}

static int negotiate(struct hvg_net *net)
{
	unsigned i;
	int err = -EOPNOTSUPP;

	for (i = 0; err == -EOPNOTSUPP && i < sizeof(versions) / sizeof(versions[0]); i++) {
		if (versions[i] > net->config.version_max)
			continue;
		err = try_version(net, versions[i]);
		if (!err)
			net->info.version = versions[i];
	}
	return err == -EOPNOTSUPP ? -EIO : err;
}

static int configure(struct hvg_net *net)
{
	const uint32_t version = net->info.version;
	struct hvw_nvsp msg;
	int err = 0;

	if (version >= HVP_NVSP_2) {
		hvw_nvsp_init(&msg, HVP_NVSP_NDIS_CONFIG);
		msg.u.NDIS_CONFIG.mtu = net->config.mtu + HVG_NET_ETHERNET;
		msg.u.NDIS_CONFIG.capabilities = HVP_NVSP_CAP_8021Q;
		/* Teaming: else the host does not tell when the link's speed changes. */
		if (version >= HVP_NVSP_5)
			msg.u.NDIS_CONFIG.capabilities |= HVP_NVSP_CAP_TEAMING |
							  (net->config.vf ? HVP_NVSP_CAP_SRIOV : 0);
		if (version >= HVP_NVSP_6_1)
			msg.u.NDIS_CONFIG.capabilities |= HVP_NVSP_CAP_RSC;
		err = tell(net, &msg);
	}
	if (err)
		return err;
	hvw_nvsp_init(&msg, HVP_NVSP_SEND_NDIS_VERSION);
	msg.u.SEND_NDIS_VERSION.major = HVP_NDIS_MAJOR;
	msg.u.SEND_NDIS_VERSION.minor = version >= HVP_NVSP_5 ? HVP_NDIS_MINOR_V5 :
								HVP_NDIS_MINOR_V1;
	return tell(net, &msg);
}

/* --- buffers ----------------------------------------------------------------------------------------------- */

/* Memory for `bytes` bytes, and the host knows it. */
static int share(struct hvg_net *net, struct hvos_shared *shared, uint32_t bytes, uint32_t *handle,
		 bool *is_shared)
{
	int err = hvos_shared_alloc(shared, (bytes + HVP_PAGE_SIZE - 1) / HVP_PAGE_SIZE);

	if (err)
		return err;
	err = hvg_chan_share(hvg_net_chan(net), shared, handle);
	if (!err) {
		*is_shared = true;
		return 0;
	}
	/* Without an answer the host may have it. That the page could not be taken back is logged by the port. */
	if (err == -ETIMEDOUT)
		hvos_shared_lose(shared);
	else
		(void)!hvos_shared_free(shared);
	shared->base = NULL;
	return err;
}

static void unshare(struct hvg_net *net, struct hvos_shared *shared, uint32_t handle,
		    bool *is_shared)
{
	if (!*is_shared)
		return;
	*is_shared = false;
	if (hvg_chan_unshare(hvg_net_chan(net), handle)) {
		hvg_log(HVOS_WARNING, "network: %u pages stay with the host: lost", shared->pages);
		hvos_shared_lose(shared);
	} else {
		(void)!hvos_shared_free(shared);
	}
	shared->base = NULL;
}

static int send_receive_buffer(struct hvg_net *net)
{
	struct hvp_nvsp_recv_section section;
	struct hvw_nvsp msg, answer;
	int err;

	net->receive_bytes = net->config.receive_bytes;
	if (net->info.version <= HVP_NVSP_2 && net->receive_bytes > HVG_NET_RECEIVE_OLD_MAX)
		net->receive_bytes = HVG_NET_RECEIVE_OLD_MAX;
	err = share(net, &net->receive, net->receive_bytes, &net->receive_handle,
		    &net->receive_shared);
	if (err)
		return err;
	hvw_nvsp_init(&msg, HVP_NVSP_SEND_RECV_BUF);
	msg.u.SEND_RECV_BUF.gpadl = net->receive_handle;
	msg.u.SEND_RECV_BUF.id = RECEIVE_ID;
	err = ask(net, &msg, &answer, HVP_NVSP_SEND_RECV_BUF_COMPLETE, net->info.version);
	if (err)
		return err;
	if (answer.u.SEND_RECV_BUF_COMPLETE.status != HVP_NVSP_STATUS_SUCCESS)
		return -EIO;
	err = hvw_nvsp_recv_section(&answer, SECTION_MIN, net->receive_bytes, &section);
	if (err)
		return err;
	net->info.receive_section = section.size;
	net->info.receive_sections = section.count;
	return 0;
}

static int send_send_buffer(struct hvg_net *net)
{
	struct hvw_nvsp msg, answer;
	uint32_t size;
	int err = share(net, &net->send, net->config.send_bytes, &net->send_handle,
			&net->send_shared);

	if (err)
		return err;
	hvw_nvsp_init(&msg, HVP_NVSP_SEND_SEND_BUF);
	msg.u.SEND_SEND_BUF.gpadl = net->send_handle;
	msg.u.SEND_SEND_BUF.id = SEND_ID;
	err = ask(net, &msg, &answer, HVP_NVSP_SEND_SEND_BUF_COMPLETE, net->info.version);
	if (err)
		return err;
	if (answer.u.SEND_SEND_BUF_COMPLETE.status != HVP_NVSP_STATUS_SUCCESS)
		return -EIO;
	size = answer.u.SEND_SEND_BUF_COMPLETE.section_size;
	if (size < SECTION_MIN || size > net->config.send_bytes)
		return -EPROTO;
	/* Odd ones are of no use, and need not be used. */
	if (size % 4)
		return 0;
	net->info.send_section = size;
	net->info.send_sections = net->config.send_bytes / size;
	net->section_words = (net->info.send_sections + 31) / 32;
	net->sections = hvos_alloc(net->section_words * sizeof(*net->sections));
	return net->sections ? 0 : -ENOMEM;
}

static void revoke(struct hvg_net *net, uint32_t type, uint16_t id)
{
	struct hvw_nvsp msg;
	int err;

	hvw_nvsp_init(&msg, type);
	if (type == HVP_NVSP_REVOKE_RECV_BUF)
		msg.u.REVOKE_RECV_BUF.id = id;
	else
		msg.u.REVOKE_SEND_BUF.id = id;
	err = tell(net, &msg);
	if (err && err != -ENODEV)
		hvg_log(HVOS_WARNING, "network: the host was not told to let go: error %d", -err);
}

int hvg_net_nvsp_start(struct hvg_net *net)
{
	int err = negotiate(net);

	if (!err)
		err = configure(net);
	if (!err)
		err = send_receive_buffer(net);
	if (!err && net->config.send_bytes)
		err = send_send_buffer(net);
	return err;
}

/* Whatever of it was done. */
void hvg_net_nvsp_stop(struct hvg_net *net)
{
	if (net->receive_shared)
		revoke(net, HVP_NVSP_REVOKE_RECV_BUF, RECEIVE_ID);
	if (net->send_shared)
		revoke(net, HVP_NVSP_REVOKE_SEND_BUF, SEND_ID);
}

void hvg_net_nvsp_unshare(struct hvg_net *net)
{
	unshare(net, &net->receive, net->receive_handle, &net->receive_shared);
	unshare(net, &net->send, net->send_handle, &net->send_shared);
	hvos_free(net->sections);
	net->sections = NULL;
	net->section_words = 0;
}

/* --- queues and paths ---------------------------------------------------------------------------------------- */

int hvg_net_nvsp_subchannels(struct hvg_net *net, unsigned wanted, unsigned *granted)
{
	struct hvw_nvsp msg, answer;
	int err;

	hvw_nvsp_init(&msg, HVP_NVSP_SUBCHANNEL);
	msg.u.SUBCHANNEL.operation = HVP_NVSP_SUBCHANNEL_ALLOCATE;
	msg.u.SUBCHANNEL.count = wanted;
	err = ask(net, &msg, &answer, HVP_NVSP_SUBCHANNEL, net->info.version);
	if (err)
		return err;
	if (answer.u.SUBCHANNEL_COMPLETE.status != HVP_NVSP_STATUS_SUCCESS)
		return -EIO;
	if (answer.u.SUBCHANNEL_COMPLETE.count > wanted)
		return -EPROTO;
	*granted = answer.u.SUBCHANNEL_COMPLETE.count;
	return 0;
}

int hvg_net_nvsp_switch(struct hvg_net *net, bool to_vf)
{
	struct hvw_nvsp msg;

	hvw_nvsp_init(&msg, HVP_NVSP_SWITCH_DATA_PATH);
	msg.u.SWITCH_DATA_PATH.active = to_vf ? HVP_NVSP_PATH_VF : HVP_NVSP_PATH_SYNTHETIC;
	return ask(net, &msg, NULL, 0, 0);
}

/* --- from the host --------------------------------------------------------------------------------------------- */

void hvg_net_nvsp_completion(struct hvg_net *net, const struct hvw_rx_packet *packet)
{
	uint32_t len = packet->payload_len;

	if (len > sizeof(net->setup_answer))
		len = sizeof(net->setup_answer);
	if (!hvg_net_question_answer(&net->setup, (uint32_t)(packet->h.transaction_id >> 16))) {
		hvg_net_count(&net->queues[0].poll.completions_unknown, 1);
		return;
	}
	/* It cannot fail: so much is there. */
	if (hvg_chan_copy(hvg_net_chan(net), packet, packet->header_len, net->setup_answer, len))
		len = 0;
	hvg_net_question_end(&net->setup, len);
}

static void take_table(struct hvg_net *net, const struct hvw_nvsp *msg)
{
	uint32_t table[HVP_NVSP_INDIRECTION_ENTRIES];
	unsigned i;

	if (hvw_nvsp_indirection(msg, net->info.version, table)) {
		hvg_net_count(&net->queues[0].poll.violations, 1);
		return;
	}
	for (i = 0; i < HVP_NVSP_INDIRECTION_ENTRIES; i++)
		__atomic_store_n(&net->tx_table[i], table[i], __ATOMIC_RELAXED);
	__atomic_store_n(&net->tx_table_set, 1, __ATOMIC_RELEASE);
}

void hvg_net_nvsp_message(struct hvg_net *net, const struct hvw_rx_packet *packet)
{
	uint8_t bytes[HVW_NVSP_MAX];
	uint32_t len = packet->payload_len < sizeof(bytes) ? packet->payload_len : sizeof(bytes);
	struct hvw_nvsp msg;

	if (hvg_chan_copy(hvg_net_chan(net), packet, packet->header_len, bytes, len) ||
	    hvw_nvsp_parse(&msg, bytes, len, HVP_NVSP_TO_GUEST, net->info.version)) {
		hvg_net_count(&net->queues[0].poll.violations, 1);
		return;
	}
	switch (msg.u.h.type) {
	case HVP_NVSP_SEND_INDIRECTION_TABLE:
		take_table(net, &msg);
		break;
	case HVP_NVSP_VF_ASSOCIATION:
		if (!net->config.vf)
			break;
		hvg_net_vf_associate(net, msg.u.VF_ASSOCIATION.allocated != 0,
				     msg.u.VF_ASSOCIATION.serial);
		break;
	case HVP_NVSP_SWITCH_DATA_PATH:
		/* The host withdraws the function: its association follows, and that counts. */
		break;
	default:
		hvg_net_count(&net->queues[0].poll.violations, 1);
		break;
	}
}
