/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What comes to port 7 goes back, over UDP and TCP, IPv4 and IPv6. A stream's bytes are taken in as far as they could be sent on.
 */
#include <lwip/tcp.h>
#include <lwip/udp.h>

#include "guest.h"
#include "port/baremetal/bm.h"

#define ECHO_PORT 7u

/* --- UDP ------------------------------------------------------------------------------------------------ */

static void echo_datagram(void *ctx, struct udp_pcb *pcb, struct pbuf *data, const ip_addr_t *from,
			  u16_t port)
{
	(void)ctx;
	udp_sendto(pcb, data, from, port);
	pbuf_free(data);
}

/* --- TCP ------------------------------------------------------------------------------------------------ */

/* One for each connection, from lwIP's heap. */
struct stream {
	struct pbuf *waiting; /* came, and is not sent on yet */
	bool ended; /* the other side sends no more */
};

static void send_on(struct stream *stream, struct tcp_pcb *pcb)
{
	while (stream->waiting) {
		struct pbuf *first = stream->waiting;
		u16_t len = first->len;

		if (len > tcp_sndbuf(pcb) ||
		    tcp_write(pcb, first->payload, len, TCP_WRITE_FLAG_COPY))
			break;
		/* What is behind it is held by it alone. */
		if (first->next)
			pbuf_ref(first->next);
		stream->waiting = pbuf_dechain(first);
		pbuf_free(first);
		tcp_recved(pcb, len);
	}
	tcp_output(pcb);
	if (!stream->ended || stream->waiting)
		return;
	tcp_arg(pcb, NULL);
	tcp_sent(pcb, NULL);
	tcp_poll(pcb, NULL, 0);
	if (tcp_close(pcb))
		tcp_abort(pcb);
	mem_free(stream);
}

static err_t stream_received(void *ctx, struct tcp_pcb *pcb, struct pbuf *data, err_t err)
{
	struct stream *stream = ctx;

	if (!stream || err) {
		if (data)
			pbuf_free(data);
		return ERR_OK;
	}
	if (!data)
		stream->ended = true;
	else if (stream->waiting)
		pbuf_cat(stream->waiting, data);
	else
		stream->waiting = data;
	send_on(stream, pcb);
	return ERR_OK;
}

static err_t stream_sent(void *ctx, struct tcp_pcb *pcb, u16_t len)
{
	(void)len;
	if (ctx)
		send_on(ctx, pcb);
	return ERR_OK;
}

static err_t stream_poll(void *ctx, struct tcp_pcb *pcb)
{
	return stream_sent(ctx, pcb, 0);
}

static void stream_failed(void *ctx, err_t err)
{
	struct stream *stream = ctx;

	(void)err;
	if (!stream)
		return;
	if (stream->waiting)
		pbuf_free(stream->waiting);
	mem_free(stream);
}

static err_t stream_begins(void *ctx, struct tcp_pcb *pcb, err_t err)
{
	struct stream *stream;

	(void)ctx;
	if (err || !pcb)
		return ERR_VAL;
	stream = mem_calloc(1, sizeof(*stream));
	if (!stream)
		return ERR_MEM;
	tcp_arg(pcb, stream);
	tcp_recv(pcb, stream_received);
	tcp_sent(pcb, stream_sent);
	tcp_err(pcb, stream_failed);
	tcp_poll(pcb, stream_poll, 2);
	return ERR_OK;
}

void guest_servers_start(void)
{
	struct udp_pcb *udp = udp_new_ip_type(IPADDR_TYPE_ANY);
	struct tcp_pcb *tcp = tcp_new_ip_type(IPADDR_TYPE_ANY);

	if (!udp || udp_bind(udp, IP_ANY_TYPE, ECHO_PORT) || !tcp ||
	    tcp_bind(tcp, IP_ANY_TYPE, ECHO_PORT))
		guest_fail("no servers");
	udp_recv(udp, echo_datagram, NULL);
	tcp = tcp_listen(tcp);
	if (!tcp)
		guest_fail("no server for streams");
	tcp_accept(tcp, stream_begins);
}
