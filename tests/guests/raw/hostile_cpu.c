/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Registers, hypercalls, ports and addresses. What would only hurt the guest itself is left out: vectors
 * of exceptions, pages of its own code, power and reset.
 */
#include "hostile.h"
#include "hv.h"

#define SCRATCH_PAGES 8

static uint8_t scratch[SCRATCH_PAGES * HVP_PAGE_SIZE] __attribute__((aligned(4096)));

/* What goes into a register that holds a page: one that may be written to, or none that is RAM. */
static uint64_t page_value(uint64_t *chance)
{
	uint64_t gpa;

	switch (hostile_below(chance, 4)) {
	case 0:
		gpa = 0xd0000000ull + hostile_below(chance, 1000) * HVP_PAGE_SIZE;
		break;
	case 1:
		gpa = 1ull << (34 + hostile_below(chance, 30));
		break;
	default:
		gpa = mem_gpa(scratch) + hostile_below(chance, SCRATCH_PAGES) * HVP_PAGE_SIZE;
	}
	return gpa | hostile_below(chance, 4096) | (hostile_below(chance, 4) ? 1 : 0);
}

/* Of a SINT or a timer: not an exception's vector. */
static uint64_t vector_value(uint64_t *chance)
{
	return (chance_next(chance) & ~0xffull) | (32 + hostile_below(chance, 224));
}

/* --- SynIC ---------------------------------------------------------------------------------------- */

static void provoke(uint64_t *chance)
{
	const struct hvp_msg_initiate_contact contact = {
		.h.type = HVP_MSG_INITIATE_CONTACT,
		.version = HVP_VERSION(99, 0),
		.target_vp = hostile_below(chance, hvos_cpu_count()),
		.u.v5.sint = (uint8_t)hostile_below(chance, HVP_SINT_COUNT + 1),
	};

	hostile_post(HVP_CONNECTION_MESSAGE_1, HVP_MESSAGE_VMBUS, &contact, sizeof(contact));
}

void hostile_synic(uint64_t *chance, unsigned rounds)
{
	for (unsigned i = 0; i < rounds; i++) {
		unsigned sint = hostile_below(chance, HVP_SINT_COUNT);

		switch (hostile_below(chance, 8)) {
		case 0:
			(void)cpu_try_set(HVP_MSR_SIMP, page_value(chance));
			break;
		case 1:
			(void)cpu_try_set(HVP_MSR_SIEFP, page_value(chance));
			break;
		case 2:
			(void)cpu_try_set(HVP_MSR_SCONTROL,
					  hostile_below(chance, 4) ? 1 : chance_next(chance));
			break;
		case 3:
			(void)cpu_try_set(HVP_MSR_SINT0 + sint, vector_value(chance));
			break;
		case 4:
			(void)cpu_try_set(HVP_MSR_EOM, chance_next(chance));
			break;
		case 5: /* where messages and flags may come: full, or free again */
			__atomic_store_n((uint32_t *)(void *)(scratch + sint * 256),
					 hostile_below(chance, 2) ? 0 : hostile_number(chance),
					 __ATOMIC_SEQ_CST);
			break;
		default:
			provoke(chance);
		}
	}
}

/* --- hypercalls ----------------------------------------------------------------------------------- */

static uint64_t call_address(uint64_t *chance)
{
	switch (hostile_below(chance, 4)) {
	case 0:
		return chance_next(chance);
	case 1:
		return 0xd0000000ull + hostile_number(chance) % 0x1000000;
	default:
		return mem_gpa(scratch) + hostile_below(chance, sizeof(scratch) - 256);
	}
}

void hostile_calls(uint64_t *chance, unsigned rounds)
{
	static const uint16_t codes[] = { HVP_CALL_FLUSH_SPACE,
					  HVP_CALL_FLUSH_LIST,
					  0x0008,
					  HVP_CALL_FLUSH_SPACE_EX,
					  0x0014,
					  HVP_CALL_GET_VP_REGISTERS,
					  HVP_CALL_SET_VP_REGISTERS,
					  0x0069,
					  0x006a,
					  0x006b,
					  0x007e,
					  HVP_CALL_POST_MESSAGE,
					  HVP_CALL_SIGNAL_EVENT,
					  HVP_CALL_EXT_QUERY_CAP,
					  0x8003,
					  0x8041 };
	const unsigned count = sizeof(codes) / sizeof(codes[0]);

	for (unsigned i = 0; i < rounds; i++) {
		uint32_t which = hostile_below(chance, count + 4);
		uint64_t control = which < count ? codes[which] : hostile_number(chance) & 0xffff;

		/* IPIs could have any vector. */
		if (control == HVP_CALL_SEND_IPI || control == HVP_CALL_SEND_IPI_EX)
			continue;
		if (hostile_below(chance, 2))
			control |= chance_next(chance) & ~0xffffull;
		*(uint32_t *)(void *)(scratch + 8 * hostile_below(chance, 512)) =
			hostile_number(chance);
		(void)hv_call(control, call_address(chance), call_address(chance));
		(void)hostile_drain();
	}
}

/* --- ports and addresses -------------------------------------------------------------------------- */

struct span {
	uint32_t first, last;
};

/* Interrupt controllers and timer in KVM, the serial line, the registers that end the machine. */
static const struct span ports_kept[] = {
	{ 0x20, 0x21 },	  { 0x40, 0x43 },   { 0x60, 0x64 },   { 0xa0, 0xa1 },	  { 0x3f8, 0x3ff },
	{ 0x4d0, 0x4d1 }, { 0x600, 0x60f }, { 0xcf8, 0xcff }, { 0xfffc, 0xffff },
};
static const struct span addresses_kept[] = { { 0xfec00000, 0xfec00fff },
					      { 0xfee00000, 0xfee00fff },
					      { 0xfffbc000, 0xfffc0fff } };

