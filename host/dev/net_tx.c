/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The network device: frames from the guest. Loop of the queue.
 *
 * A packet's memory is the bytes of a section of the send buffer, then those of its ranges: one stream of RNDIS
 * messages. Each message's header and information are copied once and checked, and so is the beginning of its frame,
 * where decisions depend on it; the rest goes to the back end from where it is.
 */
#include <errno.h>
#include <string.h>

#include "net_priv.h"

/* A large frame is not cut into more than so many: that much work for one packet is enough. */
#define SEGMENTS_MAX 1024u

#define TCP_CHECKSUM 16u /* where it stands in the header */
#define UDP_CHECKSUM 6u

#define TCP_FLAGS 13u
#define TCP_FIN	  0x01u
#define TCP_PSH	  0x08u
#define TCP_CWR	  0x80u

/* --- a packet's memory ----------------------------------------------------------------------------- */

/* The memory of a packet; returns the pieces, *total their bytes. Negative: the message makes no sense. */
static int gather(struct net *net, struct net_queue *q, const struct hvw_rx_packet *packet,
		  const struct hvp_nvsp_rndis_packet *message, uint32_t *total)
{
	uint32_t ranges = 0;
	int iovs = 0, more = 0;

	*total = 0;
	if (message->section_index != HVP_NVSP_SECTION_NONE) {
		if (!q->uses_send || !message->section_size || message->section_size > TX_SECTION ||
		    message->section_index >= net->send.share->bytes / TX_SECTION)
			return -EPROTO;
		iovs = hvh_share_iov(net->send.share, message->section_index * TX_SECTION,
				     message->section_size, q->stream, TX_IOVS);
		if (iovs < 0)
			return iovs;
		*total = message->section_size;
	} else if (message->section_size) {
		return -EPROTO;
	}
	if (packet->h.type == HVP_PACKET_GPA_DIRECT) {
		more = hvh_channel_pin(q->channel, packet, q->stream + iovs,
				       TX_IOVS - (unsigned)iovs, &ranges);
		if (more < 0)
			return more;
	}
	if (ranges > UINT32_MAX - *total || !(*total += ranges))
		return -EPROTO;
	return iovs + more;
}

/* [at, at + len) of what gather() found; false: it ends before. */
static bool read_at(const struct net_queue *q, unsigned iovs, size_t at, void *dst, size_t len)
{
	return hvh_net_copy(dst, q->stream, iovs, at, len) == len;
}

/* --- one frame ------------------------------------------------------------------------------------- */

/* A frame in its pieces, the first of which is private and holds all its headers. */
struct frame {
	struct net_queue *q;
	uint8_t *head;
	size_t len;
	unsigned iovs; /* q->frame */
	struct hvw_frame found;
	struct hvh_net_meta meta;
};

static int give(struct net *net, const struct iovec *iov, unsigned iovs, size_t len,
		struct frame *f)
{
	int err = net->backend->send(net->ctx, f->q->index, iov, iovs, &f->meta);

	if (err == -EAGAIN)
		return err;
	if (err) {
		net_count(&f->q->tx_dropped, 1);
		return 0;
	}
	net_count(&f->q->tx_frames, 1);
	net_count(&f->q->tx_bytes, len);
	return 0;
}

/* Where the datagram ends: a frame may be padded. 0: it says that it is longer than the frame. */
static size_t datagram_end(const struct frame *f)
{
	const uint8_t *ip = f->head + f->found.l3;
	size_t end = f->found.ip == 4 ? (size_t)f->found.l3 + hvw_be16(ip + 2) :
					(size_t)f->found.l3 + HVW_IPV6_HEADER + hvw_be16(ip + 4);

	return end <= f->len ? end : 0;
}

/* The sum of the transport's bytes up to `end`, with the pseudo-header's that is in its place. */
static void store_sum(const struct frame *f, uint8_t *l4, const struct iovec *iov, unsigned iovs,
		      size_t end)
{
	unsigned place = f->found.protocol == HVW_PROTOCOL_TCP ? TCP_CHECKSUM : UDP_CHECKSUM;
	uint16_t sum = hvh_net_sum_fold(hvh_net_sum(0, iov, iovs, f->found.l4, end - f->found.l4));

	/* With UDP 0 means that there is none. */
	if (!sum && f->found.protocol == HVW_PROTOCOL_UDP)
		sum = 0xffff;
	memcpy(l4 + place, &sum, sizeof(sum));
}

