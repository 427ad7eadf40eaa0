/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Opens every channel that is offered, says so, and then does as it is told on the serial line, one letter an order. Leaves
 * as no kernel would: with rings open, packets in them, and without a word.
 *
 *   r	restart by the ACPI reset register
 *   m	restart by the hypervisor's reset register
 *   c	contact again, and open everything again, without UNLOAD
 *   u	UNLOAD first, then the same
 *   q	power off
 */
#include "bus.h"
#include "hv.h"

#define RESET_NOW 1

#define COM1	    0x3f8
#define LINE_STATUS (COM1 + 5)
#define RECEIVED    0x01

char orders_read(void)
{
	while (!(bm_in8(LINE_STATUS) & RECEIVED))
		time_wait(TICKS_PER_MS);
	return (char)bm_in8(COM1);
}

static void connect_all(void)
{
	if (!bus_connect(HVP_VERSION_5_3))
		tap_bail_out("no connection");
	for (unsigned i = 0; i < bus_channel_count; i++)
		if (!bus_open(&bus_channels[i].offer.class_id, 0))
			tap_bail_out("channel %u does not open", bus_channels[i].offer.channel_id);
	bm_printf("guest: channels %u\n", bus_channel_count);
}

static void obey(char order)
{
	switch (order) {
	case 'r':
		bm_reset();
	case 'm':
		hvg_arch_set(HVP_MSR_RESET, RESET_NOW);
		break;
	case 'u':
		if (!bus_disconnect())
			tap_bail_out("no answer to UNLOAD");
		connect_all();
		break;
	case 'c':
		connect_all();
		break;
	case 'q':
		bm_power_off();
	}
}

void orders_run(void)
{
	hv_init();
	cpu_run_all(hv_init_cpu, NULL);
	hv_synic_on(NULL);
	connect_all();
	for (;;)
		obey(orders_read());
}
