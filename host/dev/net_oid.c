/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The network device: what a guest may ask and set. Loop of queue 0.
 */
#include <string.h>

#include "hvw_ndis.h"
#include "net_priv.h"

#define VENDOR_ID	   0x0000155du
#define VENDOR_DESCRIPTION "hvis"
#define DRIVER_VERSION	   0x0100u
#define BUFFER_SPACE	   (256u << 10)
#define MAC_OPTIONS	   0x24du

/* The name that Linux takes for no name of its own. */
#define FRIENDLY_NAME "Network Adapter"

uint32_t hvh_net_speed(const struct net *net)
{
	uint64_t speed = net->config.bits_per_second / 100;

	return speed < 0xffffffffu ? (uint32_t)speed : 0xffffffffu;
}

/* --- values ---------------------------------------------------------------------------------------- */

static uint32_t put(uint8_t *value, uint32_t *len, const void *bytes, uint32_t bytes_len)
{
	memcpy(value, bytes, bytes_len);
	*len = bytes_len;
	return HVP_RNDIS_STATUS_SUCCESS;
}

static uint32_t put_u32(uint8_t *value, uint32_t *len, uint32_t number)
{
	return put(value, len, &number, sizeof(number));
}

static uint32_t put_utf16(uint8_t *value, uint32_t *len, const char *text)
{
	for (*len = 0; *text; *len += 2) {
		value[*len] = (uint8_t)*text++;
		value[*len + 1] = 0;
	}
	return HVP_RNDIS_STATUS_SUCCESS;
}

bool hvh_net_join_offered(const struct net *net)
{
	return !net->config.no_join && net->version >= HVP_NVSP_6_1 &&
	       (net->capabilities & HVP_NVSP_CAP_RSC);
}

/* What it can do (HVP_OFFLOAD_* as switched on only when `current`). */
void hvh_net_offload_config(const struct net *net, bool current, struct hvp_ndis_offload *offload)
{
	const struct hvp_ndis_offload_params *on = &net->offload;
	const uint32_t any4 = HVP_OFFLOAD_IPV4_OPTIONS | HVP_OFFLOAD_TCP_OPTIONS;
	const uint32_t any6 = HVP_OFFLOAD_IPV6_EXTENSIONS | HVP_OFFLOAD_TCP_OPTIONS;
	const struct hvp_ndis_offload_lso lso = { HVP_NDIS_ENCAPSULATION_802_3, LSO_BYTES_MAX,
						  LSO_SEGMENTS_MIN };

#define TX_ON(field)  (!current || on->field == HVP_OFFLOAD_TX || on->field == HVP_OFFLOAD_TX_RX)
#define RX_ON(field)  (!current || on->field == HVP_OFFLOAD_RX || on->field == HVP_OFFLOAD_TX_RX)
#define LSO_ON(field) (!current || on->field == HVP_OFFLOAD_ON)
	memset(offload, 0, sizeof(*offload));
	offload->tx4.encapsulation = HVP_NDIS_ENCAPSULATION_802_3;
	offload->tx4.flags = any4 | (TX_ON(tcp4) ? HVP_OFFLOAD_TCP : 0) |
			     (TX_ON(udp4) ? HVP_OFFLOAD_UDP : 0) |
			     (TX_ON(ipv4_header) ? HVP_OFFLOAD_IPV4_HEADER : 0);
	offload->rx4.encapsulation = HVP_NDIS_ENCAPSULATION_802_3;
	offload->rx4.flags = any4 | (RX_ON(tcp4) ? HVP_OFFLOAD_TCP : 0) |
			     (RX_ON(udp4) ? HVP_OFFLOAD_UDP : 0) |
			     (RX_ON(ipv4_header) ? HVP_OFFLOAD_IPV4_HEADER : 0);
	offload->tx6.encapsulation = HVP_NDIS_ENCAPSULATION_802_3;
	offload->tx6.flags = any6 | (TX_ON(tcp6) ? HVP_OFFLOAD_TCP : 0) |
			     (TX_ON(udp6) ? HVP_OFFLOAD_UDP : 0);
	offload->rx6.encapsulation = HVP_NDIS_ENCAPSULATION_802_3;
	offload->rx6.flags = any6 | (RX_ON(tcp6) ? HVP_OFFLOAD_TCP : 0) |
			     (RX_ON(udp6) ? HVP_OFFLOAD_UDP : 0);
	if (LSO_ON(lso1)) {
		offload->lso1 = lso;
		offload->lso1_options = 1;
	}
	if (LSO_ON(lso4))
		offload->lso4 = lso;
	if (LSO_ON(lso6)) {
		offload->lso6 = lso;
		offload->lso6_flags = HVP_OFFLOAD_LSO_IPV6_EXTENSIONS | HVP_OFFLOAD_LSO_TCP_OPTIONS;
	}
	if (hvh_net_join_offered(net)) {
		offload->rsc4 = !current || on->rsc4 == HVP_OFFLOAD_ON;
		offload->rsc6 = !current || on->rsc6 == HVP_OFFLOAD_ON;
	}
#undef TX_ON
#undef RX_ON
#undef LSO_ON
	offload->h = (struct hvp_ndis_header){ HVP_NDIS_OFFLOAD, 3, HVP_NDIS_OFFLOAD_SIZE_3 };
}