/* The guest left checksums to us. -EPROTO: such a frame has none. */
static int do_checksum(struct net *net, struct frame *f, uint32_t wish)
{
	uint8_t protocol = wish & HVP_TX_CHECKSUM_TCP ? HVW_PROTOCOL_TCP : HVW_PROTOCOL_UDP;
	size_t end;

	if (wish & HVP_TX_CHECKSUM_IP_HEADER) {
		if (f->found.ip != 4)
			return -EPROTO;
		hvh_net_sum_ip_header(f->head + f->found.l3);
	}
	if (!(wish & (HVP_TX_CHECKSUM_TCP | HVP_TX_CHECKSUM_UDP)))
		return 0;
	if (!f->found.l4 || f->found.protocol != protocol)
		return -EPROTO;
	end = datagram_end(f);
	if (end < (size_t)f->found.l4 + f->found.l4_len)
		return -EPROTO;
	net_count(&f->q->tx_checksums, 1);
	if (net->backend->can & HVH_NET_CHECKSUMS && end == f->len) {
		f->meta.checksum_start = f->found.l4;
		f->meta.checksum_offset = protocol == HVW_PROTOCOL_TCP ? TCP_CHECKSUM :
									 UDP_CHECKSUM;
		return 0;
	}
	store_sum(f, f->head + f->found.l4, f->q->frame, f->iovs, end);
	return 0;
}

/* --- large frames ---------------------------------------------------------------------------------- */

/* The guest's sum of the pseudo-header does not count the length. */
static void add_length(uint8_t *place, uint32_t l4_bytes)
{
	uint8_t length[2];
	uint16_t sum, more;

	hvw_put_be16(length, (uint16_t)l4_bytes);
	memcpy(&more, length, sizeof(more));
	memcpy(&sum, place, sizeof(sum));
	sum = (uint16_t)~hvh_net_sum_fold((uint32_t)sum + more);
	memcpy(place, &sum, sizeof(sum));
}

/* Segment `index` of `count`: its headers, made of the frame's. */
static void make_headers(struct frame *f, uint32_t index, uint32_t count, uint32_t at,
			 uint32_t payload)
{
	uint8_t *head = f->q->segment, *tcp = head + f->found.l4;
	uint32_t l4_bytes = f->found.l4_len + payload;

	memcpy(head, f->head, (size_t)f->found.l4 + f->found.l4_len);
	hvh_net_set_ip_length(&f->found, head + f->found.l3, l4_bytes,
			      (uint16_t)(hvw_be16(f->head + f->found.l3 + 4) + index));
	hvw_put_be32(tcp + 4, hvw_be32(tcp + 4) + at);
	if (index)
		tcp[TCP_FLAGS] &= (uint8_t)~TCP_CWR;
	if (index + 1 < count)
		tcp[TCP_FLAGS] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
	add_length(tcp + TCP_CHECKSUM, l4_bytes);
}

/* Cut it up here. Where the back end takes no more for now, it goes on from that piece. */
static int cut(struct net *net, struct frame *f, uint32_t mss, uint32_t payload)
{
	uint32_t headers = (uint32_t)f->found.l4 + f->found.l4_len;
	uint32_t count = (payload + mss - 1) / mss, i;
	struct iovec *piece = f->q->piece;

	for (i = f->q->cut_done; i < count; i++) {
		uint32_t at = i * mss, step = payload - at < mss ? payload - at : mss;
		unsigned iovs =
			1 + hvh_net_slice(f->q->frame, f->iovs, headers + at, step, piece + 1);
		int err;

		make_headers(f, i, count, at, step);
		piece[0].iov_base = f->q->segment;
		piece[0].iov_len = headers;
		if (net->backend->can & HVH_NET_CHECKSUMS) {
			f->meta.checksum_start = f->found.l4;
			f->meta.checksum_offset = TCP_CHECKSUM;
		} else {
			store_sum(f, f->q->segment + f->found.l4, piece, iovs,
				  (size_t)headers + step);
		}
		err = give(net, piece, iovs, headers + step, f);
		if (err) {
			f->q->cut_done = i;
			return err;
		}
		net_count(&f->q->tx_segments, 1);
	}
	return 0;
}

