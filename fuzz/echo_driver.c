/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "fuzz/echo_driver.h"

#define PACKET_MAX 2048u
#define BUDGET	   32u /* packets in one run of the work */
#define STEP_MS	   2u

/* Keys: (c) const after attach, (m) its mutex, (w) its work, (a) atomic, (g) the mutex of all. */
struct echo {
	struct hvg_chan *chan; /* (c) */
	struct hvos_work work; /* runs while it is open */
	struct hvos_mutex mutex;
	bool open; /* (m) */
	bool away; /* (m) suspended or about to be detached: nobody opens it */
	unsigned users; /* (g) threads that have it in their hands */
	uint64_t wanted; /* (a) packets to send since the open */
	uint64_t sent; /* (w) */
	uint64_t received; /* (a) written by the work */
	uint8_t out[PACKET_MAX], in[PACKET_MAX]; /* (w) */
};

static struct {
	struct hvos_mutex mutex;
	struct echo *echoes[ECHO_DRIVER_CHANNELS]; /* (g) from the first place on */
	unsigned count; /* (g) */
	uint32_t packet_max; /* (c) */
	uint64_t attached, received, faults; /* (a) */
} all;

static void add(uint64_t *counter, uint64_t by)
{
	__atomic_fetch_add(counter, by, __ATOMIC_RELAXED);
}

static uint64_t get(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_ACQUIRE);
}

/* --- traffic ------------------------------------------------------------------------------------------ */

static uint32_t len_of(uint64_t number)
{
	return 1 + (uint32_t)(number * 2654435761u >> 7) % all.packet_max;
}

static void fill(uint8_t *bytes, uint64_t number, uint32_t len)
{
	uint32_t i;

	for (i = 0; i < len; i++)
		bytes[i] = (uint8_t)(number + i * 7u);
}

static void take(struct echo *echo, const struct hvw_rx_packet *packet)
{
	uint64_t number = echo->received;
	uint32_t len = len_of(number), i;

	/* What came has been padded to 8 bytes on its way. */
	if (packet->h.type != HVP_PACKET_INBAND || packet->h.transaction_id != number ||
	    packet->payload_len != ((len + 7u) & ~7u) ||
	    hvg_chan_copy(echo->chan, packet, packet->header_len, echo->in, len)) {
		hvos_log(HVOS_ERROR, "echo: not the packet that was expected");
		add(&all.faults, 1);
		return;
	}
	for (i = 0; i < len; i++)
		if (echo->in[i] != (uint8_t)(number + i * 7u)) {
			hvos_log(HVOS_ERROR, "echo: wrong bytes");
			add(&all.faults, 1);
			return;
		}
}

/* Packets to take are left: true. */
static bool receive(struct echo *echo)
{
	struct hvw_rx_packet packet;
	unsigned left;
	int err = 0;

	for (left = BUDGET; left && !err; left--) {
		err = hvg_chan_next(echo->chan, &packet);
		if (err)
			break;
		take(echo, &packet);
		hvg_chan_release(echo->chan);
		__atomic_store_n(&echo->received, echo->received + 1, __ATOMIC_RELEASE);
		add(&all.received, 1);
	}
	if (err && err != -EAGAIN && err != -ENODEV)
		add(&all.faults, 1);
	return !err;
}

/* There is something to send, and room: true. */
static bool send(struct echo *echo)
{
	unsigned left;

	for (left = BUDGET; left; left--) {
		uint32_t len = len_of(echo->sent);
		int err;

		if (echo->sent >= get(&echo->wanted))
			return false;
		fill(echo->out, echo->sent, len);
		err = hvg_chan_send(echo->chan, 0, echo->sent, echo->out, len);
		if (err && err != -EAGAIN && err != -ENODEV)
			add(&all.faults, 1);
		if (err)
			return false;
		echo->sent++;
	}
	return true;
}

static void run(void *ctx)
{
	struct echo *echo = ctx;
	bool more;

	hvg_chan_mask(echo->chan);
	more = send(echo);
	more |= receive(echo);
	if (!more)
		more = hvg_chan_unmask(echo->chan);
	if (more)
		hvos_work_queue(&echo->work);
}