/* In the revision that the guest asks for. */
static uint32_t put_capabilities(const struct net *net, const struct hvw_rndis_request *request,
				 uint8_t *value, uint32_t *len)
{
	struct hvp_ndis_header asked = { HVP_NDIS_OFFLOAD, 3, HVP_NDIS_OFFLOAD_SIZE_3 };
	struct hvp_ndis_offload offload;
	int bytes;

	if (request->info_len >= sizeof(asked))
		memcpy(&asked, request->info, sizeof(asked));
	hvh_net_offload_config(net, false, &offload);
	bytes = hvw_ndis_offload_fit(&offload, asked.revision, asked.size);
	if (bytes < 0)
		return HVP_RNDIS_STATUS_BUFFER_TOO_SHORT;
	return put(value, len, &offload, (uint32_t)bytes);
}

static uint32_t put_rss_caps(const struct net *net, uint8_t *value, uint32_t *len)
{
	const struct hvp_ndis_rss_caps caps = {
		.h = { HVP_NDIS_RSS_CAPABILITIES, 2, HVP_NDIS_RSS_CAPS_SIZE_2 },
		.flags = HVP_RSS_FUNCTION_TOEPLITZ | HVP_RSS_CAP_IPV4 | HVP_RSS_CAP_IPV6 |
			 HVP_RSS_CAP_UDP4 | HVP_RSS_CAP_UDP6,
		.messages = 1,
		.queues = net->config.queues_max,
		.entries = HVP_RSS_TABLE_ENTRIES,
	};

	/* Without the padding: Linux takes no more bytes than its own structure has. */
	return put(value, len, &caps, HVP_NDIS_RSS_CAPS_SIZE_2);
}

static uint32_t put_link_state(const struct net *net, uint8_t *value, uint32_t *len)
{
	const struct hvp_ndis_link_state state = {
		.h = { HVP_NDIS_DEFAULT, 1, sizeof(state) },
		.connect_state = atomic_load(&net->link) ? HVP_NDIS_LINK_CONNECTED :
							   HVP_NDIS_LINK_DISCONNECTED,
		.tx_bits_per_second = net->config.bits_per_second,
		.rx_bits_per_second = net->config.bits_per_second,
	};

	return put(value, len, &state, sizeof(state));
}

