/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The link. What the host says of it is shown to the system one by one and with time in between, so that a
 * short interruption is seen as one.
 */
#include "net_priv.h"

#define NS_PER_MS 1000000u

_Static_assert(HVG_NET_LINK_MS < 4000u, "what is left of it has 32 bits, in nanoseconds");

int hvg_net_link_query(struct hvg_net *net)
{
	uint32_t value, len = sizeof(value);
	int err = hvg_net_rndis_query(net, HVP_OID_GEN_MEDIA_CONNECT_STATUS, NULL, 0, &value, &len);

	if (!err && len != sizeof(value))
		err = -EPROTO;
	/* A host that does not say so has one. */
	if (err && err != -EIO)
		return err;
	__atomic_store_n(&net->link, err || value == HVP_MEDIA_CONNECTED, __ATOMIC_RELAXED);
	len = sizeof(value);
	err = hvg_net_rndis_query(net, HVP_OID_GEN_LINK_SPEED, NULL, 0, &value, &len);
	if (!err && len == sizeof(value))
		__atomic_store_n(&net->speed, value, __ATOMIC_RELAXED);
	return err == -EIO ? 0 : err;
}

void hvg_net_link_event(struct hvg_net *net, enum hvg_net_link_event event)
{
	uint32_t tail = net->link_tail;

	/* Too many to remember: in the end the host is asked. */
	if (tail - __atomic_load_n(&net->link_head, __ATOMIC_ACQUIRE) >= HVG_NET_LINK_EVENTS) {
		hvg_net_todo(net, HVG_NET_TODO_ASK, HVG_NET_LINK_MS);
		return;
	}
	net->link_events[tail % HVG_NET_LINK_EVENTS] = (uint8_t)event;
	__atomic_store_n(&net->link_tail, tail + 1, __ATOMIC_RELEASE);
	hvg_net_todo(net, HVG_NET_TODO_LINK, 0);
}

static void set_link(struct hvg_net *net, bool up)
{
	__atomic_store_n(&net->link, up, __ATOMIC_RELAXED);
	hvg_net_port_changed(net->port, HVG_NET_LINK);
}

static void show(struct hvg_net *net, enum hvg_net_link_event event)
{
	switch (event) {
	case HVG_NET_LINK_UP:
		if (hvg_net_link(net))
			hvg_net_port_changed(net->port, HVG_NET_PEERS);
		else
			set_link(net, true);
		break;
	case HVG_NET_LINK_DOWN:
		if (hvg_net_link(net))
			set_link(net, false);
		break;
	case HVG_NET_LINK_MOVED:
		/* Away and back, for whoever asks for a new address then. */
		if (!hvg_net_link(net))
			break;
		set_link(net, false);
		net->link_back = true;
		break;
	}
}

/* The next event; false: there is none. */
static bool next_event(struct hvg_net *net, enum hvg_net_link_event *event)
{
	uint32_t head = net->link_head;

	if (net->link_back) {
		net->link_back = false;
		*event = HVG_NET_LINK_UP;
		return true;
	}
	if (head == __atomic_load_n(&net->link_tail, __ATOMIC_ACQUIRE))
		return false;
	*event = (enum hvg_net_link_event)net->link_events[head % HVG_NET_LINK_EVENTS];
	__atomic_store_n(&net->link_head, head + 1, __ATOMIC_RELEASE);
	return true;
}

static void ask_again(struct hvg_net *net)
{
	const bool before = hvg_net_link(net);

	if (hvg_net_link_query(net))
		return;
	if (hvg_net_link(net) != before)
		hvg_net_port_changed(net->port, HVG_NET_LINK);
}

void hvg_net_link_work(struct hvg_net *net, uint32_t todo)
{
	const uint64_t now_ns = hvos_now_ns();
	enum hvg_net_link_event event;

	if (todo & HVG_NET_TODO_SPEED)
		hvg_net_port_changed(net->port, HVG_NET_SPEED);
	net->link_ask |= (todo & HVG_NET_TODO_ASK) != 0;
	if (now_ns < net->link_next_ns) {
		/* Of 32 bits, for kernels that cannot divide longer ones. */
		const uint32_t left_ns = (uint32_t)(net->link_next_ns - now_ns);

		hvg_net_todo(net, HVG_NET_TODO_LINK, left_ns / NS_PER_MS + 1);
		return;
	}
	if (!next_event(net, &event)) {
		/* Behind all that was remembered. */
		if (net->link_ask)
			ask_again(net);
		net->link_ask = false;
		return;
	}
	show(net, event);
	net->link_next_ns = now_ns + (uint64_t)HVG_NET_LINK_MS * NS_PER_MS;
	/* For the next one, or to see that there is none. */
	hvg_net_todo(net, HVG_NET_TODO_LINK, HVG_NET_LINK_MS);
}

bool hvg_net_link(const struct hvg_net *net)
{
	return __atomic_load_n(&net->link, __ATOMIC_RELAXED);
}

uint32_t hvg_net_speed(const struct hvg_net *net)
{
	return __atomic_load_n(&net->speed, __ATOMIC_RELAXED);
}
