/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A NIC of the driver core's as lwIP's interface. Frames are copied once on their way in; on their way out lwIP's own buffers
 * are named, and held until the host is done with them.
 *
 * Command line: ip=A.B.C.D/N (without: DHCP), ip6=ADDRESS/64 beside the link's own, mtu=N, vlan=ID with vlan_ip=A.B.C.D/N: another
 * interface for the frames of that VLAN.
 */
#include <hvg/hvg_netif.h>

#include <lwip/dhcp.h>
#include <lwip/etharp.h>
#include <lwip/ethip6.h>
#include <lwip/netif.h>
#include <netif/ethernet.h>

#include "guest.h"
#include "hvw_shared.h"
#include "port/baremetal/bm.h"

#define SLOTS	   256u /* frames under way */
#define PIECES_MAX 16u
#define VLAN_BITS  0x0fffu

struct slot {
	struct hvg_netif_packet packet; /* first: it comes back as this */
	struct hvg_netif_piece pieces[PIECES_MAX];
	struct pbuf *held; /* NULL: free */
};

static struct {
	struct hvg_net_port *port;
	struct netif plain, tagged;
	uint16_t vlan; /* of `tagged`; 0: there is none */
	struct slot slots[SLOTS];
	unsigned long received, sent, dropped;
} nic;

/* --- out ------------------------------------------------------------------------------------------------ */

static struct slot *free_slot(void)
{
	for (unsigned i = 0; i < SLOTS; i++)
		if (!nic.slots[i].held)
			return &nic.slots[i];
	return NULL;
}

static bool name_pieces(struct slot *slot, const struct pbuf *frame)
{
	unsigned count = 0;

	for (; frame; frame = frame->next) {
		if (!frame->len)
			continue;
		if (count == PIECES_MAX)
			return false;
		/* Here addresses are what they are in the machine. */
		slot->pieces[count++] = (struct hvg_netif_piece){
			.data = frame->payload,
			.gpa = (uintptr_t)frame->payload,
			.len = frame->len,
		};
	}
	slot->packet.pieces = slot->pieces;
	slot->packet.piece_count = count;
	return true;
}

static err_t output(struct netif *netif, struct pbuf *frame)
{
	struct slot *slot = nic.port ? free_slot() : NULL;

	if (!slot || !name_pieces(slot, frame)) {
		nic.dropped++;
		return ERR_MEM;
	}
	slot->packet.frame = (struct hvg_net_frame){ .len = frame->tot_len };
	if (netif == &nic.tagged) {
		slot->packet.frame.flags = HVG_NET_VLAN;
		slot->packet.frame.vlan = nic.vlan;
	}
	pbuf_ref(frame);
	slot->held = frame;
	if (hvg_netif_send(nic.port, 0, &slot->packet, false)) {
		slot->held = NULL;
		pbuf_free(frame);
		nic.dropped++;
		return ERR_MEM;
	}
	nic.sent++;
	return ERR_OK;
}

static void done(struct hvg_net_port *port, struct hvg_netif_packet *packet)
{
	struct slot *slot = (struct slot *)packet;

	(void)port;
	pbuf_free(slot->held);
	slot->held = NULL;
}

/* --- in ------------------------------------------------------------------------------------------------- */

static struct netif *netif_of(const struct hvg_net_rx *rx)
{
	if (!(rx->flags & HVG_NET_RX_VLAN) || !(rx->vlan & VLAN_BITS))
		return &nic.plain;
	return nic.vlan && (rx->vlan & VLAN_BITS) == nic.vlan ? &nic.tagged : NULL;
}

static void received(struct hvg_net_port *port, unsigned queue, const struct hvg_net_rx *rx)
{
	struct netif *netif = netif_of(rx);
	struct pbuf *frame = NULL;
	uint32_t len = 0;

	(void)queue;
	nic.received++;
	if (port == nic.port && netif && rx->len <= UINT16_MAX)
		frame = pbuf_alloc(PBUF_RAW, (uint16_t)rx->len, PBUF_RAM);
	if (!frame) {
		nic.dropped++;
		return;
	}
	for (unsigned i = 0; i < rx->piece_count; i++) {
		hvw_copy_out((uint8_t *)frame->payload + len, rx->pieces[i].data,
			     rx->pieces[i].len);
		len += rx->pieces[i].len;
	}
	if (netif->input(frame, netif))
		pbuf_free(frame);
}

/* --- the interface --------------------------------------------------------------------------------------- */

static err_t init(struct netif *netif)
{
	const struct hvg_net *net = nic.port->net;

	netif->name[0] = 'e';
	netif->name[1] = netif == &nic.tagged ? 'v' : 'n';
	netif->output = etharp_output;
	netif->output_ip6 = ethip6_output;
	netif->linkoutput = output;
	netif->mtu = (u16_t)hvg_net_config(net)->mtu;
	netif->hwaddr_len = HVG_NET_MAC_BYTES;
	hvw_memcpy(netif->hwaddr, hvg_net_info(net)->mac, HVG_NET_MAC_BYTES);
	netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET |
		       NETIF_FLAG_MLD6;
	return ERR_OK;
}