static uint32_t put_encapsulation(uint8_t *value, uint32_t *len)
{
	const struct hvp_ndis_encapsulation encapsulation = {
		.h = { HVP_NDIS_ENCAPSULATION, 1, sizeof(encapsulation) },
		.ipv4_enabled = 1,
		.ipv4_type = HVP_NDIS_ENCAPSULATION_802_3,
		.ipv4_header_bytes = HVW_ETHERNET_HEADER,
		.ipv6_enabled = 1,
		.ipv6_type = HVP_NDIS_ENCAPSULATION_802_3,
		.ipv6_header_bytes = HVW_ETHERNET_HEADER,
	};

	return put(value, len, &encapsulation, sizeof(encapsulation));
}

/* --- counters -------------------------------------------------------------------------------------- */

#define SUM_OF(net, counter)                                                                       \
	({                                                                                         \
		uint64_t sum_ = 0;                                                                 \
                                                                                                   \
		for (unsigned i_ = 0; i_ < HVH_NET_QUEUES_MAX; i_++)                               \
			sum_ += atomic_load_explicit(&(net)->queue[i_].counter,                    \
						     memory_order_relaxed);                        \
		sum_;                                                                              \
	})

/* 8 bytes where the guest's room allows them, else the lower 4, as NDIS has it. */
static uint32_t put_counter(const struct hvw_rndis_request *request, uint8_t *value, uint32_t *len,
			    uint64_t number)
{
	return put(value, len, &number, request->info_len == sizeof(uint32_t) ? 4 : sizeof(number));
}

static bool query_counter(const struct net *net, const struct hvw_rndis_request *request,
			  uint8_t *value, uint32_t *len)
{
	uint64_t number = 0;

	switch (request->oid) {
	case HVP_OID_GEN_XMIT_OK:
		number = SUM_OF(net, tx_frames);
		break;
	case HVP_OID_GEN_RCV_OK:
		number = SUM_OF(net, rx_frames);
		break;
	case HVP_OID_GEN_XMIT_ERROR:
		number = SUM_OF(net, tx_dropped);
		break;
	case HVP_OID_GEN_RCV_NO_BUFFER:
		number = SUM_OF(net, rx_dropped);
		break;
	case HVP_OID_GEN_BYTES_RCV:
		number = SUM_OF(net, rx_bytes);
		break;
	case HVP_OID_GEN_BYTES_XMIT:
		number = SUM_OF(net, tx_bytes);
		break;
	case HVP_OID_GEN_RCV_ERROR:
	case HVP_OID_GEN_RCV_CRC_ERROR:
	case HVP_OID_GEN_TRANSMIT_QUEUE_LENGTH:
	case HVP_OID_802_3_RCV_ERROR_ALIGNMENT:
	case HVP_OID_802_3_XMIT_ONE_COLLISION:
	case HVP_OID_802_3_XMIT_MORE_COLLISIONS:
		break;
	default:
		return false;
	}
	put_counter(request, value, len, number);
	return true;
}

/* --- queries --------------------------------------------------------------------------------------- */

