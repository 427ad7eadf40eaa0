/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A network device without a protocol stack: answers ARP, ping and UDP echo (port 7) for one IPv4 address. Each answer is the
 * question with the two sides exchanged, so that sums stay what they were.
 *
 * Command line: ip=A.B.C.D (10.0.2.15, which user-mode networking gives its guest).
 */
#include <hvg/hvg_netif.h>

#include "bm.h"
#include "hvw_shared.h"

#define FRAMES	    64u /* answers under way */
#define FRAME_BYTES 2048u
#define MTU	    1500u

#define ETHERTYPE_IPV4 0x0800u
#define ETHERTYPE_ARP  0x0806u
#define ARP_REPLY      2u
#define PROTOCOL_ICMP  1u
#define PROTOCOL_UDP   17u
#define ICMP_ECHO      8u
#define ECHO_PORT      7u

/* Where things are in a frame. */
enum { MAC_TO = 0, MAC_FROM = 6, TYPE = 12, IP = 14 };
enum { ARP_OPERATION = IP + 6, ARP_SENDER = IP + 8, ARP_TARGET = IP + 18, ARP_END = IP + 28 };
enum { IP_PROTOCOL = IP + 9, IP_FRAGMENT = IP + 6, IP_FROM = IP + 12, IP_TO = IP + 16 };

struct answer {
	struct hvg_netif_packet packet; /* first: it comes back as this */
	struct hvg_netif_piece piece;
	uint8_t *bytes;
	uint32_t out; /* (a) */
};

/* One NIC answers; others are attached and stay silent. */
static struct {
	struct hvg_net_port *nic;
	struct hvos_shared memory;
	struct answer answers[FRAMES];
	uint8_t mac[HVG_NET_MAC_BYTES], ip[4];
	unsigned long received, answered, dropped; /* (a) */
} net;

