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
#include "bare.h"
#include "bus.h"
#include "cpu.h"
#include "hv.h"

#define RESET_NOW 1

static void connect_all(void)
{
	if (!bus_connect(HVP_VERSION_5_3))
		machine_fail("no connection");
	for (unsigned i = 0; i < bus_channel_count; i++)
		if (!bus_open(&bus_channels[i].offer.class_id, 0))
			machine_fail("channel %u does not open", bus_channels[i].offer.channel_id);
	con_printf("guest: channels %u\n", bus_channel_count);
}

static void obey(char order)
{
	switch (order) {
	case 'r':
		machine_restart();
	case 'm':
		cpu_wrmsr(HVP_MSR_RESET, RESET_NOW);
		break;
	case 'u':
		if (!bus_disconnect())
			machine_fail("no answer to UNLOAD");
		connect_all();
		break;
	case 'c':
		connect_all();
		break;
	case 'q':
		machine_power_off();
	}
}

void orders_run(void)
{
	hv_init();
	smp_run_all(hv_init_cpu, NULL);
	hv_synic_on(NULL);
	connect_all();
	for (;;)
		obey(con_read());
}