static void signalled(void *ctx)
{
	struct echo *echo = ctx;

	hvos_work_queue(&echo->work);
}

/* --- open and close, with its mutex --------------------------------------------------------------------- */

static int open_echo(struct echo *echo, uint32_t number)
{
	const struct hvg_chan_config config = {
		.send_pages = 2 + number % 5,
		.receive_pages = 2 + number / 5 % 5,
		.cpu = number / 25 % hvos_cpu_count(),
		.signalled = signalled,
		.ctx = echo,
	};
	int err;

	if (echo->open || echo->away)
		return 0;
	echo->wanted = echo->sent = echo->received = 0;
	hvos_work_init(&echo->work, run, echo);
	err = hvg_chan_open(echo->chan, &config);
	if (err)
		hvos_work_fini(&echo->work);
	else
		echo->open = true;
	return err;
}

static void close_echo(struct echo *echo)
{
	if (!echo->open)
		return;
	hvos_work_fini(&echo->work);
	hvg_chan_close(echo->chan);
	echo->open = false;
}

/* The host may have made something of them, so they are never freed before it has let go. */
static int share(struct echo *echo, uint32_t pages)
{
	struct hvos_shared shared;
	uint32_t handle;
	int err = hvos_shared_alloc(&shared, pages);

	if (err)
		return 0;
	err = hvg_chan_share(echo->chan, &shared, &handle);
	if (err == -ETIMEDOUT || (!err && hvg_chan_unshare(echo->chan, handle)))
		hvos_shared_lose(&shared);
	else
		err = hvos_shared_free(&shared) ? -EIO : err;
	return err;
}

static int act(struct echo *echo, enum echo_action action, uint32_t number)
{
	if (action == ECHO_OPEN)
		return open_echo(echo, number);
	if (!echo->open)
		return 0;
	switch (action) {
	case ECHO_SEND:
		add(&echo->wanted, number);
		hvos_work_queue(&echo->work);
		return 0;
	case ECHO_SET_CPU:
		return hvg_chan_set_cpu(echo->chan, number % hvos_cpu_count());
	case ECHO_SHARE:
		return share(echo, 1 + number);
	default:
		close_echo(echo);
		return 0;
	}
}

/* --- from other threads ---------------------------------------------------------------------------------- */

static struct echo *hold(unsigned which)
{
	struct echo *echo = NULL;

	hvos_mutex_lock(&all.mutex);
	if (all.count) {
		echo = all.echoes[which % all.count];
		echo->users++;
	}
	hvos_mutex_unlock(&all.mutex);
	return echo;
}

static void let_go(struct echo *echo)
{
	hvos_mutex_lock(&all.mutex);
	echo->users--;
	hvos_mutex_unlock(&all.mutex);
}

int echo_driver_do(unsigned which, enum echo_action action, uint32_t number)
{
	struct echo *echo = hold(which);
	int err;

	if (!echo)
		return -ENOENT;
	hvos_mutex_lock(&echo->mutex);
	err = act(echo, action, number);
	hvos_mutex_unlock(&echo->mutex);
	let_go(echo);
	return err;
}

static int settle(struct echo *echo, uint32_t timeout_ms)
{
	uint64_t end_ns = hvos_now_ns() + timeout_ms * 1000000ull;
	int err = open_echo(echo, 0);

	while (!err && get(&echo->received) < get(&echo->wanted)) {
		if (hvg_chan_revoked(echo->chan))
			err = -ENODEV;
		else if (hvos_now_ns() > end_ns)
			err = -ETIMEDOUT;
		hvos_sleep_ms(STEP_MS);
	}
	return err;
}

int echo_driver_settle(uint32_t timeout_ms)
{
	unsigned i;
	int err = 0;

	for (i = 0; i < ECHO_DRIVER_CHANNELS && !err; i++) {
		struct echo *echo = hold(i);

		if (!echo)
			return 0;
		hvos_mutex_lock(&echo->mutex);
		err = settle(echo, timeout_ms);
		hvos_mutex_unlock(&echo->mutex);
		let_go(echo);
	}
	return err;
}