/* Oids that are answered; settable ones that cannot be asked are among them, as in Hyper-V's list. */
static const uint32_t supported[] = {
	HVP_OID_GEN_SUPPORTED_LIST,
	HVP_OID_GEN_HARDWARE_STATUS,
	HVP_OID_GEN_MEDIA_SUPPORTED,
	HVP_OID_GEN_MEDIA_IN_USE,
	HVP_OID_GEN_MAXIMUM_LOOKAHEAD,
	HVP_OID_GEN_MAXIMUM_FRAME_SIZE,
	HVP_OID_GEN_LINK_SPEED,
	HVP_OID_GEN_TRANSMIT_BUFFER_SPACE,
	HVP_OID_GEN_RECEIVE_BUFFER_SPACE,
	HVP_OID_GEN_TRANSMIT_BLOCK_SIZE,
	HVP_OID_GEN_RECEIVE_BLOCK_SIZE,
	HVP_OID_GEN_VENDOR_ID,
	HVP_OID_GEN_VENDOR_DESCRIPTION,
	HVP_OID_GEN_CURRENT_PACKET_FILTER,
	HVP_OID_GEN_CURRENT_LOOKAHEAD,
	HVP_OID_GEN_DRIVER_VERSION,
	HVP_OID_GEN_MAXIMUM_TOTAL_SIZE,
	HVP_OID_GEN_MAC_OPTIONS,
	HVP_OID_GEN_MEDIA_CONNECT_STATUS,
	HVP_OID_GEN_MAXIMUM_SEND_PACKETS,
	HVP_OID_GEN_VENDOR_DRIVER_VERSION,
	HVP_OID_GEN_NETWORK_LAYER_ADDRESSES,
	HVP_OID_GEN_XMIT_OK,
	HVP_OID_GEN_RCV_OK,
	HVP_OID_GEN_XMIT_ERROR,
	HVP_OID_GEN_RCV_ERROR,
	HVP_OID_GEN_RCV_NO_BUFFER,
	HVP_OID_GEN_RCV_CRC_ERROR,
	HVP_OID_GEN_TRANSMIT_QUEUE_LENGTH,
	HVP_OID_GEN_FRIENDLY_NAME,
	HVP_OID_GEN_RNDIS_CONFIG_PARAMETER,
	HVP_OID_802_3_PERMANENT_ADDRESS,
	HVP_OID_802_3_CURRENT_ADDRESS,
	HVP_OID_802_3_MAXIMUM_LIST_SIZE,
	HVP_OID_802_3_RCV_ERROR_ALIGNMENT,
	HVP_OID_802_3_XMIT_ONE_COLLISION,
	HVP_OID_802_3_XMIT_MORE_COLLISIONS,
	/* From NDIS 6.0 on. */
	HVP_OID_GEN_MAX_LINK_SPEED,
	HVP_OID_GEN_LINK_STATE,
	HVP_OID_GEN_BYTES_RCV,
	HVP_OID_GEN_BYTES_XMIT,
	HVP_OID_OFFLOAD_ENCAPSULATION,
	HVP_OID_TCP_OFFLOAD_CURRENT_CONFIG,
	HVP_OID_TCP_OFFLOAD_PARAMETERS,
	HVP_OID_TCP_OFFLOAD_HARDWARE_CAPABILITIES,
	/* From NDIS 6.30 on. */
	HVP_OID_GEN_RECEIVE_SCALE_CAPABILITIES,
	HVP_OID_GEN_RECEIVE_SCALE_PARAMETERS,
};
#define SUPPORTED	   (sizeof(supported) / sizeof(supported[0]))
#define SUPPORTED_BEFORE_6 (SUPPORTED - 10)
#define SUPPORTED_AT_6	   (SUPPORTED - 2)

static uint32_t put_supported(const struct net *net, uint8_t *value, uint32_t *len)
{
	size_t count = SUPPORTED;

	if (net->ndis_major < HVP_NDIS_MAJOR)
		count = SUPPORTED_BEFORE_6;
	else if (net->ndis_major == HVP_NDIS_MAJOR && net->ndis_minor < HVP_NDIS_MINOR_V5)
		count = SUPPORTED_AT_6;
	return put(value, len, supported, (uint32_t)(count * sizeof(supported[0])));
}

