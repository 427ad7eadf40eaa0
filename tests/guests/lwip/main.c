/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Connects, serves until the host asks it to power off; and what lwIP asks of a system.
 */
#include <stdarg.h>

#include <hvg/hvg_bus.h>
#include <hvg/hvg_ic.h>
#include <lwip/init.h>
#include <lwip/sys.h>
#include <lwip/timeouts.h>

#include "guest.h"
#include "port/baremetal/bm.h"

/* Not one of the systems that have a number: type 0x7f, for no system in particular. */
#define OS_ID (1ull << 63 | 0x7full << 56)

#define SETTLE_MS  30000u
#define TIMEOUT_NS 10000000ull

/* --- for lwIP ------------------------------------------------------------------------------------------- */

/* Numbers of ports, transactions and segments: nobody here guesses them. */
uint32_t guest_random(void)
{
	static uint32_t state;

	state = (state ? state : (uint32_t)hvos_now_ns() | 1) * 1664525u + 1013904223u;
	return state >> 8;
}

void guest_print(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	bm_vprintf(format, args);
	va_end(args);
}

void guest_fail(const char *why)
{
	bm_printf("failed: %s\n", why);
	bm_halt();
}

u32_t sys_now(void)
{
	return (u32_t)(hvos_now_ns() / 1000000);
}

/* --- its timers ------------------------------------------------------------------------------------------- */

static struct hvos_timer timer;
static struct hvos_work timer_work;

static void timer_due(void *ctx)
{
	(void)ctx;
	hvos_work_queue(&timer_work);
}

static void check_timeouts(void *ctx)
{
	(void)ctx;
	sys_check_timeouts();
	hvos_timer_arm(&timer, hvos_now_ns() + TIMEOUT_NS);
}

/* --- life ------------------------------------------------------------------------------------------------- */

static const struct hvg_driver *const drivers[] = {
	&hvg_heartbeat_driver,
	&hvg_shutdown_driver,
	&hvg_timesync_driver,
	&guest_nic_driver,
};

void bm_main(uint32_t start_info)
{
	const struct hvg_bus_config config = {
		.os_id = OS_ID,
		.drivers = drivers,
		.driver_count = sizeof(drivers) / sizeof(drivers[0]),
		.version_max = HVP_VERSION_5_3,
	};
	struct hvg_bus_counters counters;
	struct hvg_bus *bus;
	int err;

	bm_firmware_init(start_info);
	bm_os_init();
	bm_cpu_init();
	lwip_init();
	bm_printf("hvis bare metal with lwIP %s\n", LWIP_VERSION_STRING);
	err = hvg_bus_start(&config, &bus);
	if (err) {
		bm_printf("no VMBus: error %d\n", -err);
		bm_power_off();
	}
	hvos_timer_init(&timer, timer_due, NULL);
	hvos_work_init(&timer_work, check_timeouts, NULL);
	hvos_work_queue(&timer_work);
	if (hvg_bus_settle(bus, SETTLE_MS))
		bm_printf("warning: the offers are not complete\n");
	bm_printf("ready\n");
	bm_run(&bm_power_asked);
	hvos_timer_stop(&timer);
	hvos_work_fini(&timer_work);
	hvg_bus_counters(bus, &counters);
	hvg_bus_stop(bus);
	bm_printf("unloaded, lost pages %lu\n", counters.lost_pages);
	bm_power_off();
}
