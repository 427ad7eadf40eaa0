/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What the host tells of the machine: PVH start info, ACPI tables. The tests of the tables themselves
 * are elsewhere; here they are believed.
 */
#include "bare.h"
#include "cpu.h"
#include "hvp_hv.h"

#define START_MAGIC 0x336ec578u
#define MAP_RAM	    1

struct start_info {
	uint32_t magic, version, flags, module_count;
	uint64_t modules, command_line, rsdp, map;
	uint32_t map_entries, reserved;
};

struct map_entry {
	uint64_t gpa, bytes;
	uint32_t type, reserved;
};

struct rsdp {
	char signature[8];
	uint8_t checksum;
	char oem_id[6];
	uint8_t revision;
	uint32_t rsdt, length;
	uint64_t xsdt;
} __attribute__((packed));

struct table {
	char signature[4];
	uint32_t length;
	uint8_t rest[28];
} __attribute__((packed));

#define FADT_PM1A_CONTROL 64
#define FADT_PM_TIMER	  76
#define MADT_ENTRIES	  44
#define MADT_LOCAL_APIC	  0
#define MADT_ENABLED	  1

#define SLEEP_S5     (5u << 10)
#define SLEEP_ENABLE (1u << 13)

extern uint8_t image_end[];

static const char *command_line;
static uint64_t next_page, last_page, low_end;
static const struct rsdp *rsdp;
static uint16_t pm_control, pm_timer;

/* --- freestanding: what the compiler calls by itself ---------------------------------------------- */

void *memcpy(void *dst, const void *src, size_t len);
void *memset(void *dst, int byte, size_t len);
int memcmp(const void *a, const void *b, size_t len);

void *memcpy(void *dst, const void *src, size_t len)
{
	void *at = dst;

	__asm__ volatile("rep movsb" : "+D"(at), "+S"(src), "+c"(len) : : "memory");
	return dst;
}

void *memset(void *dst, int byte, size_t len)
{
	void *at = dst;

	__asm__ volatile("rep stosb" : "+D"(at), "+c"(len) : "a"(byte) : "memory");
	return dst;
}

int memcmp(const void *a, const void *b, size_t len)
{
	const uint8_t *x = a, *y = b;

	for (; len; len--, x++, y++)
		if (*x != *y)
			return *x < *y ? -1 : 1;
	return 0;
}

/* --- command line --------------------------------------------------------------------------------- */

/* What follows the word where it stands: "", or "=…"; NULL: nowhere. */
static const char *find_word(const char *word)
{
	for (const char *at = command_line; *at;) {
		const char *w = word;

		while (*w && *at == *w)
			at++, w++;
		if (!*w && (!*at || *at == ' ' || *at == '='))
			return at;
		while (*at && *at != ' ')
			at++;
		while (*at == ' ')
			at++;
	}
	return NULL;
}

bool machine_word(const char *word, uint64_t *value)
{
	const char *at = find_word(word);

	if (!at || !value || *at != '=')
		return at && !value;
	*value = 0;
	for (at++; *at >= '0' && *at <= '9'; at++)
		*value = *value * 10 + (uint64_t)(*at - '0');
	return true;
}

bool machine_word_is(const char *word, const char *text)
{
	const char *at = find_word(word);

	if (!at || *at++ != '=')
		return false;
	while (*text && *at == *text)
		at++, text++;
	return !*text && (!*at || *at == ' ');
}

/* --- memory --------------------------------------------------------------------------------------- */

void *mem_pages(unsigned count)
{
	uint64_t gpa =
		__atomic_fetch_add(&next_page, (uint64_t)count * HVP_PAGE_SIZE, __ATOMIC_RELAXED);

	if (gpa + (uint64_t)count * HVP_PAGE_SIZE > last_page)
		machine_fail("out of memory");
	return memset(mem_at(gpa), 0, (size_t)count * HVP_PAGE_SIZE);
}

uint64_t mem_end(void)
{
	return low_end;
}

/* --- ACPI ----------------------------------------------------------------------------------------- */

static const uint8_t *find_table(const char *signature)
{
	const struct table *xsdt = mem_at(rsdp->xsdt);

	for (uint32_t at = sizeof(*xsdt); at < xsdt->length; at += 8) {
		uint64_t gpa;

		memcpy(&gpa, (const uint8_t *)xsdt + at, sizeof(gpa));
		if (!memcmp(mem_at(gpa), signature, 4))
			return mem_at(gpa);
	}
	machine_fail("there is no ACPI table %s", signature);
}

void machine_each_cpu(void (*found)(uint32_t apic_id))
{
	const uint8_t *madt = find_table("APIC");
	uint32_t length = ((const struct table *)madt)->length;

	for (const uint8_t *at = madt + MADT_ENTRIES; at < madt + length && at[1]; at += at[1])
		if (at[0] == MADT_LOCAL_APIC && at[4] & MADT_ENABLED)
			found(at[3]);
}

uint32_t machine_pm_timer(void)
{
	return cpu_in32(pm_timer);
}

_Noreturn void machine_power_off(void)
{
	cpu_irq_off();
	for (;;) {
		cpu_out16(pm_control, SLEEP_S5 | SLEEP_ENABLE);
		__asm__ volatile("hlt");
	}
}

_Noreturn void machine_fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	con_printf("\nBail out! processor %u: ", cpu_this() ? cpu_this()->index : 0);
	con_vprintf(format, args);
	con_printf("\n");
	va_end(args);
	machine_power_off();
}

void machine_init(uint32_t start_info_gpa)
{
	const struct start_info *start = mem_at(start_info_gpa);
	const struct map_entry *map = mem_at(start->map);
	const uint8_t *fadt;

	command_line = start->command_line ? mem_at(start->command_line) : "";
	rsdp = mem_at(start->rsdp);
	next_page = mem_gpa(image_end);
	for (uint32_t i = 0; i < start->map_entries; i++)
		if (map[i].type == MAP_RAM && map[i].gpa <= next_page &&
		    next_page - map[i].gpa < map[i].bytes)
			low_end = last_page = map[i].gpa + map[i].bytes;
	fadt = find_table("FACP");
	memcpy(&pm_control, fadt + FADT_PM1A_CONTROL, sizeof(pm_control));
	memcpy(&pm_timer, fadt + FADT_PM_TIMER, sizeof(pm_timer));
	if (start->magic != START_MAGIC || !start->version || !low_end)
		machine_fail("the start info is not as it should be");
}

/* --- time and chance ------------------------------------------------------------------------------ */

uint64_t time_now(void)
{
	return cpu_rdmsr(HVP_MSR_TIME_REF_COUNT);
}

void time_wait(uint64_t ticks)
{
	uint64_t end = time_now() + ticks;

	while (time_now() < end)
		cpu_pause();
}

uint64_t chance_next(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1du;
}
