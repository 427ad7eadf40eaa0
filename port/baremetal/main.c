/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The bare-metal guest: finds the host, answers its services, prints what it sees, ends when asked.
 *
 * Command line: vmbus=MAJOR.MINOR (newest version to offer), cycles=N (so many times from contact to
 * unload), quit (do not wait to be asked), disk=copy (write to all disks; disk.c), bench=… (measure the network; net_bench.c).
 */
#include <hvg/hvg_bus.h>
#include <hvg/hvg_ic.h>

#include "bm.h"

#include "hvw_guid.h"

/* Not one of the systems that have a number: type 0x7f, for no system in particular. */
#define OS_ID (1ull << 63 | 0x7full << 56)

#define SETTLE_MS 30000u

/* The last is the network's: it serves, or it measures. */
static const struct hvg_driver *drivers[] = {
	&hvg_heartbeat_driver, &hvg_shutdown_driver, &hvg_timesync_driver,
	&bm_disk_driver,       &bm_net_driver,
};
#define DRIVERS (sizeof(drivers) / sizeof(drivers[0]))

static unsigned number(const char **text)
{
	unsigned value = 0;

	while (**text >= '0' && **text <= '9')
		value = value * 10 + (unsigned)(*(*text)++ - '0');
	return value;
}

static uint32_t version_max(void)
{
	char value[16];
	const char *at = value;
	unsigned major, minor;

	if (!bm_option("vmbus", value, sizeof(value)))
		return HVP_VERSION_5_3;
	major = number(&at);
	at += *at == '.';
	minor = number(&at);
	return HVP_VERSION(major, minor);
}

static void print_device(void *ctx, const struct hvg_device_status *status)
{
	char class_id[HVW_GUID_TEXT], instance_id[HVW_GUID_TEXT];

	(void)ctx;
	hvw_guid_format(&status->info->class_id, class_id);
	hvw_guid_format(&status->info->instance_id, instance_id);
	bm_printf("device %u class %s instance %s driver %s\n", status->channel_id, class_id,
		  instance_id, status->driver ? status->driver : "none");
}

static void print_counters(struct hvg_bus *bus)
{
	struct hvg_bus_counters counters;

	hvg_bus_counters(bus, &counters);
#define PRINT(name) bm_printf(" %s=%lu", #name, counters.name);
	bm_printf("counters");
	HVG_BUS_COUNTERS(PRINT)
	bm_printf("\n");
#undef PRINT
}

/* From contact to unload; false: no bus. */
static bool serve(const struct hvg_bus_config *config, bool wait)
{
	struct hvg_bus *bus;
	int err = hvg_bus_start(config, &bus);

	if (err) {
		bm_printf("no VMBus: error %d\n", -err);
		return false;
	}
	bm_printf("connected: VMBus %u.%u\n", HVP_VERSION_MAJOR(hvg_bus_version(bus)),
		  HVP_VERSION_MINOR(hvg_bus_version(bus)));
	if (hvg_bus_settle(bus, SETTLE_MS))
		bm_printf("warning: the offers are not complete\n");
	hvg_bus_each(bus, print_device, NULL);
	bm_printf("ready\n");
	bm_net_bench();
	if (wait)
		bm_run(&bm_power_asked);
	print_counters(bus);
	hvg_bus_stop(bus);
	bm_printf("unloaded\n");
	return true;
}

void bm_main(uint32_t start_info)
{
	struct hvg_bus_config config = {
		.os_id = OS_ID,
		.drivers = drivers,
		.driver_count = DRIVERS,
	};
	char value[16];
	const char *at = value;
	unsigned cycles = 1;
	bool quit;

	bm_firmware_init(start_info);
	bm_os_init();
	bm_cpu_init();
	/* Nobody else sets the clock here. */
	hvg_timesync_implicit = true;
	bm_printf("hvis bare metal, %u processors, %lu MiB\n", bm_firmware.cpu_count,
		  (bm_firmware.ram_end - bm_firmware.ram_first) >> 20);
	config.version_max = version_max();
	if (bm_option("bench", NULL, 0))
		drivers[DRIVERS - 1] = &bm_net_bench_driver;
	quit = bm_option("quit", NULL, 0);
	if (bm_option("cycles", value, sizeof(value)))
		cycles = number(&at);
	while (cycles > 1 && serve(&config, false))
		cycles--;
	if (!serve(&config, !quit))
		bm_power_off();
	if (!quit && bm_power_action == HVOS_RESTART)
		bm_reset();
	bm_power_off();
}
