/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * One measurement of the guest core on port/user, against libhvis-host in the same process, for bench/chan:
 *
 *   chan_run echo LEN MESSAGES WINDOW   so many messages there and back, WINDOW of them on their way at once;
 *                                       prints nanoseconds for each, from before the first to after the last
 *   chan_run start 0|1                  makes the host; 1: starts the bus and waits until all devices are
 *                                       attached. Leaves without a stop, for a tool that counts
 *   chan_run memory                     prints bytes of the bus without devices, and of a device with its channel
 *
 * The payload is a pattern; the length and number of what comes back are compared.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "fuzz/threaded_host.h"
#include "hvg/hvg_bus.h"
#include "hvg/hvg_ic.h"

#define CPUS	   2u
#define RING_PAGES 32u
#define WAIT_MS	   60000u
#define BUDGET	   64u

static struct {
	struct hvg_chan *chan;
	struct hvos_work work;
	struct hvos_event done;
	uint64_t messages, window;
	uint64_t sent, received; /* the work's */
	uint32_t len;
	uint8_t out[ECHO_PACKET_MAX], in[ECHO_PACKET_MAX];
} echo;

/* --- the driver ---------------------------------------------------------------------------------------- */

static void send(void)
{
	while (echo.sent < echo.messages && echo.sent - echo.received < echo.window) {
		int err = hvg_chan_send(echo.chan, 0, echo.sent, echo.out, echo.len);

		if (err == -EAGAIN)
			return;
		if (err)
			bench_fail("send: error %d", -err);
		echo.sent++;
	}
}

static bool receive(void)
{
	struct hvw_rx_packet packet;
	unsigned left;

	for (left = BUDGET; left; left--) {
		int err = hvg_chan_next(echo.chan, &packet);

		if (err && err != -EAGAIN)
			bench_fail("receive: error %d", -err);
		if (err)
			break;
		if (packet.h.transaction_id != echo.received || packet.payload_len < echo.len ||
		    hvg_chan_copy(echo.chan, &packet, packet.header_len, echo.in, echo.len))
			bench_fail("not the packet that was expected");
		echo.received++;
	}
	hvg_chan_release(echo.chan);
	return !left;
}

static void run(void *ctx)
{
	bool more;

	(void)ctx;
	hvg_chan_mask(echo.chan);
	more = receive();
	send();
	if (!more)
		more = hvg_chan_unmask(echo.chan);
	if (echo.received == echo.messages)
		hvos_event_set(&echo.done);
	else if (more)
		hvos_work_queue(&echo.work);
}

static void signalled(void *ctx)
{
	(void)ctx;
	hvos_work_queue(&echo.work);
}

static int attach(struct hvg_device *device)
{
	const struct hvg_chan_config config = {
		.send_pages = RING_PAGES,
		.receive_pages = RING_PAGES,
		.cpu = 1,
		.signalled = signalled,
	};

	/* One of the devices carries the traffic. */
	if (echo.chan)
		return -ENODEV;
	hvos_work_init(&echo.work, run, NULL);
	echo.chan = hvg_device_chan(device);
	return hvg_chan_open(echo.chan, &config);
}

static void detach(struct hvg_device *device)
{
	(void)device;
	hvos_work_fini(&echo.work);
	hvg_chan_close(echo.chan);
}

static const struct hvg_driver echo_driver = {
	.name = "echo",
	.class_id = { { 0xec } },
	.attach = attach,
	.detach = detach,
};

static const struct hvg_driver *const all_drivers[] = {
	&echo_driver,
	&hvg_heartbeat_driver,
	&hvg_shutdown_driver,
	&hvg_timesync_driver,
};

/* --- the two ends ----------------------------------------------------------------------------------------- */

static struct threaded_host *host;
static struct user_config user;

static void no_log(enum hvos_level level, const char *line)
{
	(void)level;
	(void)line;
}

static void make(void)
{
	const struct threaded_host_config config = {
		.cpus = CPUS,
		.version_max = HVP_VERSION_5_3,
		.ram_bytes = 8u << 20,
	};

	user.log = no_log;
	host = threaded_host_create(&config, &user);
	if (user_start(&user))
		bench_fail("no threads");
	hvos_event_init(&echo.done);
}

static struct hvg_bus *start(unsigned drivers)
{
	const struct hvg_bus_config config = {
		.os_id = 1ull << 63,
		.version_max = HVP_VERSION_5_3,
		.drivers = all_drivers,
		.driver_count = drivers,
	};
	struct hvg_bus *bus;

	if (hvg_bus_start(&config, &bus) || hvg_bus_settle(bus, WAIT_MS))
		bench_fail("the bus does not start");
	return bus;
}

static void unmake(struct hvg_bus *bus)
{
	hvg_bus_stop(bus);
	threaded_host_stop(host);
	hvos_event_fini(&echo.done);
	if (user_stop() || threaded_host_destroy(host))
		bench_fail("something is left");
}

/* --- measurements ------------------------------------------------------------------------------------------ */

static void measure_echo(uint32_t len, uint64_t messages, uint64_t window)
{
	struct hvg_bus *bus;
	uint64_t begin;

	if (!len || len > ECHO_PACKET_MAX || !messages || !window)
		bench_fail("usage: chan_run echo LEN MESSAGES WINDOW");
	echo.len = len;
	echo.messages = messages;
	echo.window = window;
	memset(echo.out, 0x5a, sizeof(echo.out));
	make();
	bus = start(1);
	begin = bench_now_ns();
	hvos_work_queue(&echo.work);
	if (hvos_event_wait(&echo.done, 10 * WAIT_MS))
		bench_fail("%llu of %llu messages came back", (unsigned long long)echo.received,
			   (unsigned long long)messages);
	printf("%.1f\n", (double)(bench_now_ns() - begin) / (double)messages);
	unmake(bus);
}

static void measure_start(bool wanted)
{
	make();
	if (wanted)
		(void)start(sizeof(all_drivers) / sizeof(all_drivers[0]));
	/* Nothing that belongs to the end is counted. */
	fflush(stdout);
	_exit(0);
}

/* A device that no driver serves is taken away: what that gives back it had. */
static void measure_memory(void)
{
	struct user_usage with, without;
	struct hvg_bus *bus;
	unsigned waited_ms;

	make();
	bus = start(1);
	user_usage(&with);
	threaded_host_turn(host, THREADED_ECHOES - 1);
	for (waited_ms = 0; user_usage(&without), without.allocations + 2 > with.allocations;
	     waited_ms++) {
		if (waited_ms == WAIT_MS)
			bench_fail("the device does not go");
		hvos_sleep_ms(1);
	}
	printf("%llu %llu\n",
	       (unsigned long long)(with.bytes - THREADED_DEVICES * (with.bytes - without.bytes)),
	       (unsigned long long)(with.bytes - without.bytes));
	unmake(bus);
}

int main(int argc, char **argv)
{
	if (argc == 5 && !strcmp(argv[1], "echo"))
		measure_echo((uint32_t)strtoul(argv[2], NULL, 10), strtoull(argv[3], NULL, 10),
			     strtoull(argv[4], NULL, 10));
	else if (argc == 3 && !strcmp(argv[1], "start"))
		measure_start(argv[2][0] == '1');
	else if (argc == 2 && !strcmp(argv[1], "memory"))
		measure_memory();
	else
		bench_fail("usage: chan_run echo LEN MESSAGES WINDOW | start 0|1 | memory");
	return 0;
}
