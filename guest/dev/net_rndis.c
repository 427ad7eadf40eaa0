/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * RNDIS control: requests lie in memory of ours that the host reads, answers come as frames do, and so do
 * indications.
 */
#include "net_priv.h"

/* What we say we take at most in one message; hosts do not look. */
#define TRANSFER_MAX 0x4000u

/* What is assumed until the host has said better, and again when it says nonsense. */
#define BATCH_FRAMES_MAX 64u
#define BATCH_ALIGN_MAX	 8u /* as a power of two */

/* --- requests -------------------------------------------------------------------------------------------- */

/* The first place whose last request the host has read; HVG_NET_REQUESTS: none. */
static unsigned free_request(const struct hvg_net *net)
{
	unsigned i;

	for (i = 0; i < HVG_NET_REQUESTS; i++)
		if (!__atomic_load_n(&net->request_busy[i], __ATOMIC_ACQUIRE))
			break;
	return i;
}

static int claim_request(struct hvg_net *net, unsigned *place)
{
	const uint64_t end_ns = hvg_net_deadline_ns(net);

	for (;;) {
		*place = free_request(net);
		if (*place < HVG_NET_REQUESTS)
			return 0;
		if (hvg_chan_revoked(hvg_net_chan(net)))
			return -ENODEV;
		if (hvos_now_ns() > end_ns)
			return -ETIMEDOUT;
		hvg_net_pause(net, HVG_NET_RETRY_MS);
	}
}

static uint8_t *request_bytes(const struct hvg_net *net, unsigned place)
{
	return (uint8_t *)net->requests.base + place * HVG_NET_REQUEST_BYTES;
}

/* The request at `place`, which is `len` bytes long. No place crosses a page. */
static int send_request(struct hvg_net *net, unsigned place, uint32_t len)
{
	const uint32_t at = place * HVG_NET_REQUEST_BYTES;
	const uint64_t page = hvos_shared_gpn(&net->requests, at / HVP_PAGE_SIZE);
	uint8_t header[sizeof(struct hvp_gpa_direct) + sizeof(struct hvp_gpa_range) + sizeof(page)];
	struct hvp_nvsp_rndis_packet msg = {
		.h.type = HVP_NVSP_SEND_RNDIS_PACKET,
		.channel_type = HVP_NVSP_CHANNEL_CONTROL,
		.section_index = HVP_NVSP_SECTION_NONE,
	};
	uint8_t padded[40] = { 0 };
	const struct hvw_piece pieces[] = { { header, sizeof(header) },
					    { padded, sizeof(padded) } };
	struct hvw_gpa_writer writer;
	uint32_t generation;
	int err = hvw_gpa_writer_init(&writer, header, sizeof(header));

	if (!err)
		err = hvw_gpa_writer_add(&writer, &page, at % HVP_PAGE_SIZE, len);
	if (err)
		return err;
	(void)hvw_gpa_writer_finish(&writer);
	hvw_memcpy(padded, &msg, sizeof(msg));
	generation = net->request_generation =
		net->request_generation + 1 ? net->request_generation + 1 : 1;
	__atomic_store_n(&net->request_busy[place], generation, __ATOMIC_RELEASE);
	err = hvg_net_send_patiently(net, HVP_PACKET_GPA_DIRECT, HVP_PACKET_FLAG_COMPLETION,
				     hvg_net_id(HVG_NET_ID_CONTROL, generation, place),
				     sizeof(header), pieces, 2);
	if (err)
		__atomic_store_n(&net->request_busy[place], 0, __ATOMIC_RELAXED);
	return err;
}

