/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * User-mode networking by libslirp: the guest gets an address by DHCP, 10.0.2.15, and reaches what this machine reaches;
 * from outside it is reached by forwarded ports. No privilege is needed.
 *
 * libslirp wants its descriptors polled, and tells anew after each step which and for what. They stand in an epoll
 * set of their own, of which the loop watches the descriptor.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <hvh/hvh_net.h>
#include <hvh/hvh_server.h>
#include <slirp/libslirp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "vmm/log.h"
#include "vmm/loop.h"
#include "vmm/net/nic.h"

#define POLLS_MAX 1024

struct poll_entry {
	int fd;
	int events; /* SLIRP_POLL_* wanted */
	int found; /* and seen */
};

/* All on the loop of queue 0 once it is started. */
struct user_net {
	struct vmm_nic *nic;
	Slirp *slirp;
	struct vmm_loop *loop; /* NULL: not started */
	int epoll_fd;
	struct vmm_timer timer; /* what libslirp wants to be called for at the latest */
	struct vmm_call refresh; /* look which descriptors are to be polled */
	struct poll_entry polls[POLLS_MAX];
	unsigned poll_count;
};

struct user_timer {
	struct user_net *net;
	struct vmm_timer timer;
	SlirpTimerCb fn;
	void *ctx;
};

/* --- what libslirp needs ---------------------------------------------------------------------------- */

static ssize_t on_send_packet(const void *bytes, size_t len, void *opaque)
{
	struct user_net *net = opaque;
	const struct iovec iov = { (void *)bytes, len };
	const struct hvh_net_meta meta = { .verified = true };

	/* Without room the frame is lost, and TCP sends it again. */
	(void)vmm_nic_receive(net->nic, 0, &iov, 1, &meta);
	return (ssize_t)len;
}

static void on_guest_error(const char *message, void *opaque)
{
	struct user_net *net = opaque;

	vmm_log(HVH_LOG_DEBUG, "%s: %s", vmm_nic_name(net->nic), message);
}

static int64_t on_clock(void *opaque)
{
	(void)opaque;
	return (int64_t)vmm_now_ns();
}

static void refresh_soon(struct user_net *net)
{
	if (net->loop)
		vmm_call_post(&net->refresh);
}

static void on_timer(void *ctx)
{
	struct user_timer *timer = ctx;
	struct user_net *net = timer->net;

	timer->fn(timer->ctx);
	vmm_nic_flush(net->nic, 0);
	refresh_soon(net);
}

static void *on_timer_new(SlirpTimerCb fn, void *ctx, void *opaque)
{
	struct user_timer *timer = calloc(1, sizeof(*timer));

	/* libslirp knows no failure here, and has one timer. */
	if (!timer)
		abort();
	timer->net = opaque;
	timer->fn = fn;
	timer->ctx = ctx;
	return timer;
}

static void on_timer_free(void *handle, void *opaque)
{
	struct user_timer *timer = handle;

	(void)opaque;
	if (timer->timer.loop)
		vmm_timer_set(&timer->timer, 0);
	free(timer);
}

static void on_timer_mod(void *handle, int64_t expire_ms, void *opaque)
{
	struct user_timer *timer = handle;
	struct user_net *net = opaque;

	if (!net->loop)
		return;
	if (!timer->timer.loop)
		vmm_timer_init(&timer->timer, net->loop, on_timer, timer);
	vmm_timer_set(&timer->timer, expire_ms > 0 ? (uint64_t)expire_ms * 1000000 : 1);
}

static void on_poll_fd(int fd, void *opaque)
{
	(void)fd;
	(void)opaque;
}

static void on_notify(void *opaque)
{
	refresh_soon(opaque);
}

static const SlirpCb callbacks = {
	.send_packet = on_send_packet,
	.guest_error = on_guest_error,
	.clock_get_ns = on_clock,
	.timer_new = on_timer_new,
	.timer_free = on_timer_free,
	.timer_mod = on_timer_mod,
	.register_poll_fd = on_poll_fd,
	.unregister_poll_fd = on_poll_fd,
	.notify = on_notify,
};