static int send_large(struct net *net, struct frame *f, uint32_t lso)
{
	uint32_t headers = (uint32_t)f->found.l4 + f->found.l4_len, mss = lso & HVP_LSO_MSS_MASK,
		 payload;
	int err;

	if (!f->found.l4 || f->found.protocol != HVW_PROTOCOL_TCP || !mss || f->len <= headers ||
	    f->len - f->found.l3 > 0xffff)
		return -EPROTO;
	payload = (uint32_t)f->len - headers;
	if ((payload - 1) / mss >= SEGMENTS_MAX || headers + mss > net->frame_max + HVW_VLAN_TAG)
		return -EPROTO;
	/* The older form gives the length; both are computed. */
	if (net->backend->can & HVH_NET_SEGMENTS && payload > mss) {
		hvh_net_set_ip_length(&f->found, f->head + f->found.l3, f->found.l4_len + payload,
				      hvw_be16(f->head + f->found.l3 + 4));
		add_length(f->head + f->found.l4 + TCP_CHECKSUM, f->found.l4_len + payload);
		f->meta.checksum_start = f->found.l4;
		f->meta.checksum_offset = TCP_CHECKSUM;
		f->meta.segment_bytes = (uint16_t)mss;
		f->meta.header_bytes = (uint16_t)headers;
		f->meta.ipv6 = f->found.ip == 6;
		f->meta.cwr = f->head[f->found.l4 + TCP_FLAGS] & TCP_CWR;
		err = give(net, f->q->frame, f->iovs, f->len, f);
	} else {
		err = cut(net, f, mss, payload);
	}
	if (!err)
		net_count(&f->q->tx_large, 1);
	return err;
}

/* --- from the stream ------------------------------------------------------------------------------- */

/* A tag that stands beside the frame goes into it; both are private. Returns where the frame begins now. */
static uint8_t *insert_tag(uint8_t *head, uint32_t vlan)
{
	uint8_t *tagged = head - HVW_VLAN_TAG;

	memmove(tagged, head, 2 * HVH_NET_MAC_BYTES);
	hvw_put_be16(tagged + 12, HVW_ETHERTYPE_VLAN);
	hvw_put_be16(tagged + 14, hvw_rndis_vlan_tag(vlan));
	return tagged;
}

/*
 * The frame of `len` bytes at `at` of the stream. 0: sent, or dropped as a wire would; -EAGAIN; -EPROTO: not a frame, or not
 * one that what the guest wishes can be done to.
 */
static int send_frame(struct net *net, struct net_queue *q, unsigned iovs, size_t at, size_t len,
		      const struct hvw_rndis_meta *meta)
{
	struct frame f = { .q = q, .head = q->head + HVW_VLAN_TAG, .len = len };
	size_t head_len = len < HVW_FRAME_HEADERS_MAX ? len : HVW_FRAME_HEADERS_MAX;
	bool large = meta->has & HVW_META_LSO;

	if (len < HVW_ETHERNET_HEADER || (!large && len > net->frame_max + HVW_VLAN_TAG))
		return -EPROTO;
	if (!read_at(q, iovs, at, f.head, head_len))
		return -EPROTO;
	if (!atomic_load_explicit(&net->link, memory_order_relaxed) ||
	    (!net->config.foreign_macs &&
	     net_mac_of(f.head + HVH_NET_MAC_BYTES) !=
		     atomic_load_explicit(&net->mac, memory_order_relaxed))) {
		net_count(&q->tx_dropped, 1);
		return 0;
	}
	if (meta->has & HVW_META_VLAN) {
		f.head = insert_tag(f.head, meta->vlan);
		f.len += HVW_VLAN_TAG;
	}
	q->frame[0].iov_base = f.head;
	q->frame[0].iov_len = head_len + (f.len - len);
	f.iovs = 1 + hvh_net_slice(q->stream, iovs, at + head_len, len - head_len, q->frame + 1);
	if (large || (meta->has & HVW_META_CHECKSUM))
		hvw_frame_dissect(&f.found, f.head, q->frame[0].iov_len);
	if (large)
		return send_large(net, &f, meta->lso);
	if (meta->has & HVW_META_CHECKSUM) {
		int err = do_checksum(net, &f, meta->checksum);

		if (err)
			return err;
	}
	return give(net, q->frame, f.iovs, f.len, &f);
}

