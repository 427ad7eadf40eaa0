/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The guest core's way to the hypervisor on arm64. In a program HVC is an illegal instruction; the signal's
 * handler plays the hypervisor, and spoils each register that a hypercall may change.
 */
#include <signal.h>
#include <string.h>
#include <ucontext.h>

#include "hvg/hvg_arm64.h"
#include "hvp_vmbus.h"
#include "tap.h"

#define HVC_0 0xd4000002u

#define CALL_GET (HVP_CALL_GET_VP_REGISTERS | HVP_CALL_FAST | 1ull << HVP_CALL_COUNT_SHIFT)
#define CALL_SET (HVP_CALL_SET_VP_REGISTERS | HVP_CALL_FAST | 1ull << HVP_CALL_COUNT_SHIFT)

static struct {
	/* What it answers: a result for each call, and one register or all. */
	uint64_t result;
	bool refuses[3]; /* features, hints, version */
	uint64_t low, high;

	/* What it was asked. */
	unsigned calls;
	uint64_t x[8];
} hypervisor;

static bool refused(uint64_t reg)
{
	return (reg == HVP_REG_FEATURES && hypervisor.refuses[0]) ||
	       (reg == HVP_REG_HINTS && hypervisor.refuses[1]) ||
	       (reg == HVP_REG_VERSION && hypervisor.refuses[2]);
}

static void on_illegal(int number, siginfo_t *info, void *context)
{
	mcontext_t *machine = &((ucontext_t *)context)->uc_mcontext;
	uint32_t instruction;
	unsigned i;

	(void)info;
	memcpy(&instruction, (const void *)machine->pc, sizeof(instruction));
	/* Anything else is one, and ends the program. */
	if (instruction != HVC_0 || machine->regs[0] != HVP_SMCCC_HYPERCALL) {
		signal(number, SIG_DFL);
		return;
	}
	hypervisor.calls++;
	for (i = 0; i < 8; i++)
		hypervisor.x[i] = machine->regs[i];
	machine->regs[0] = refused(machine->regs[4]) ? HVP_STATUS_ACCESS_DENIED : hypervisor.result;
	for (i = 1; i <= 17; i++)
		machine->regs[i] = 0xdead0000dead0000ull + i;
	if (hypervisor.x[1] == CALL_GET) {
		/* Each register a little different, so that none is taken for another. */
		machine->regs[6] = hypervisor.low + hypervisor.x[4];
		machine->regs[7] = hypervisor.high;
	}
	machine->pc += sizeof(instruction);
}

static void begin(void)
{
	struct sigaction action = { .sa_sigaction = on_illegal, .sa_flags = SA_SIGINFO };

	memset(&hypervisor, 0, sizeof(hypervisor));
	sigaction(SIGILL, &action, NULL);
}

TAP_TEST(a_hypercall_passes_its_parameters_and_result)
{
	begin();
	/* Elements done stand beside the status. */
	hypervisor.result = 3ull << HVP_CALL_COUNT_SHIFT | HVP_STATUS_INSUFFICIENT_BUFFERS;
	TAP_EQ(hvg_arch_call(NULL, HVP_CALL_POST_MESSAGE, 0x123456789000, 0xabcdef000),
	       hypervisor.result);
	TAP_EQ(hypervisor.calls, 1);
	TAP_EQ(hypervisor.x[1], HVP_CALL_POST_MESSAGE);
	TAP_EQ(hypervisor.x[2], 0x123456789000);
	TAP_EQ(hypervisor.x[3], 0xabcdef000);
}

TAP_TEST(a_register_is_read_by_hypercall)
{
	begin();
	hypervisor.low = 0x1122334455660000;
	TAP_EQ(hvg_arch_get(HVG_REG(SIMP)), 0x1122334455660000 + HVP_REG_SIMP);
	TAP_EQ(hypervisor.x[1], CALL_GET);
	TAP_EQ(hypervisor.x[2], HVP_PARTITION_SELF);
	TAP_EQ(hypervisor.x[3], HVP_VP_SELF);
	TAP_EQ(hypervisor.x[4], HVP_REG_SIMP);
	/* What cannot be read is 0. */
	hypervisor.result = HVP_STATUS_INVALID_PARAMETER;
	TAP_EQ(hvg_arch_get(HVG_REG(SIMP)), 0);
}

TAP_TEST(a_register_is_written_by_hypercall)
{
	begin();
	hvg_arch_set(HVG_REG(SINT0) + HVP_VMBUS_SINT, 0x8877665544332211);
	TAP_EQ(hypervisor.calls, 1);
	TAP_EQ(hypervisor.x[1], CALL_SET);
	TAP_EQ(hypervisor.x[2], HVP_PARTITION_SELF);
	TAP_EQ(hypervisor.x[3], HVP_VP_SELF);
	TAP_EQ(hypervisor.x[4], HVP_REG_SINT0 + HVP_VMBUS_SINT);
	TAP_EQ(hypervisor.x[5], 0);
	TAP_EQ(hypervisor.x[6], 0x8877665544332211);
	TAP_EQ(hypervisor.x[7], 0);
}

TAP_TEST(what_the_hypervisor_announces_is_taken_apart)
{
	struct hvg_features features = { 0 };

	begin();
	hypervisor.low = 0x0000002200000000;
	hypervisor.high = 0x0000000700000000;
	TAP_CHECK(hvg_arch_detect(&features));
	TAP_EQ(features.access, HVP_REG_FEATURES);
	TAP_EQ(features.privileges, 0x22);
	TAP_EQ(features.misc, 7);
	TAP_EQ(features.hints, HVP_REG_HINTS);
	TAP_EQ(features.build, HVP_REG_VERSION);
	TAP_EQ(features.version, 0x22);
}

TAP_TEST(another_hypervisor_refuses_and_one_without_details_will_do)
{
	struct hvg_features features = { 0 };

	begin();
	hypervisor.result = UINT64_MAX; /* as SMCCC says "not supported" */
	TAP_CHECK(!hvg_arch_detect(&features));
	begin();
	hypervisor.refuses[0] = true;
	TAP_CHECK(!hvg_arch_detect(&features));
	begin();
	hypervisor.refuses[1] = hypervisor.refuses[2] = true;
	TAP_CHECK(hvg_arch_detect(&features));
	TAP_EQ(features.hints, 0);
	TAP_EQ(features.version, 0);
}

TAP_TEST(the_clock_runs)
{
	uint64_t before = hvg_arch_clock(), now = before;

	for (unsigned i = 0; i < 100000000 && now == before; i++)
		now = hvg_arch_clock();
	TAP_CHECK(now > before);
}

TAP_MAIN()
