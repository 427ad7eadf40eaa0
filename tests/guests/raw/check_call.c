/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Hypercalls: the status for each wrong parameter; TLB flush and IPI, where they are announced.
 */
#include "bus.h"
#include "check.h"
#include "hv.h"

#define UNKNOWN_CONNECTION 0x5555u
#define NOT_RAM		   0xd0000000u /* in the devices' window */

/* --- POST_MESSAGE --------------------------------------------------------------------------------- */

struct post_case {
	struct hvp_post_message input;
	uint16_t status;
	const char *title;
};

/* clang-format off */
static const struct post_case post_cases[] = {
	{ { .connection_id = UNKNOWN_CONNECTION, .message_type = 1, .payload_size = 8 },
	  HVP_STATUS_INVALID_CONNECTION_ID, "an unknown connection" },
	{ { .connection_id = 1, .message_type = 1, .payload_size = 241 },
	  HVP_STATUS_INVALID_CALL_INPUT, "a payload of 241 bytes" },
	{ { .connection_id = 1, .message_type = 1, .payload_size = 0xffffffff },
	  HVP_STATUS_INVALID_CALL_INPUT, "a payload of 4 GiB" },
	{ { .connection_id = 1, .message_type = 1, .payload_size = 7 },
	  HVP_STATUS_INVALID_CALL_INPUT, "a payload without a header" },
	{ { .connection_id = 1, .message_type = 2, .payload_size = 8 },
	  HVP_STATUS_INVALID_CALL_INPUT, "a message type that is not VMBus'" },
	{ { .connection_id = 1, .message_type = HVP_MESSAGE_TIMER_EXPIRED, .payload_size = 24 },
	  HVP_STATUS_INVALID_CALL_INPUT, "a message type of the hypervisor's" },
};
/* clang-format on */

static void check_post(void)
{
	uint8_t *pages = mem_pages(2);
	uint64_t gpa = mem_gpa(pages);

	for (unsigned i = 0; i < sizeof(post_cases) / sizeof(post_cases[0]); i++) {
		hvw_memcpy(pages, &post_cases[i].input, sizeof(post_cases[i].input));
		tap_eq(hv_status(hv_call(HVP_CALL_POST_MESSAGE, gpa, 0)), post_cases[i].status,
		       "POST_MESSAGE: %s", post_cases[i].title);
	}
	tap_eq(hv_status(hv_call(HVP_CALL_POST_MESSAGE | HVP_CALL_FAST, 1, 0)),
	       HVP_STATUS_INVALID_CALL_CODE, "POST_MESSAGE: fast form");
	tap_eq(hv_status(hv_call(HVP_CALL_POST_MESSAGE, gpa + 4, 0)), HVP_STATUS_INVALID_ALIGNMENT,
	       "POST_MESSAGE: misaligned input");
	tap_eq(hv_status(hv_call(HVP_CALL_POST_MESSAGE, gpa + HVP_PAGE_SIZE - 8, 0)),
	       HVP_STATUS_INVALID_CALL_INPUT, "POST_MESSAGE: input across pages");
	tap_eq(hv_status(hv_call(HVP_CALL_POST_MESSAGE, NOT_RAM, 0)), HVP_STATUS_INVALID_PARAMETER,
	       "POST_MESSAGE: input that is not in RAM");
	tap_eq(hv_status(hv_call(HVP_CALL_POST_MESSAGE | 1ull << HVP_CALL_COUNT_SHIFT, gpa, 0)),
	       HVP_STATUS_INVALID_CALL_INPUT, "POST_MESSAGE: with a rep count");
	tap_eq(hv_status(hv_call(HVP_CALL_POST_MESSAGE | 1ull << HVP_CALL_HEADER_SHIFT, gpa, 0)),
	       HVP_STATUS_INVALID_CALL_INPUT, "POST_MESSAGE: with a variable header");
	tap_eq(hv_status(hv_call(HVP_CALL_POST_MESSAGE | 1ull << 27, gpa, 0)),
	       HVP_STATUS_INVALID_CALL_INPUT, "POST_MESSAGE: with a reserved bit");
	tap_eq(hv_status(hv_call(0x7fff, gpa, 0)), HVP_STATUS_INVALID_CALL_CODE,
	       "a call that does not exist");
}

/* --- SIGNAL_EVENT --------------------------------------------------------------------------------- */

/* In the form with the parameter in memory. */
static uint16_t signal_memory(uint64_t gpa, struct hvp_signal_event parameter)
{
	hvw_memcpy(mem_at(gpa), &parameter, sizeof(parameter));
	return hv_status(hv_call(HVP_CALL_SIGNAL_EVENT, gpa, 0));
}