void echo_driver_stats(struct echo_driver_stats *stats)
{
	hvos_mutex_lock(&all.mutex);
	stats->channels = all.count;
	hvos_mutex_unlock(&all.mutex);
	stats->attached = get(&all.attached);
	stats->received = get(&all.received);
	stats->faults = get(&all.faults);
}

/* --- the driver ------------------------------------------------------------------------------------------- */

static int make_echo(struct hvg_chan *chan, struct echo **out)
{
	struct echo *echo = hvos_alloc(sizeof(*echo));
	int err;

	if (!echo)
		return -ENOMEM;
	echo->chan = chan;
	hvos_mutex_init(&echo->mutex, "echo");
	hvos_mutex_lock(&echo->mutex);
	err = open_echo(echo, (uint32_t)get(&all.attached));
	hvos_mutex_unlock(&echo->mutex);
	if (err) {
		hvos_mutex_fini(&echo->mutex);
		hvos_free(echo);
		return err;
	}
	add(&all.attached, 1);
	hvos_mutex_lock(&all.mutex);
	all.echoes[all.count++] = echo;
	hvos_mutex_unlock(&all.mutex);
	*out = echo;
	return 0;
}

static void put_away(struct echo *echo)
{
	hvos_mutex_lock(&echo->mutex);
	close_echo(echo);
	echo->away = true;
	hvos_mutex_unlock(&echo->mutex);
}

/* True: nobody has it any more, and nobody gets it. */
static bool remove_echo(struct echo *echo)
{
	unsigned i;
	bool unused;

	hvos_mutex_lock(&all.mutex);
	for (i = 0; i < all.count && all.echoes[i] != echo; i++)
		;
	if (i < all.count)
		all.echoes[i] = all.echoes[--all.count];
	unused = !echo->users;
	hvos_mutex_unlock(&all.mutex);
	return unused;
}

static void drop_echo(struct echo *echo)
{
	put_away(echo);
	while (!remove_echo(echo))
		hvos_sleep_ms(STEP_MS);
	hvos_mutex_fini(&echo->mutex);
	hvos_free(echo);
}

static int attach(struct hvg_device *device)
{
	struct echo *echo;
	int err = make_echo(hvg_device_chan(device), &echo);

	if (!err)
		hvg_device_set_data(device, echo);
	return err;
}

static void detach(struct hvg_device *device)
{
	drop_echo(hvg_device_data(device));
}

static void subchannel(struct hvg_device *device, struct hvg_chan *chan)
{
	struct echo *echo;

	(void)device;
	/* One that cannot be opened is none of the driver's; it is told when that goes. */
	(void)!make_echo(chan, &echo);
}

static void subchannel_gone(struct hvg_device *device, struct hvg_chan *chan)
{
	struct echo *echo = NULL;
	unsigned i;

	(void)device;
	hvos_mutex_lock(&all.mutex);
	for (i = 0; i < all.count; i++)
		if (all.echoes[i]->chan == chan)
			echo = all.echoes[i];
	hvos_mutex_unlock(&all.mutex);
	if (echo)
		drop_echo(echo);
}

static int suspend(struct hvg_device *device)
{
	put_away(hvg_device_data(device));
	return 0;
}

static int resume(struct hvg_device *device)
{
	struct echo *echo = hvg_device_data(device);
	int err;

	hvos_mutex_lock(&echo->mutex);
	echo->away = false;
	err = open_echo(echo, 7);
	hvos_mutex_unlock(&echo->mutex);
	return err;
}

const struct hvg_driver echo_driver = {
	.name = "echo",
	.class_id = { { 0xec } },
	.attach = attach,
	.detach = detach,
	.subchannel = subchannel,
	.subchannel_gone = subchannel_gone,
	.suspend = suspend,
	.resume = resume,
};

void echo_driver_init(uint32_t packet_max)
{
	hvos_mutex_init(&all.mutex, "echoes");
	all.packet_max = packet_max < PACKET_MAX ? packet_max : PACKET_MAX;
	all.count = 0;
	all.attached = all.received = all.faults = 0;
}

void echo_driver_fini(void)
{
	hvos_mutex_fini(&all.mutex);
}
