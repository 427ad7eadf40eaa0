/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <errno.h>

#include "tap.h"
#include "vmm/loop.h"
#include "vmm/pio.h"
#include "vmm/pm.h"

#define PORT 0x600

static struct vmm_pm *pm;
static struct vmm_pio pio;
static int sci;
static unsigned power_offs, resets;

static void on_sci(void *ctx, int level)
{
	(void)ctx;
	TAP_CHECK(sci != level);
	sci = level;
}

static void on_power_off(void *ctx)
{
	(void)ctx;
	power_offs++;
}

static void on_reset(void *ctx)
{
	(void)ctx;
	resets++;
}

static const struct vmm_pm_ops ops = { on_sci, on_power_off, on_reset };

static bool set_up(void)
{
	struct vmm_pio_range range = { .first = PORT,
				       .count = VMM_PM_PORTS,
				       .width = 4,
				       .read = vmm_pm_read,
				       .write = vmm_pm_write };

	sci = 0;
	power_offs = resets = 0;
	vmm_pio_init(&pio);
	if (vmm_pm_create(&ops, NULL, &pm))
		return false;
	range.ctx = pm;
	return vmm_pio_add(&pio, &range) == 0;
}

static uint32_t in(unsigned port, unsigned size)
{
	uint32_t value = 0;

	vmm_pio_access(&pio, (uint16_t)port, false, size, (uint8_t *)&value, 1);
	return value;
}

static void out(unsigned port, unsigned size, uint32_t value)
{
	vmm_pio_access(&pio, (uint16_t)port, true, size, (uint8_t *)&value, 1);
}

TAP_TEST(power_button_reaches_a_guest_that_listens)
{
	TAP_REQUIRE(set_up());
	TAP_CHECK(!vmm_pm_power_button(pm));
	TAP_EQ(in(PORT, 2), 0);
	out(PORT + 2, 2, 0x0100);
	TAP_CHECK(vmm_pm_power_button(pm));
	TAP_EQ(sci, 1);
	TAP_EQ(in(PORT, 2), 0x0100);
	out(PORT, 2, 0x0100);
	TAP_EQ(sci, 0);
	TAP_EQ(in(PORT, 4), 0x01000000);
	vmm_pm_destroy(pm);
}

TAP_TEST(writing_status_leaves_enable_alone_and_the_other_way_round)
{
	TAP_REQUIRE(set_up());
	out(PORT + 3, 1, 0x01);
	TAP_EQ(in(PORT + 2, 2), 0x0100);
	TAP_CHECK(vmm_pm_power_button(pm));
	out(PORT + 2, 2, 0);
	TAP_EQ(in(PORT, 2), 0x0100);
	TAP_EQ(sci, 0);
	out(PORT + 2, 2, 0xffff);
	TAP_EQ(in(PORT + 2, 2), 0x0721);
	TAP_EQ(sci, 1);
	vmm_pm_reset(pm);
	TAP_EQ(sci, 0);
	vmm_pm_destroy(pm);
}

TAP_TEST(only_sleep_states_s4_and_s5_power_off)
{
	TAP_REQUIRE(set_up());
	TAP_EQ(in(PORT + 4, 2), 1);
	out(PORT + 4, 2, 5 << 10);
	TAP_EQ(power_offs, 0);
	out(PORT + 4, 2, 1 << 13 | 3 << 10);
	TAP_EQ(power_offs, 0);
	out(PORT + 4, 2, 1 << 13 | 5 << 10);
	TAP_EQ(power_offs, 1);
	TAP_EQ(in(PORT + 4, 2) & 0x2000, 0);
	out(PORT + 4, 2, 1 << 13 | 4 << 10);
	TAP_EQ(power_offs, 2);
	vmm_pm_destroy(pm);
}

TAP_TEST(reset_register_wants_its_value)
{
	TAP_REQUIRE(set_up());
	out(PORT + VMM_PM_RESET, 1, 0);
	TAP_EQ(resets, 0);
	out(PORT + VMM_PM_RESET, 1, VMM_PM_RESET_VALUE);
	TAP_EQ(resets, 1);
	vmm_pm_destroy(pm);
}

TAP_TEST(timer_runs_at_its_frequency)
{
	uint64_t before_ns, after_ns;
	uint32_t first, ticks;

	TAP_REQUIRE(set_up());
	before_ns = vmm_now_ns();
	first = in(PORT + VMM_PM_TIMER, 4);
	while (vmm_now_ns() - before_ns < 5000000)
		;
	ticks = in(PORT + VMM_PM_TIMER, 4) - first;
	after_ns = vmm_now_ns();
	TAP_CHECK(ticks <= (after_ns - before_ns) * 3579545 / 1000000000 + 1);
	TAP_CHECK(ticks >= 5000000ull * 3579545 / 1000000000 * 9 / 10);
	vmm_pm_destroy(pm);
}

TAP_TEST(ports_that_nobody_claims_read_as_ones)
{
	TAP_REQUIRE(set_up());
	TAP_EQ(in(0x80, 1), 0xff);
	TAP_EQ(in(0xcfc, 4), 0xffffffff);
	TAP_EQ(in(0xffff, 4), 0xffffffff);
	out(0xffff, 4, 0);
	/* 1 + 4 + 4 + 4: a wide access counts each of its ports. */
	TAP_EQ(pio.unclaimed, 13);
	/* An access that runs over the end of a device is split. */
	TAP_EQ(in(PORT + VMM_PM_PORTS - 2, 4), 0xffff0000);
	vmm_pm_destroy(pm);
}

TAP_TEST(overlapping_ranges_are_refused)
{
	struct vmm_pio_range range = { .first = PORT + VMM_PM_PORTS - 1,
				       .count = 2,
				       .width = 1,
				       .read = vmm_pm_read,
				       .write = vmm_pm_write };

	TAP_REQUIRE(set_up());
	TAP_EQ(vmm_pio_add(&pio, &range), -EEXIST);
	range.first = PORT - 2;
	TAP_EQ(vmm_pio_add(&pio, &range), 0);
	vmm_pm_destroy(pm);
}

TAP_MAIN()