static void check_signal(void)
{
	const struct hvp_signal_event unknown = { .connection_id = UNKNOWN_CONNECTION };
	const struct hvp_signal_event flag = { .connection_id = UNKNOWN_CONNECTION, .flag = 1 };
	uint64_t gpa = mem_gpa(mem_pages(2));

	tap_eq(hv_signal(UNKNOWN_CONNECTION, 0), HVP_STATUS_INVALID_CONNECTION_ID,
	       "SIGNAL_EVENT: an unknown connection");
	tap_eq(signal_memory(gpa, unknown), HVP_STATUS_INVALID_CONNECTION_ID,
	       "SIGNAL_EVENT: an unknown connection, in memory");
	tap_eq(hv_signal(UNKNOWN_CONNECTION, 1), HVP_STATUS_INVALID_PORT_ID,
	       "SIGNAL_EVENT: an impossible flag");
	tap_known(signal_memory(gpa, flag) == HVP_STATUS_INVALID_PORT_ID,
		  "memory form of SIGNAL_EVENT", "SIGNAL_EVENT: an impossible flag, in memory");
	tap_eq(hv_status(hv_call(HVP_CALL_SIGNAL_EVENT | HVP_CALL_FAST, 1ull << 48, 0)),
	       HVP_STATUS_INVALID_CALL_INPUT, "SIGNAL_EVENT: reserved bits");
	tap_known(hv_signal(1u << 24, 0) == HVP_STATUS_INVALID_CONNECTION_ID,
		  "connection ids of more than 24 bits",
		  "SIGNAL_EVENT: a connection above 24 bits");
	tap_eq(hv_status(hv_call(HVP_CALL_SIGNAL_EVENT, gpa + 4, 0)), HVP_STATUS_INVALID_ALIGNMENT,
	       "SIGNAL_EVENT: misaligned input");
	tap_ok(hv_status(hv_call(HVP_CALL_SIGNAL_EVENT, NOT_RAM, 0)),
	       "SIGNAL_EVENT: input that is not in RAM");
	tap_eq(hv_status(
		       hv_call(HVP_CALL_SIGNAL_EVENT | HVP_CALL_FAST | 1ull << HVP_CALL_COUNT_SHIFT,
			       UNKNOWN_CONNECTION, 0)),
	       HVP_STATUS_INVALID_CALL_INPUT, "SIGNAL_EVENT: with a rep count");
}

void check_calls(void)
{
	check_post();
	check_signal();
}

/* --- TLB ------------------------------------------------------------------------------------------ */

#define TEST_ADDRESS (1ull << 39) /* of its own entry in the topmost table */
#define ROUNDS	     32

static uint64_t *test_entry; /* maps TEST_ADDRESS */

struct look {
	uint64_t expected;
	uint32_t stale; /* processors, as bits */
};

static void look_on_this_cpu(void *arg)
{
	struct look *look = arg;

	if (*(volatile uint64_t *)mem_at(TEST_ADDRESS) != look->expected)
		__atomic_fetch_or(&look->stale, 1u << cpu_this()->index, __ATOMIC_RELAXED);
}

static uint64_t address_space(void)
{
	uint64_t cr3;

	__asm__ volatile("movq %%cr3, %0" : "=r"(cr3));
	return cr3;
}

static uint64_t *map_test_page(void)
{
	uint64_t *pdpt = mem_pages(1), *directory = mem_pages(1), *table = mem_pages(1);
	uint64_t *topmost = mem_at(address_space());

	topmost[1] = mem_gpa(pdpt) | 3;
	pdpt[0] = mem_gpa(directory) | 3;
	directory[0] = mem_gpa(table) | 3;
	return table;
}

static uint64_t flush(unsigned form)
{
	struct hvp_flush *space = cpu_this()->input;
	uint64_t cr3 = address_space();

	*space = (struct hvp_flush){ .space = cr3, .vp_mask = (1ull << hvos_cpu_count()) - 1 };
	if (form == 0)
		return hv_call(HVP_CALL_FLUSH_SPACE, mem_gpa(space), 0);
	if (form == 1) {
		*space = (struct hvp_flush){ .flags = HVP_FLUSH_ALL_PROCESSORS |
						      HVP_FLUSH_ALL_SPACES };
		return hv_call(HVP_CALL_FLUSH_SPACE, mem_gpa(space), 0);
	}
	if (form == 2) {
		*(uint64_t *)(space + 1) = TEST_ADDRESS;
		return hv_call(HVP_CALL_FLUSH_LIST | 1ull << HVP_CALL_COUNT_SHIFT, mem_gpa(space),
			       0);
	}
	*(struct hvp_flush_ex *)(void *)space = (struct hvp_flush_ex){
		.space = cr3,
		.vps = { .format = HVP_VP_SET_SPARSE, .banks = 1 },
	};
	((uint64_t *)(void *)space)[4] = (1ull << hvos_cpu_count()) - 1;
	return hv_call(HVP_CALL_FLUSH_SPACE_EX | 1ull << HVP_CALL_HEADER_SHIFT, mem_gpa(space), 0);
}

