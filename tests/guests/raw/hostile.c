/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Command line: "hostile seed=N rounds=N only=GROUP". After each group the guest shows by a proper
 * contact and a working channel that the host still serves; then it says "guest: after GROUP" and
 * waits for a line, so that the other side can look at the host.
 */
#include "hostile.h"
#include "bus.h"
#include "hv.h"

#define ROUNDS_DEFAULT 200
#define SEED_DEFAULT   1
#define QUIET	       (100 * TICKS_PER_MS) /* so long without a message: the host has no more */

static const struct group {
	const char *name;
	hostile_fn *run;
} groups[] = {
	{ "messages", hostile_messages }, { "gpadls", hostile_gpadls },
	{ "opens", hostile_opens },	  { "rings", hostile_rings },
	{ "packets", hostile_packets },	  { "services", hostile_services },
	{ "signals", hostile_signals },	  { "synic", hostile_synic },
	{ "calls", hostile_calls },	  { "ports", hostile_ports },
	{ "mmio", hostile_mmio },	  { "msrs", hostile_msrs },
};

#define GROUP_COUNT (sizeof(groups) / sizeof(groups[0]))

static uint32_t complaints; /* of all processors, in this group */

static struct {
	unsigned group;
	uint64_t seed;
	unsigned rounds;
} run;

/* --- tools of the groups -------------------------------------------------------------------------- */

uint32_t hostile_number(uint64_t *chance)
{
	static const uint32_t numbers[] = { 0,		1,	   2,	     3,		 7,
					    8,		16,	   255,	     256,	 2047,
					    2048,	4095,	   4096,     0x7fff,	 0x8000,
					    0xffff,	0x10000,   0x1fffff, 0x7fffffff, 0x80000000,
					    0xfffffff8, 0xffffffff };
	const unsigned count = sizeof(numbers) / sizeof(numbers[0]);
	uint32_t which = hostile_below(chance, count + count / 2);

	return which < count ? numbers[which] : (uint32_t)chance_next(chance);
}

void hostile_complain(const char *format, ...)
{
	va_list args;

	/* A few lines tell as much as many. */
	if (__atomic_fetch_add(&complaints, 1, __ATOMIC_RELAXED) > 5)
		return;
	va_start(args, format);
	bm_printf("# ");
	bm_vprintf(format, args);
	bm_printf("\n");
	va_end(args);
}

void hostile_post(uint32_t connection_id, uint32_t type, const void *message, uint32_t len)
{
	uint16_t status = hv_post(connection_id, type, message, len);

	if (status != HVP_STATUS_SUCCESS && status != HVP_STATUS_INVALID_CALL_INPUT &&
	    status != HVP_STATUS_INVALID_CONNECTION_ID && status != HVP_STATUS_INSUFFICIENT_BUFFERS)
		hostile_complain("status 0x%x for a message of type %u, %u bytes", status,
				 *(const uint32_t *)message, len);
}

bool hostile_drain(void)
{
	struct hvp_synic_message message;
	bool any = false;

	for (unsigned sint = 0; sint < HVP_SINT_COUNT; sint++)
		any |= hv_synic_take(sint, &message);
	return any;
}

/* --- groups --------------------------------------------------------------------------------------- */

static void run_on_this_cpu(void *unused)
{
	uint64_t chance = run.seed * 0x9e3779b97f4a7c15ull + run.group * 0x1000193ull +
			  cpu_this()->index * 0x10001ull + 1;

	(void)unused;
	(void)chance_next(&chance);
	groups[run.group].run(&chance, run.rounds);
}

static void empty_this_cpu(void *unused)
{
	(void)unused;
	for (unsigned i = 0; i < 2 * HVP_STIMER_COUNT; i++)
		hvg_arch_set(HVP_MSR_STIMER0_CONFIG + i, 0);
	for (unsigned i = 0; i < HVP_SINT_COUNT; i++)
		hvg_arch_set(HVP_MSR_SINT0 + i, HVP_SINT_MASKED);
	hvg_arch_set(HVP_MSR_VP_ASSIST_PAGE, 0);
	hvg_arch_set(HVP_MSR_TPR, 0);
	hv_synic_off(NULL);
	hv_synic_on(NULL);
	while (TIME_UNTIL(hostile_drain(), QUIET))
		;
}

/* Back to where hv_init() and hv_synic_on() left it. */
static void tidy_up(void)
{
	hvg_arch_set(HVP_MSR_REFERENCE_TSC, 0);
	hv_init();
	cpu_run_all(empty_this_cpu, NULL);
}

/* As a driver that finds the bus in an unknown state. */
static bool host_serves(void)
{
	static const struct hvp_guid heartbeat = HVP_CLASS_HEARTBEAT;
	struct bus_channel *channel;
	uint8_t packet[256];

	if (!bus_connect(HVP_VERSION_5_3) || !(channel = bus_open(&heartbeat, 0)))
		return false;
	/* The first request follows at once upon the negotiation. */
	return bus_ic_negotiate(channel) && bus_receive(channel, packet, sizeof(packet)) &&
	       bus_close(channel) && bus_disconnect();
}

static void pause_after(const char *group)
{
	bm_printf("guest: after %s\n", group);
	while (orders_read() != '\n')
		;
}

static void run_group(unsigned group)
{
	uint64_t start = time_now();

	run.group = group;
	complaints = 0;
	hostile_stage_clear();
	cpu_run_all(run_on_this_cpu, NULL);
	tidy_up();
	bm_printf("# %s: %lu ms\n", groups[group].name,
		  (uint64_t)((time_now() - start) / TICKS_PER_MS));
	tap_ok(host_serves(), "%s: the host still serves", groups[group].name);
	tap_eq(complaints, 0, "%s: the host did nothing that no host does", groups[group].name);
	pause_after(groups[group].name);
}

/* Of the command line. */
static uint64_t number(const char *key, uint64_t absent)
{
	char text[24];
	uint64_t value = 0;

	if (!bm_option(key, text, sizeof(text)))
		return absent;
	for (const char *at = text; *at >= '0' && *at <= '9'; at++)
		value = value * 10 + (uint64_t)(*at - '0');
	return value;
}

/* "only" is not there, or names it. */
static bool wanted(const char *group)
{
	char only[16];
	const char *at = only;

	if (!bm_option("only", only, sizeof(only)))
		return true;
	for (; *at && *at == *group; at++)
		group++;
	return *at == *group;
}

void hostile_run(void)
{
	run.seed = number("seed", SEED_DEFAULT);
	run.rounds = (unsigned)number("rounds", ROUNDS_DEFAULT);
	bm_printf("# seed=%lu rounds=%u\n", run.seed, run.rounds);

	hv_init();
	cpu_run_all(hv_init_cpu, NULL);
	cpu_run_all(hv_synic_on, NULL);
	tap_ok(host_serves(), "start: the host serves");
	pause_after("start");
	if (wanted("specimens")) {
		hostile_specimens();
		tap_ok(host_serves(), "specimens: the host still serves");
		pause_after("specimens");
	}
	for (unsigned i = 0; i < GROUP_COUNT; i++)
		if (wanted(groups[i].name))
			run_group(i);
}