static bool keeps_off(const struct span *spans, unsigned count, uint64_t first, uint64_t last)
{
	for (unsigned i = 0; i < count; i++)
		if (first <= spans[i].last && last >= spans[i].first)
			return false;
	return true;
}

/* 16 and 32 bits, where nothing else here needs them. */
static inline void port_out32(uint16_t port, uint32_t value)
{
	__asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint16_t port_in16(uint16_t port)
{
	uint16_t value;

	__asm__ volatile("inw %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static void use_port(uint64_t *chance, uint16_t port)
{
	uint32_t value = hostile_number(chance), count = 1 + hostile_below(chance, 16);
	void *at = scratch;

	switch (hostile_below(chance, 8)) {
	case 0:
		bm_out8(port, (uint8_t)value);
		break;
	case 1:
		bm_out16(port, (uint16_t)value);
		break;
	case 2:
		port_out32(port, value);
		break;
	case 3:
		(void)bm_in8(port);
		break;
	case 4:
		(void)port_in16(port);
		break;
	case 5:
		(void)bm_in32(port);
		break;
	case 6:
		__asm__ volatile("rep outsl" : "+S"(at), "+c"(count) : "d"(port) : "memory");
		break;
	default:
		__asm__ volatile("rep insl" : "+D"(at), "+c"(count) : "d"(port) : "memory");
	}
}

void hostile_ports(uint64_t *chance, unsigned rounds)
{
	for (unsigned i = 0; i < rounds; i++) {
		uint32_t port = hostile_below(chance, 2) ? hostile_below(chance, 0x800) :
							   hostile_below(chance, 0x10000);

		if (keeps_off(ports_kept, sizeof(ports_kept) / sizeof(ports_kept[0]), port,
			      port + 3))
			use_port(chance, (uint16_t)port);
	}
}

static void use_address(uint64_t *chance, uint64_t gpa)
{
	volatile void *at = mem_at(gpa);
	uint64_t value = chance_next(chance);

	switch (hostile_below(chance, 8)) {
	case 0:
		*(volatile uint8_t *)at = (uint8_t)value;
		break;
	case 1:
		*(volatile uint16_t *)at = (uint16_t)value;
		break;
	case 2:
		*(volatile uint32_t *)at = (uint32_t)value;
		break;
	case 3:
		*(volatile uint64_t *)at = value;
		break;
	case 4:
		(void)*(volatile uint8_t *)at;
		break;
	case 5:
		(void)*(volatile uint16_t *)at;
		break;
	case 6:
		(void)*(volatile uint32_t *)at;
		break;
	default:
		(void)*(volatile uint64_t *)at;
	}
}

void hostile_mmio(uint64_t *chance, unsigned rounds)
{
	uint64_t first = bm_firmware.ram_end, bytes = (1ull << 32) - 8 - first;

	for (unsigned i = 0; i < rounds; i++) {
		uint64_t gpa = first + chance_next(chance) % bytes;

		if (keeps_off(addresses_kept, sizeof(addresses_kept) / sizeof(addresses_kept[0]),
			      gpa, gpa + 7))
			use_address(chance, gpa);
	}
}

/* --- MSRs ----------------------------------------------------------------------------------------- */

/* A value that leaves the guest alive, or none for MSRs where there is none. */
static bool msr_value(uint64_t *chance, uint32_t msr, uint64_t *value)
{
	*value = hostile_below(chance, 2) ? hostile_number(chance) : chance_next(chance);
	if (msr >= HVP_MSR_SINT0 && msr < HVP_MSR_SINT0 + HVP_SINT_COUNT) {
		*value = vector_value(chance);
	} else if (msr >= HVP_MSR_STIMER0_CONFIG &&
		   msr < HVP_MSR_STIMER0_CONFIG + 2 * HVP_STIMER_COUNT) {
		/* Not so often that there is time for nothing else. */
		if ((msr - HVP_MSR_STIMER0_CONFIG) % 2)
			*value |= TICKS_PER_MS << 4;
		else
			*value = (*value & ~0xff0ull) | VECTOR_TIMER << HVP_STIMER_VECTOR_SHIFT;
	} else if (msr == HVP_MSR_HYPERCALL || msr == HVP_MSR_REFERENCE_TSC ||
		   msr == HVP_MSR_VP_ASSIST_PAGE || msr == HVP_MSR_SIMP || msr == HVP_MSR_SIEFP) {
		*value = page_value(chance);
	} else if (msr == HVP_MSR_CRASH_CTL) {
		*value &= ~HVP_CRASH_NOTIFY;
	}
	return msr != HVP_MSR_RESET && msr != HVP_MSR_ICR && msr != HVP_MSR_TPR;
}

void hostile_msrs(uint64_t *chance, unsigned rounds)
{
	for (unsigned i = 0; i < rounds; i++) {
		uint32_t msr = 0x40000000 + hostile_below(chance, 0x140);
		uint64_t value;

		if (hostile_below(chance, 2)) {
			if (msr_value(chance, msr, &value))
				(void)cpu_try_set(msr, value);
			continue;
		}
		if (!hostile_below(chance, 4))
			msr = hostile_below(chance, 2) ? 0xc0000080 + hostile_below(chance, 0x100) :
							 (uint32_t)chance_next(chance);
		(void)cpu_try_get(msr, &value);
	}
}