static void say_address(struct netif *netif)
{
	const uint8_t *at = (const uint8_t *)netif_ip4_addr(netif);

	if (!ip4_addr_isany(netif_ip4_addr(netif)))
		bm_printf("network: %c%c has %u.%u.%u.%u\n", netif->name[0], netif->name[1], at[0],
			  at[1], at[2], at[3]);
}

/* A.B.C.D/N */
static bool read_address(const char *key, ip4_addr_t *address, ip4_addr_t *mask)
{
	char text[32];
	unsigned bits = 0;
	char *slash = text;

	if (!bm_option(key, text, sizeof(text)))
		return false;
	while (*slash && *slash != '/')
		slash++;
	if (*slash) {
		*slash++ = '\0';
		while (*slash >= '0' && *slash <= '9')
			bits = bits * 10 + (unsigned)(*slash++ - '0');
	}
	ip4_addr_set_u32(mask, bits ? lwip_htonl(~0u << (32 - (bits < 32 ? bits : 32))) : 0);
	return ip4addr_aton(text, address);
}

static void set_ipv6(struct netif *netif)
{
	char text[48], *end = text;
	ip6_addr_t address;
	s8_t index;

	netif_create_ip6_linklocal_address(netif, 1);
	if (!bm_option("ip6", text, sizeof(text)))
		return;
	while (*end && *end != '/')
		end++;
	*end = '\0';
	if (ip6addr_aton(text, &address) && !netif_add_ip6_address(netif, &address, &index))
		netif_ip6_addr_set_state(netif, index, IP6_ADDR_PREFERRED);
}

static void add(struct netif *netif, const char *ip_key)
{
	ip4_addr_t address, mask;
	const bool fixed = read_address(ip_key, &address, &mask);

	if (!netif_add(netif, fixed ? &address : IP4_ADDR_ANY4, fixed ? &mask : IP4_ADDR_ANY4,
		       IP4_ADDR_ANY4, NULL, init, ethernet_input))
		guest_fail("no interface");
	netif_set_status_callback(netif, say_address);
	netif_set_up(netif);
	if (hvg_net_link(nic.port->net))
		netif_set_link_up(netif);
	if (!fixed && dhcp_start(netif))
		guest_fail("no DHCP");
}

static unsigned number_option(const char *key, unsigned otherwise)
{
	char text[16];
	const char *at = text;
	unsigned value = 0;

	if (!bm_option(key, text, sizeof(text)))
		return otherwise;
	while (*at >= '0' && *at <= '9')
		value = value * 10 + (unsigned)(*at++ - '0');
	return value;
}

static void attached(struct hvg_net_port *port)
{
	int err;

	if (nic.port)
		return;
	nic.port = port;
	add(&nic.plain, "ip");
	set_ipv6(&nic.plain);
	nic.vlan = (uint16_t)(number_option("vlan", 0) & VLAN_BITS);
	if (nic.vlan)
		add(&nic.tagged, "vlan_ip");
	netif_set_default(&nic.plain);
	guest_servers_start();
	hvg_netif_lock(port);
	err = hvg_netif_up(port);
	hvg_netif_unlock(port);
	if (err)
		bm_printf("network: it does not open: error %d\n", -err);
	else
		bm_printf("network: open, MTU %u\n", hvg_net_config(port->net)->mtu);
}

/* The interface stays lwIP's, without a link. */
static void detached(struct hvg_net_port *port)
{
	if (port != nic.port)
		return;
	netif_set_link_down(&nic.plain);
	if (nic.vlan)
		netif_set_link_down(&nic.tagged);
	hvg_netif_lock(port);
	hvg_net_detach(port->net);
	hvg_netif_unlock(port);
	nic.port = NULL;
	bm_printf("network: received %lu, sent %lu, dropped %lu\n", nic.received, nic.sent,
		  nic.dropped);
}

static void changed(struct hvg_net_port *port, enum hvg_net_change change)
{
	const bool link = hvg_net_link(port->net);

	if (port != nic.port || change != HVG_NET_LINK)
		return;
	bm_printf("network: link %s\n", link ? "up" : "down");
	(link ? netif_set_link_up : netif_set_link_down)(&nic.plain);
	if (nic.vlan)
		(link ? netif_set_link_up : netif_set_link_down)(&nic.tagged);
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
		.mtu = number_option("mtu", HVG_NET_MTU_DEFAULT),
		.queues = HVG_NET_QUEUES_DEFAULT,
		.ring_pages = 33,
		.receive_bytes = 2u << 20,
		.send_bytes = HVG_NET_SEND_BYTES,
		.version_max = HVP_NVSP_6_1,
	};

	return hvg_netif_attach(device, &config, &ops, NULL);
}

const struct hvg_driver guest_nic_driver = {
	.name = "network",
	.class_id = HVP_CLASS_NETWORK,
	.attach = attach,
	.detach = hvg_netif_detach,
	.subchannel = hvg_netif_subchannel,
	.subchannel_gone = hvg_netif_subchannel_gone,
	.suspend = hvg_netif_suspend,
	.resume = hvg_netif_resume,
};