/* --- descriptors ------------------------------------------------------------------------------------ */

static uint32_t to_epoll(int events)
{
	return (events & SLIRP_POLL_IN ? EPOLLIN : 0u) | (events & SLIRP_POLL_OUT ? EPOLLOUT : 0u) |
	       (events & SLIRP_POLL_PRI ? EPOLLPRI : 0u);
}

static int from_epoll(uint32_t events)
{
	return (events & EPOLLIN ? SLIRP_POLL_IN : 0) | (events & EPOLLOUT ? SLIRP_POLL_OUT : 0) |
	       (events & EPOLLPRI ? SLIRP_POLL_PRI : 0) | (events & EPOLLERR ? SLIRP_POLL_ERR : 0) |
	       (events & EPOLLHUP ? SLIRP_POLL_HUP : 0);
}

static int on_add_poll(int fd, int events, void *opaque)
{
	struct user_net *net = opaque;

	if (net->poll_count == POLLS_MAX)
		return -1;
	net->polls[net->poll_count] = (struct poll_entry){ .fd = fd, .events = events };
	return (int)net->poll_count++;
}

static int on_get_revents(int index, void *opaque)
{
	const struct user_net *net = opaque;

	return index >= 0 && (unsigned)index < net->poll_count ? net->polls[index].found : 0;
}

/* A descriptor that was closed left the set by itself, and its number may be another's now: so it is all made anew. */
static void register_polls(struct user_net *net)
{
	for (unsigned i = 0; i < net->poll_count; i++) {
		struct epoll_event event = { .events = to_epoll(net->polls[i].events),
					     .data.u32 = i };

		if (epoll_ctl(net->epoll_fd, EPOLL_CTL_MOD, net->polls[i].fd, &event) &&
		    errno == ENOENT)
			epoll_ctl(net->epoll_fd, EPOLL_CTL_ADD, net->polls[i].fd, &event);
	}
}

/* Those of the last time that are not wanted now. */
static void unregister_polls(struct user_net *net, const int *fds, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		unsigned j = 0;

		while (j < net->poll_count && net->polls[j].fd != fds[i])
			j++;
		if (j == net->poll_count)
			epoll_ctl(net->epoll_fd, EPOLL_CTL_DEL, fds[i], NULL);
	}
}

static void on_refresh(void *ctx)
{
	struct user_net *net = ctx;
	int before[POLLS_MAX];
	unsigned count = net->poll_count;
	uint32_t timeout_ms = 1000;

	for (unsigned i = 0; i < count; i++)
		before[i] = net->polls[i].fd;
	net->poll_count = 0;
	slirp_pollfds_fill(net->slirp, &timeout_ms, on_add_poll, net);
	unregister_polls(net, before, count);
	register_polls(net);
	vmm_timer_set(&net->timer, vmm_now_ns() + (uint64_t)timeout_ms * 1000000);
}

/* Something happened, or time has passed. */
static void serve(struct user_net *net)
{
	struct epoll_event events[64];
	int count = epoll_wait(net->epoll_fd, events, 64, 0);

	for (unsigned i = 0; i < net->poll_count; i++)
		net->polls[i].found = 0;
	for (int i = 0; i < count; i++)
		if (events[i].data.u32 < net->poll_count)
			net->polls[events[i].data.u32].found = from_epoll(events[i].events);
	slirp_pollfds_poll(net->slirp, 0, on_get_revents, net);
	vmm_nic_flush(net->nic, 0);
	on_refresh(net);
}

static void on_ready(void *ctx, uint32_t events)
{
	(void)events;
	serve(ctx);
}

static void on_timeout(void *ctx)
{
	serve(ctx);
}

/* --- port ------------------------------------------------------------------------------------------- */

static int add_forwards(struct user_net *net, const struct vmm_nic_config *config)
{
	struct in_addr any = { 0 }, guest;

	inet_pton(AF_INET, "10.0.2.15", &guest);
	for (unsigned i = 0; i < config->forwards; i++) {
		const struct vmm_nic_forward *forward = &config->forward[i];

		if (slirp_add_hostfwd(net->slirp, forward->udp, any, forward->host_port, guest,
				      forward->guest_port)) {
			vmm_log(HVH_LOG_ERROR, "%s: port %u cannot be forwarded: %s",
				vmm_nic_name(net->nic), forward->host_port, strerror(errno));
			return -EADDRINUSE;
		}
	}
	return 0;
}