/* All messages of the stream, which begins with a packet. As hvh_net_tx(). */
static int send_stream(struct net *net, struct net_queue *q, unsigned iovs, uint32_t total)
{
	uint32_t at = 0, index = 0;

	for (; at < total; index++) {
		uint8_t infos[TX_INFO_MAX];
		struct hvp_rndis_packet h;
		struct hvw_rndis_packet packet;
		struct hvw_rndis_meta meta;
		int err;

		if (!read_at(q, iovs, at, &h, sizeof(h)) ||
		    hvw_rndis_packet_parse(&packet, &h, total - at) ||
		    packet.info_len > sizeof(infos) ||
		    !read_at(q, iovs, at + packet.info_at, infos, packet.info_len) ||
		    hvw_rndis_meta_parse(&meta, infos, packet.info_len))
			return -EPROTO;
		at += packet.len;
		if (index < q->tx_done)
			continue;
		err = hvh_net_fault(net, q, HVH_INJECT_NIC_SEND) ?
			      -EAGAIN :
			      send_frame(net, q, iovs, at - packet.len + packet.data_at,
					 packet.data_len, &meta);
		if (err != -EAGAIN)
			q->cut_done = 0;
		if (err) {
			q->tx_done = err == -EAGAIN ? index : 0;
			return err;
		}
	}
	q->tx_done = 0;
	return 0;
}

static bool is_control(const struct net_queue *q, unsigned iovs)
{
	uint32_t type = 0;

	return read_at(q, iovs, 0, &type, sizeof(type)) && type != HVP_RNDIS_PACKET;
}

static int take_control(struct net *net, struct net_queue *q, unsigned iovs, uint32_t total,
			uint64_t transaction_id)
{
	uint8_t request[CONTROL_REQUEST_MAX];

	if (q->index || total > sizeof(request) || !read_at(q, iovs, 0, request, total))
		return -EPROTO;
	hvh_channel_trace(q->channel, HVP_TO_HOST, transaction_id, request, total);
	if (!hvh_net_control(net, request, total)) {
		atomic_fetch_add(&net->violations, 1);
		hvh_channel_fail(q->channel, "control message that makes no sense, or too many");
	}
	return 0;
}

int hvh_net_tx(struct net *net, struct net_queue *q, const struct hvw_rx_packet *packet,
	       const struct hvp_nvsp_rndis_packet *message)
{
	struct hvw_nvsp complete;
	uint32_t total;
	int iovs, err;

	if (!q->uses_recv) {
		hvh_channel_fail(q->channel, "RNDIS without a receive buffer");
		return 0;
	}
	iovs = gather(net, q, packet, message, &total);
	err = iovs;
	if (iovs >= 0 && is_control(q, (unsigned)iovs))
		err = take_control(net, q, (unsigned)iovs, total, packet->h.transaction_id);
	else if (iovs >= 0)
		err = net->initialised ? send_stream(net, q, (unsigned)iovs, total) : -EPROTO;
	if (err == -EAGAIN) {
		q->blocked = true;
		return err;
	}
	if (err < 0)
		atomic_fetch_add(&net->violations, 1);
	if (!(packet->h.flags & HVP_PACKET_FLAG_COMPLETION))
		return 0;
	hvw_nvsp_init(&complete, HVP_NVSP_SEND_RNDIS_PACKET_COMPLETE);
	complete.u.SEND_RNDIS_PACKET_COMPLETE.status = err < 0 ? HVP_NVSP_STATUS_FAILURE :
								 HVP_NVSP_STATUS_SUCCESS;
	hvh_net_complete(net, q, packet->h.transaction_id, complete.u.bytes,
			 hvw_nvsp_bytes(net->version));
	return 0;
}