/* Single numbers. False: it is none of them. */
static bool query_number(const struct net *net, uint32_t oid, uint8_t *value, uint32_t *len)
{
	uint32_t number = 0;

	switch (oid) {
	case HVP_OID_GEN_HARDWARE_STATUS:
	case HVP_OID_GEN_MEDIA_SUPPORTED:
	case HVP_OID_GEN_MEDIA_IN_USE:
	case HVP_OID_802_3_MAXIMUM_LIST_SIZE:
		break;
	case HVP_OID_GEN_MAXIMUM_LOOKAHEAD:
	case HVP_OID_GEN_CURRENT_LOOKAHEAD:
	case HVP_OID_GEN_MAXIMUM_FRAME_SIZE:
		number = net->frame_max - HVW_ETHERNET_HEADER;
		break;
	case HVP_OID_GEN_MAXIMUM_TOTAL_SIZE:
	case HVP_OID_GEN_TRANSMIT_BLOCK_SIZE:
	case HVP_OID_GEN_RECEIVE_BLOCK_SIZE:
		number = net->frame_max;
		break;
	case HVP_OID_GEN_LINK_SPEED:
		number = hvh_net_speed(net);
		break;
	case HVP_OID_GEN_TRANSMIT_BUFFER_SPACE:
	case HVP_OID_GEN_RECEIVE_BUFFER_SPACE:
		number = BUFFER_SPACE;
		break;
	case HVP_OID_GEN_VENDOR_ID:
		number = VENDOR_ID;
		break;
	case HVP_OID_GEN_CURRENT_PACKET_FILTER:
		number = atomic_load(&net->filter);
		break;
	case HVP_OID_GEN_VENDOR_DRIVER_VERSION:
		number = DRIVER_VERSION;
		break;
	case HVP_OID_GEN_MAC_OPTIONS:
		number = MAC_OPTIONS;
		break;
	case HVP_OID_GEN_MEDIA_CONNECT_STATUS:
		number = atomic_load(&net->link) ? HVP_MEDIA_CONNECTED : HVP_MEDIA_DISCONNECTED;
		break;
	case HVP_OID_GEN_MAXIMUM_SEND_PACKETS:
		number = 0xffffffffu;
		break;
	default:
		return false;
	}
	put_u32(value, len, number);
	return true;
}

uint32_t hvh_net_oid_query(struct net *net, const struct hvw_rndis_request *request, uint8_t *value,
			   uint32_t *len)
{
	const struct hvp_ndis_link_speed speed = { net->config.bits_per_second,
						   net->config.bits_per_second };
	const uint16_t driver_version = DRIVER_VERSION;
	struct hvp_ndis_offload offload;
	uint64_t mac = atomic_load(&net->mac);

	if (query_number(net, request->oid, value, len) || query_counter(net, request, value, len))
		return HVP_RNDIS_STATUS_SUCCESS;
	switch (request->oid) {
	case HVP_OID_GEN_SUPPORTED_LIST:
		return put_supported(net, value, len);
	case HVP_OID_GEN_VENDOR_DESCRIPTION:
		return put(value, len, VENDOR_DESCRIPTION, sizeof(VENDOR_DESCRIPTION));
	case HVP_OID_GEN_DRIVER_VERSION:
		return put(value, len, &driver_version, sizeof(driver_version));
	case HVP_OID_GEN_FRIENDLY_NAME:
		return put_utf16(value, len, FRIENDLY_NAME);
	case HVP_OID_802_3_PERMANENT_ADDRESS:
		return put(value, len, net->config.mac, sizeof(net->config.mac));
	case HVP_OID_802_3_CURRENT_ADDRESS:
		return put(value, len, &mac, HVH_NET_MAC_BYTES);
	case HVP_OID_GEN_MAX_LINK_SPEED:
		return put(value, len, &speed, sizeof(speed));
	case HVP_OID_GEN_LINK_STATE:
		return put_link_state(net, value, len);
	case HVP_OID_OFFLOAD_ENCAPSULATION:
		return put_encapsulation(value, len);
	case HVP_OID_TCP_OFFLOAD_CURRENT_CONFIG:
		hvh_net_offload_config(net, true, &offload);
		return put(value, len, &offload, sizeof(offload));
	case HVP_OID_TCP_OFFLOAD_HARDWARE_CAPABILITIES:
		return put_capabilities(net, request, value, len);
	case HVP_OID_GEN_RECEIVE_SCALE_CAPABILITIES:
		return put_rss_caps(net, value, len);
	default:
		return HVP_RNDIS_STATUS_NOT_SUPPORTED;
	}
}

/* --- sets ------------------------------------------------------------------------------------------ */