static void count(unsigned long *counter)
{
	__atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

static unsigned get16(const uint8_t *at)
{
	return (unsigned)at[0] << 8 | at[1];
}

static void put16(uint8_t *at, unsigned value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static bool same(const uint8_t *a, const uint8_t *b, unsigned len)
{
	while (len && *a == *b)
		a++, b++, len--;
	return !len;
}

static void exchange(uint8_t *a, uint8_t *b, unsigned len)
{
	while (len--) {
		uint8_t byte = *a;

		*a++ = *b;
		*b++ = byte;
	}
}

/* --- answers -------------------------------------------------------------------------------------------- */

static bool answer_arp(uint8_t *frame, uint32_t len)
{
	/* Who has our address? */
	if (len < ARP_END || get16(frame + ARP_OPERATION) != 1 ||
	    !same(frame + ARP_TARGET + 6, net.ip, 4))
		return false;
	put16(frame + ARP_OPERATION, ARP_REPLY);
	hvw_memcpy(frame + ARP_TARGET, frame + ARP_SENDER, 10);
	hvw_memcpy(frame + ARP_SENDER, net.mac, 6);
	hvw_memcpy(frame + ARP_SENDER + 6, net.ip, 4);
	return true;
}

/* The sum counts the type's byte in its high half: without 8 there it is greater by so much. */
static bool answer_ping(uint8_t *icmp, uint32_t len)
{
	uint32_t sum;

	if (len < 8 || icmp[0] != ICMP_ECHO)
		return false;
	icmp[0] = 0;
	sum = get16(icmp + 2) + (ICMP_ECHO << 8);
	put16(icmp + 2, (sum & 0xffff) + (sum >> 16));
	return true;
}

static bool answer_udp(uint8_t *udp, uint32_t len)
{
	if (len < 8 || get16(udp + 2) != ECHO_PORT)
		return false;
	exchange(udp, udp + 2, 2);
	return true;
}

static bool answer_ip(uint8_t *frame, uint32_t len)
{
	const uint32_t header = (frame[IP] & 15u) * 4u;
	bool answered;

	if (len < IP + 20 || frame[IP] >> 4 != 4 || header < 20 || len < IP + header ||
	    !same(frame + IP_TO, net.ip, 4) || get16(frame + IP_FRAGMENT) & 0x3fff)
		return false;
	if (frame[IP_PROTOCOL] == PROTOCOL_ICMP)
		answered = answer_ping(frame + IP + header, len - IP - header);
	else
		answered = frame[IP_PROTOCOL] == PROTOCOL_UDP &&
			   answer_udp(frame + IP + header, len - IP - header);
	exchange(frame + IP_FROM, frame + IP_TO, 4);
	return answered;
}

/* The frame becomes its answer. */
static bool make_answer(uint8_t *frame, uint32_t len)
{
	const unsigned type = get16(frame + TYPE);
	bool answered = false;

	if (type == ETHERTYPE_ARP)
		answered = answer_arp(frame, len);
	else if (type == ETHERTYPE_IPV4)
		answered = answer_ip(frame, len);
	hvw_memcpy(frame + MAC_TO, frame + MAC_FROM, 6);
	hvw_memcpy(frame + MAC_FROM, net.mac, 6);
	return answered;
}

/* --- frames --------------------------------------------------------------------------------------------- */

static struct answer *free_answer(void)
{
	for (unsigned i = 0; i < FRAMES; i++)
		if (!__atomic_exchange_n(&net.answers[i].out, 1, __ATOMIC_ACQUIRE))
			return &net.answers[i];
	return NULL;
}

static void give_back(struct answer *answer)
{
	__atomic_store_n(&answer->out, 0, __ATOMIC_RELEASE);
}

static void done(struct hvg_net_port *nic, struct hvg_netif_packet *packet)
{
	(void)nic;
	give_back((struct answer *)packet);
}

static void received(struct hvg_net_port *nic, unsigned queue, const struct hvg_net_rx *rx)
{
	struct answer *answer;
	uint32_t len = 0;

	count(&net.received);
	answer = nic == net.nic && rx->len <= FRAME_BYTES ? free_answer() : NULL;
	if (!answer) {
		count(&net.dropped);
		return;
	}
	for (unsigned i = 0; i < rx->piece_count; i++) {
		hvw_copy_out(answer->bytes + len, rx->pieces[i].data, rx->pieces[i].len);
		len += rx->pieces[i].len;
	}
	answer->packet.frame = (struct hvg_net_frame){ .len = len };
	answer->piece.len = len;
	if (!make_answer(answer->bytes, len)) {
		give_back(answer);
	} else if (hvg_netif_send(nic, queue, &answer->packet, false)) {
		count(&net.dropped);
		give_back(answer);
	} else {
		count(&net.answered);
	}
}

/* --- the device ------------------------------------------------------------------------------------------- */

static void read_ip(void)
{
	char text[20];
	const char *at = text;

	if (!bm_option("ip", text, sizeof(text)))
		at = "10.0.2.15";
	for (unsigned i = 0; i < 4; i++) {
		unsigned value = 0;

		while (*at >= '0' && *at <= '9')
			value = value * 10 + (unsigned)(*at++ - '0');
		net.ip[i] = (uint8_t)value;
		at += *at == '.';
	}
}

static bool make_answers(void)
{
	const uint32_t per_page = HVP_PAGE_SIZE / FRAME_BYTES;

	if (hvos_shared_alloc(&net.memory, FRAMES / per_page))
		return false;
	for (unsigned i = 0; i < FRAMES; i++) {
		struct answer *answer = &net.answers[i];

		answer->bytes = (uint8_t *)net.memory.base + i * FRAME_BYTES;
		answer->piece.data = answer->bytes;
		answer->piece.gpa = (hvos_shared_gpn(&net.memory, i / per_page) << HVP_PAGE_SHIFT) +
				    i % per_page * FRAME_BYTES;
		answer->packet.pieces = &answer->piece;
		answer->packet.piece_count = 1;
		answer->out = 0;
	}
	return true;
}

static void attached(struct hvg_net_port *nic)
{
	const struct hvg_net_info *info = hvg_net_info(nic->net);
	const uint8_t *mac = info->mac;
	int err;

	bm_printf("network: NVSP 0x%x, %x:%x:%x:%x:%x:%x, link %s\n", info->version, mac[0], mac[1],
		  mac[2], mac[3], mac[4], mac[5], hvg_net_link(nic->net) ? "up" : "down");
	if (net.nic || !make_answers())
		return;
	read_ip();
	hvw_memcpy(net.mac, mac, sizeof(net.mac));
	net.nic = nic;
	hvg_netif_lock(nic);
	err = hvg_netif_up(nic);
	hvg_netif_unlock(nic);
	if (err)
		bm_printf("network: it does not open: error %d\n", -err);
	else
		bm_printf("network: answers for %u.%u.%u.%u\n", net.ip[0], net.ip[1], net.ip[2],
			  net.ip[3]);
}

static void detached(struct hvg_net_port *nic)
{
	if (nic != net.nic)
		return;
	hvg_netif_lock(nic);
	hvg_net_detach(nic->net);
	hvg_netif_unlock(nic);
	net.nic = NULL;
	(void)!hvos_shared_free(&net.memory);
	bm_printf("network: received %lu, answered %lu, dropped %lu\n", net.received, net.answered,
		  net.dropped);
}

static void changed(struct hvg_net_port *nic, enum hvg_net_change change)
{
	if (change == HVG_NET_QUEUES)
		bm_printf("network: %u queues\n", hvg_net_queue_count(nic->net));
	else if (change == HVG_NET_LINK)
		bm_printf("network: link %s\n", hvg_net_link(nic->net) ? "up" : "down");
}

static const struct hvg_netif_ops ops = {
	.attached = attached,
	.detached = detached,
	.received = received,
	.done = done,
	.changed = changed,
};

static int attach(struct hvg_device *device)
{
	const struct hvg_net_config config = {
		.mtu = MTU,
		.queues = HVG_NET_QUEUES_DEFAULT,
		.ring_pages = 33,
		.receive_bytes = 2u << 20,
		.send_bytes = HVG_NET_SEND_BYTES,
		.version_max = HVP_NVSP_6_1,
	};

	return hvg_netif_attach(device, &config, &ops, NULL);
}

const struct hvg_driver bm_net_driver = {
	.name = "network",
	.class_id = HVP_CLASS_NETWORK,
	.attach = attach,
	.detach = hvg_netif_detach,
	.subchannel = hvg_netif_subchannel,
	.subchannel_gone = hvg_netif_subchannel_gone,
	.suspend = hvg_netif_suspend,
	.resume = hvg_netif_resume,
};