static void check_flush(uint32_t hints)
{
	static const char *const forms[] = { "a set of processors", "all processors and spaces",
					     "a list of addresses", "a sparse set of processors" };
	uint64_t *pages[2] = { mem_pages(1), mem_pages(1) };
	unsigned count = hints & HVP_HINT_EX_MASKS ? 4 : 3;

	*pages[0] = 0x1111;
	*pages[1] = 0x2222;
	test_entry = map_test_page();
	for (unsigned form = 0; form < count; form++) {
		struct look look = { 0 };
		uint64_t result = 0;

		for (unsigned i = 0; i < ROUNDS; i++) {
			__atomic_store_n(test_entry, mem_gpa(pages[i % 2]) | 3, __ATOMIC_SEQ_CST);
			result |= flush(form);
			look.expected = *pages[i % 2];
			cpu_run_all(look_on_this_cpu, &look);
		}
		tap_eq(hv_status(result), HVP_STATUS_SUCCESS, "TLB flush: %s: status", forms[form]);
		tap_eq(look.stale, 0, "TLB flush: %s: nobody sees the old page", forms[form]);
	}
}

/* --- IPI ------------------------------------------------------------------------------------------ */

struct tally {
	uint32_t before[BM_CPUS_MAX];
};

static void tally_begin(struct tally *tally)
{
	for (unsigned i = 0; i < hvos_cpu_count(); i++)
		tally->before[i] = cpu_interrupts(&cpus[i], VECTOR_IPI);
}

/* Exactly the processors of the mask had one interrupt more. */
static bool tally_is(const struct tally *tally, uint64_t mask)
{
	bool good = true;

	for (unsigned i = 0; i < hvos_cpu_count(); i++)
		good &= TIME_UNTIL(cpu_interrupts(&cpus[i], VECTOR_IPI) - tally->before[i] ==
					   (mask >> i & 1),
				   1000 * TICKS_PER_MS);
	return good;
}

static uint16_t send_ipi(uint32_t vector, uint64_t mask)
{
	return hv_status(hv_call(HVP_CALL_SEND_IPI | HVP_CALL_FAST, vector, mask));
}

static uint16_t send_ipi_ex(uint64_t format, uint64_t mask)
{
	struct hvp_send_ipi_ex *ipi = cpu_this()->input;
	unsigned banks = format == HVP_VP_SET_SPARSE;

	*ipi = (struct hvp_send_ipi_ex){ .vector = VECTOR_IPI,
					 .vps = { .format = format, .banks = banks } };
	((uint64_t *)(void *)ipi)[3] = mask;
	return hv_status(hv_call(HVP_CALL_SEND_IPI_EX | (uint64_t)banks << HVP_CALL_HEADER_SHIFT,
				 mem_gpa(ipi), 0));
}

static void check_ipi(uint32_t hints)
{
	uint64_t all = (1ull << hvos_cpu_count()) - 1;
	struct tally tally;
	bool good = true;

	for (unsigned i = 0; i < hvos_cpu_count(); i++) {
		tally_begin(&tally);
		good &= !send_ipi(VECTOR_IPI, 1ull << cpus[i].vp_index) &&
			tally_is(&tally, 1ull << i);
	}
	tap_ok(good, "IPI: to each processor alone");
	tally_begin(&tally);
	tap_ok(!send_ipi(VECTOR_IPI, all) && tally_is(&tally, all), "IPI: to all processors");
	tally_begin(&tally);
	tap_ok(send_ipi(HVP_IPI_VECTOR_MIN - 1, all) && send_ipi(256, all) && tally_is(&tally, 0),
	       "IPI: impossible vectors are refused");
	if (!(hints & HVP_HINT_EX_MASKS))
		return;
	tally_begin(&tally);
	tap_ok(!send_ipi_ex(HVP_VP_SET_SPARSE, 1ull << (hvos_cpu_count() - 1)) &&
		       tally_is(&tally, 1ull << (hvos_cpu_count() - 1)),
	       "IPI: to a sparse set");
	tally_begin(&tally);
	tap_ok(!send_ipi_ex(HVP_VP_SET_ALL, 0) && tally_is(&tally, all), "IPI: to the set of all");
}

void check_tlb_and_ipi(void)
{
	uint32_t hints = hv_features.hints;

	if (hints & HVP_HINT_REMOTE_TLB_FLUSH)
		check_flush(hints);
	else
		tap_eq(hv_status(flush(0)), HVP_STATUS_ACCESS_DENIED,
		       "TLB flush: not announced and denied");
	if (hints & HVP_HINT_CLUSTER_IPI)
		check_ipi(hints);
	else
		tap_eq(send_ipi(VECTOR_IPI, 1), HVP_STATUS_ACCESS_DENIED,
		       "IPI: not announced and denied");
}