static uint32_t set_filter(struct net *net, const struct hvw_rndis_request *request)
{
	const uint32_t known = HVP_FILTER_DIRECTED | HVP_FILTER_MULTICAST |
			       HVP_FILTER_ALL_MULTICAST | HVP_FILTER_BROADCAST |
			       HVP_FILTER_PROMISCUOUS;
	uint32_t filter;

	if (request->info_len < sizeof(filter))
		return HVP_RNDIS_STATUS_INVALID_LENGTH;
	memcpy(&filter, request->info, sizeof(filter));
	atomic_store(&net->filter, filter & known);
	return HVP_RNDIS_STATUS_SUCCESS;
}

/* One field of the parameters: what is not mentioned stays, what makes no sense is refused. */
static bool take_field(uint8_t *field, uint8_t wish, uint8_t most)
{
	if (wish > most)
		return false;
	if (wish != HVP_OFFLOAD_UNCHANGED)
		*field = wish;
	return true;
}

static uint32_t set_offload(struct net *net, const struct hvw_rndis_request *request)
{
	struct hvp_ndis_offload_params wish, on = net->offload;

	if (hvw_ndis_offload_params_parse(&wish, request->info, request->info_len))
		return HVP_RNDIS_STATUS_INVALID_DATA;
	if (!take_field(&on.ipv4_header, wish.ipv4_header, HVP_OFFLOAD_TX_RX) ||
	    !take_field(&on.tcp4, wish.tcp4, HVP_OFFLOAD_TX_RX) ||
	    !take_field(&on.udp4, wish.udp4, HVP_OFFLOAD_TX_RX) ||
	    !take_field(&on.tcp6, wish.tcp6, HVP_OFFLOAD_TX_RX) ||
	    !take_field(&on.udp6, wish.udp6, HVP_OFFLOAD_TX_RX) ||
	    !take_field(&on.lso1, wish.lso1, HVP_OFFLOAD_ON) ||
	    !take_field(&on.lso4, wish.lso4, HVP_OFFLOAD_ON) ||
	    !take_field(&on.lso6, wish.lso6, HVP_OFFLOAD_ON) ||
	    !take_field(&on.rsc4, wish.rsc4, HVP_OFFLOAD_ON) ||
	    !take_field(&on.rsc6, wish.rsc6, HVP_OFFLOAD_ON))
		return HVP_RNDIS_STATUS_INVALID_DATA;
	net->offload = on;
	hvh_net_join_set(net);
	net->notes |= NOTE_OFFLOAD;
	return HVP_RNDIS_STATUS_SUCCESS;
}

static uint32_t set_rss(struct net *net, const struct hvw_rndis_request *request)
{
	struct hvw_rss_params params;
	uint32_t i;

	if (hvw_rss_params_parse(&params, request->info, request->info_len, net->queues))
		return HVP_RNDIS_STATUS_INVALID_DATA;
	if ((params.flags & HVP_RSS_DISABLE) || !(params.hash & HVP_RSS_FUNCTION_MASK)) {
		net->rss_types = 0;
		return HVP_RNDIS_STATUS_SUCCESS;
	}
	for (i = 0; i < params.entries; i++)
		net->rss_table[i] = (uint8_t)params.table[i];
	if (params.entries)
		net->rss_entries = params.entries;
	if (params.keyed) {
		memcpy(net->rss_key, params.key, sizeof(net->rss_key));
		hvw_toeplitz_init(&net->toeplitz, net->rss_key);
	}
	if (!(params.flags & HVP_RSS_HASH_UNCHANGED))
		net->rss_types = params.hash & ~HVP_RSS_FUNCTION_MASK;
	return HVP_RNDIS_STATUS_SUCCESS;
}