static int user_create(struct vmm_nic *nic, const struct vmm_nic_config *config, void **port)
{
	struct user_net *net = calloc(1, sizeof(*net));
	SlirpConfig slirp = {
		.version = 1,
		.in_enabled = true,
		.in6_enabled = true,
		.vprefix_len = 64,
		.vhostname = "hvhost",
		.if_mtu = config->frame_max ? config->frame_max - 14 : 1500,
		.if_mru = config->frame_max ? config->frame_max - 14 : 1500,
	};
	int err;

	if (!net)
		return -ENOMEM;
	inet_pton(AF_INET, "10.0.2.0", &slirp.vnetwork);
	inet_pton(AF_INET, "255.255.255.0", &slirp.vnetmask);
	inet_pton(AF_INET, "10.0.2.2", &slirp.vhost);
	inet_pton(AF_INET, "10.0.2.15", &slirp.vdhcp_start);
	inet_pton(AF_INET, "10.0.2.3", &slirp.vnameserver);
	inet_pton(AF_INET6, "fec0::", &slirp.vprefix_addr6);
	inet_pton(AF_INET6, "fec0::2", &slirp.vhost6);
	inet_pton(AF_INET6, "fec0::3", &slirp.vnameserver6);
	net->nic = nic;
	net->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	net->slirp = net->epoll_fd < 0 ? NULL : slirp_new(&slirp, &callbacks, net);
	if (!net->slirp) {
		vmm_log(HVH_LOG_ERROR, "%s: user-mode networking cannot be started",
			vmm_nic_name(nic));
		err = -ENOMEM;
		goto err_epoll;
	}
	err = add_forwards(net, config);
	if (err)
		goto err_slirp;
	*port = net;
	return 0;

err_slirp:
	slirp_cleanup(net->slirp);
err_epoll:
	if (net->epoll_fd >= 0)
		close(net->epoll_fd);
	free(net);
	return err;
}

static void user_destroy(void *port)
{
	struct user_net *net = port;

	net->loop = NULL;
	slirp_cleanup(net->slirp);
	close(net->epoll_fd);
	free(net);
}

static void user_start(void *port, struct vmm_loop *loop)
{
	struct user_net *net = port;

	net->loop = loop;
	vmm_timer_init(&net->timer, loop, on_timeout, net);
	vmm_call_init(&net->refresh, loop, on_refresh, net);
	if (vmm_loop_add(loop, net->epoll_fd, EPOLLIN, on_ready, net))
		vmm_log(HVH_LOG_ERROR, "%s: user-mode networking cannot be watched",
			vmm_nic_name(net->nic));
	on_refresh(net);
}

static void user_stop(void *port)
{
	struct user_net *net = port;

	vmm_loop_remove(net->loop, net->epoll_fd);
	vmm_timer_set(&net->timer, 0);
	vmm_call_cancel(&net->refresh);
	net->loop = NULL;
}

static int user_send(void *port, unsigned queue, const struct iovec *iov, unsigned iovs,
		     const struct hvh_net_meta *meta)
{
	struct user_net *net = port;
	uint8_t frame[65536];
	size_t len = 0;

	(void)queue;
	(void)meta;
	/* libslirp takes a frame in one piece, and looks at it more than once. */
	for (unsigned i = 0; i < iovs; i++) {
		if (iov[i].iov_len > sizeof(frame) - len)
			return -EMSGSIZE;
		memcpy(frame + len, iov[i].iov_base, iov[i].iov_len);
		len += iov[i].iov_len;
	}
	slirp_input(net->slirp, frame, (int)len);
	vmm_nic_flush(net->nic, 0);
	refresh_soon(net);
	return 0;
}

const struct vmm_net_port_ops vmm_net_user = {
	.create = user_create,
	.destroy = user_destroy,
	.start = user_start,
	.stop = user_stop,
	.send = user_send,
};