/* P. The host has read it. */
void hvg_net_rndis_completion(struct hvg_net *net, uint64_t id)
{
	uint32_t generation = (uint32_t)(id >> 16);
	unsigned place = (uint16_t)id;

	if (place >= HVG_NET_REQUESTS || !generation ||
	    !__atomic_compare_exchange_n(&net->request_busy[place], &generation, 0, false,
					 __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
		hvg_net_count(&net->queues[0].poll.completions_unknown, 1);
}

/* Send what was built at `place` (`len` bytes, or an error), and wait for the answer of that type. */
static int ask(struct hvg_net *net, unsigned place, int len, uint32_t type,
	       struct hvw_rndis_answer *answer)
{
	struct hvw_rndis_iter iter;
	struct hvw_rndis_msg msg;
	int err = len < 0 ? len : send_request(net, place, (uint32_t)len);

	if (err) {
		hvg_net_question_cancel(net, &net->rndis);
		return err;
	}
	err = hvg_net_question_wait(net, &net->rndis);
	if (err)
		return err;
	hvw_rndis_iter_init(&iter, net->rndis_answer, net->rndis.len);
	if (hvw_rndis_iter_next(&iter, &msg) ||
	    hvw_rndis_answer_parse(answer, &msg, net->rndis.len) ||
	    answer->type != (type | HVP_RNDIS_COMPLETION))
		return -EPROTO;
	return 0;
}

/* About one setting. */
static int ask_oid(struct hvg_net *net, uint32_t type, uint32_t oid, const void *input,
		   uint32_t input_len, struct hvw_rndis_answer *answer)
{
	unsigned place;
	int err = claim_request(net, &place), built;

	if (err)
		return err;
	built = hvw_rndis_build_request(request_bytes(net, place), HVG_NET_REQUEST_BYTES, type,
					hvg_net_question_begin(&net->rndis), oid, input, input_len);
	err = ask(net, place, built, type, answer);
	if (err)
		return err;
	return answer->status == HVP_RNDIS_STATUS_SUCCESS ? 0 : -EIO;
}

int hvg_net_rndis_query(struct hvg_net *net, uint32_t oid, const void *input, uint32_t input_len,
			void *value, uint32_t *len)
{
	struct hvw_rndis_answer answer;
	int err = ask_oid(net, HVP_RNDIS_QUERY, oid, input, input_len, &answer);

	if (err)
		return err;
	if (answer.info_len > *len)
		answer.info_len = *len;
	if (answer.info_len)
		hvw_memcpy(value, answer.info, answer.info_len);
	*len = answer.info_len;
	return 0;
}

int hvg_net_rndis_set(struct hvg_net *net, uint32_t oid, const void *value, uint32_t len)
{
	struct hvw_rndis_answer answer;

	return ask_oid(net, HVP_RNDIS_SET, oid, value, len, &answer);
}

static void take_limits(struct hvg_net *net, const struct hvp_rndis_initialize_complete *limits)
{
	net->batch_frames = limits->packets_max < BATCH_FRAMES_MAX ? limits->packets_max :
								     BATCH_FRAMES_MAX;
	if (!net->batch_frames)
		net->batch_frames = 1;
	net->batch_bytes = limits->transfer_max;
	if (limits->alignment > BATCH_ALIGN_MAX) {
		net->batch_frames = 1;
		net->batch_align = 1;
	} else {
		net->batch_align = 1u << limits->alignment;
	}
}

int hvg_net_rndis_start(struct hvg_net *net)
{
	struct hvw_rndis_answer answer;
	unsigned place;
	int err = claim_request(net, &place), built;

	if (err)
		return err;
	built = hvw_rndis_build_initialize(request_bytes(net, place), HVG_NET_REQUEST_BYTES,
					   hvg_net_question_begin(&net->rndis), TRANSFER_MAX);
	err = ask(net, place, built, HVP_RNDIS_INITIALIZE, &answer);
	if (err)
		return err;
	if (answer.status != HVP_RNDIS_STATUS_SUCCESS)
		return -EIO;
	take_limits(net, &answer.limits);
	return 0;
}

/* There is no answer but that it was read. */
void hvg_net_rndis_halt(struct hvg_net *net)
{
	unsigned place, waited_ms;
	int err = claim_request(net, &place), built;

	if (err)
		return;
	built = hvw_rndis_build_halt(request_bytes(net, place), HVG_NET_REQUEST_BYTES,
				     ++net->rndis.last);
	if (built < 0 || send_request(net, place, (uint32_t)built))
		return;
	for (waited_ms = 0; waited_ms < HVG_NET_DRAIN_MS; waited_ms++) {
		if (!__atomic_load_n(&net->request_busy[place], __ATOMIC_ACQUIRE) ||
		    hvg_chan_revoked(hvg_net_chan(net)))
			return;
		hvg_net_pause(net, 1);
	}
}

/* --- from the host --------------------------------------------------------------------------------------- */

static void indicate(struct hvg_net *net, const struct hvw_rndis_answer *answer)
{
	uint32_t speed;

	switch (answer->status) {
	case HVP_RNDIS_STATUS_MEDIA_CONNECT:
		hvg_net_link_event(net, HVG_NET_LINK_UP);
		break;
	case HVP_RNDIS_STATUS_MEDIA_DISCONNECT:
		hvg_net_link_event(net, HVG_NET_LINK_DOWN);
		break;
	case HVP_RNDIS_STATUS_NETWORK_CHANGE:
		hvg_net_link_event(net, HVG_NET_LINK_MOVED);
		break;
	case HVP_RNDIS_STATUS_LINK_SPEED_CHANGE:
		if (answer->info_len < sizeof(speed))
			break;
		hvw_memcpy(&speed, answer->info, sizeof(speed));
		__atomic_store_n(&net->speed, speed, __ATOMIC_RELAXED);
		hvg_net_todo(net, HVG_NET_TODO_SPEED, 0);
		break;
	default: /* what it has made of our offloads, for instance */
		break;
	}
}

bool hvg_net_rndis_control(struct hvg_net *net, const uint8_t HVW_SHARED *message, uint32_t len)
{
	struct hvw_rndis_answer answer;
	struct hvw_rndis_iter iter;
	struct hvw_rndis_msg msg;

	if (len > HVG_NET_ANSWER_BYTES)
		len = HVG_NET_ANSWER_BYTES;
	hvw_copy_out(net->indication, message, len);
	hvw_rndis_iter_init(&iter, net->indication, len);
	if (hvw_rndis_iter_next(&iter, &msg) || hvw_rndis_answer_parse(&answer, &msg, len))
		return false;
	if (msg.type == HVP_RNDIS_INDICATE_STATUS) {
		indicate(net, &answer);
		return true;
	}
	/* Late ones, and those to nobody's question. */
	if (!hvg_net_question_answer(&net->rndis, answer.id)) {
		hvg_net_count(&net->queues[0].poll.completions_unknown, 1);
		return true;
	}
	hvw_memcpy(net->rndis_answer, net->indication, len);
	hvg_net_question_end(&net->rndis, len);
	return true;
}