static uint32_t set_encapsulation(const struct hvw_rndis_request *request)
{
	struct hvp_ndis_encapsulation wish;

	if (request->info_len < sizeof(wish))
		return HVP_RNDIS_STATUS_INVALID_LENGTH;
	memcpy(&wish, request->info, sizeof(wish));
	/* Ethernet is all there is. */
	return (wish.ipv4_enabled == 1 && wish.ipv4_type != HVP_NDIS_ENCAPSULATION_802_3) ||
			       (wish.ipv6_enabled == 1 &&
				wish.ipv6_type != HVP_NDIS_ENCAPSULATION_802_3) ?
		       HVP_RNDIS_STATUS_NOT_SUPPORTED :
		       HVP_RNDIS_STATUS_SUCCESS;
}

/* UTF-16LE as ASCII, or "" where it is something else, or longer than `size`. */
static void read_text(const struct hvw_rndis_request *request, uint32_t offset, uint32_t len,
		      char *text, size_t size)
{
	uint32_t i;

	*text = '\0';
	if (offset > request->info_len || len > request->info_len - offset || len % 2 ||
	    len / 2 >= size)
		return;
	for (i = 0; i < len / 2; i++) {
		const uint8_t *at = request->info + offset + i * 2;

		if (at[1] || at[0] < ' ' || at[0] > '~') {
			*text = '\0';
			return;
		}
		text[i] = (char)at[0];
	}
	text[i] = '\0';
}

static int hex_digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c ? strchr(digits, c | (c >= 'A' && c <= 'F' ? 0x20 : 0)) : NULL;

	return at ? (int)(at - digits) : -1;
}

static uint32_t set_address(struct net *net, const char *text)
{
	uint64_t mac = 0;
	unsigned i;

	if (!net->config.mac_change)
		return HVP_RNDIS_STATUS_NOT_SUPPORTED;
	if (strlen(text) != 2 * HVH_NET_MAC_BYTES)
		return HVP_RNDIS_STATUS_INVALID_DATA;
	for (i = 0; i < HVH_NET_MAC_BYTES; i++) {
		int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return HVP_RNDIS_STATUS_INVALID_DATA;
		mac |= (uint64_t)(high << 4 | low) << 8 * i;
	}
	if (!mac || (mac & 1))
		return HVP_RNDIS_STATUS_INVALID_DATA;
	atomic_store(&net->mac, mac);
	return HVP_RNDIS_STATUS_SUCCESS;
}

static uint32_t set_parameter(struct net *net, const struct hvw_rndis_request *request)
{
	struct hvp_rndis_config_parameter h;
	char name[64], value[64];

	if (request->info_len < sizeof(h))
		return HVP_RNDIS_STATUS_INVALID_LENGTH;
	memcpy(&h, request->info, sizeof(h));
	read_text(request, h.name_offset, h.name_length, name, sizeof(name));
	read_text(request, h.value_offset, h.value_length, value, sizeof(value));
	if (!*name || h.value_type != HVP_RNDIS_CONFIG_STRING)
		return HVP_RNDIS_STATUS_INVALID_DATA;
	if (!strcmp(name, "NetworkAddress"))
		return set_address(net, value);
	/* Offloads have their own object; the old way of setting them changes nothing. */
	return HVP_RNDIS_STATUS_SUCCESS;
}

uint32_t hvh_net_oid_set(struct net *net, const struct hvw_rndis_request *request)
{
	switch (request->oid) {
	case HVP_OID_GEN_CURRENT_PACKET_FILTER:
		return set_filter(net, request);
	case HVP_OID_TCP_OFFLOAD_PARAMETERS:
		return set_offload(net, request);
	case HVP_OID_GEN_RECEIVE_SCALE_PARAMETERS:
		return set_rss(net, request);
	case HVP_OID_OFFLOAD_ENCAPSULATION:
		return set_encapsulation(request);
	case HVP_OID_GEN_RNDIS_CONFIG_PARAMETER:
		return set_parameter(net, request);
	case HVP_OID_GEN_NETWORK_LAYER_ADDRESSES:
	case HVP_OID_GEN_CURRENT_LOOKAHEAD:
		return HVP_RNDIS_STATUS_SUCCESS;
	default:
		return HVP_RNDIS_STATUS_NOT_SUPPORTED;
	}
}
