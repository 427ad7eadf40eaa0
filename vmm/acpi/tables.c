/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Layouts: ACPI specification 6.3, chapters 4 and 5.
 */
#include "vmm/acpi/tables.h"

#include <stdbool.h>
#include <string.h>

#include "vmm/config.h"
#include "vmm/pm.h"
#include "vmm/rtc.h"
#include "vmm_dsdt_aml.h"

#define PACKED __attribute__((packed))

struct rsdp {
	char signature[8];
	uint8_t checksum; /* of the first 20 bytes */
	char oem_id[6];
	uint8_t revision;
	uint32_t rsdt;
	uint32_t length;
	uint64_t xsdt;
	uint8_t extended_checksum;
	uint8_t reserved[3];
} PACKED;

struct header {
	char signature[4];
	uint32_t length;
	uint8_t revision;
	uint8_t checksum;
	char oem_id[6];
	char oem_table_id[8];
	uint32_t oem_revision;
	char creator_id[4];
	uint32_t creator_revision;
} PACKED;

struct address { /* generic address structure */
	uint8_t space;
	uint8_t bits;
	uint8_t offset;
	uint8_t access; /* 1 byte, 2 word, 3 double word */
	uint64_t address;
} PACKED;

#define SPACE_IO 1

struct fadt {
	struct header h;
	uint32_t facs;
	uint32_t dsdt;
	uint8_t reserved1;
	uint8_t profile;
	uint16_t sci;
	uint32_t smi_command;
	uint8_t acpi_enable, acpi_disable, s4bios, pstate;
	uint32_t pm1a_event, pm1b_event, pm1a_control, pm1b_control, pm2_control, pm_timer;
	uint32_t gpe0, gpe1;
	uint8_t pm1_event_bytes, pm1_control_bytes, pm2_control_bytes, pm_timer_bytes;
	uint8_t gpe0_bytes, gpe1_bytes, gpe1_base, cst;
	uint16_t c2_latency, c3_latency;
	uint16_t flush_size, flush_stride;
	uint8_t duty_offset, duty_width;
	uint8_t day_alarm, month_alarm, century;
	uint16_t boot_flags;
	uint8_t reserved2;
	uint32_t flags;
	struct address reset;
	uint8_t reset_value;
	uint16_t arm_boot_flags;
	uint8_t minor_revision;
	uint64_t x_facs, x_dsdt;
	struct address x_pm1a_event, x_pm1b_event, x_pm1a_control, x_pm1b_control, x_pm2_control;
	struct address x_pm_timer, x_gpe0, x_gpe1;
	struct address sleep_control, sleep_status;
	uint64_t hypervisor_vendor;
} PACKED;
_Static_assert(sizeof(struct fadt) == 276, "FADT revision 6");

/* There is no VGA and, its flag clear, no 8042: no drivers for these. */
#define BOOT_NO_VGA 0x0004

#define FADT_WBINVD	     (1u << 0)
#define FADT_C1		     (1u << 2)
#define FADT_NO_SLEEP_BUTTON (1u << 5) /* and bit 4 clear: the power button is fixed hardware */
#define FADT_NO_FIXED_RTC    (1u << 6) /* its alarm wakes nothing: there is no sleep */
#define FADT_TIMER_32_BITS   (1u << 8)
#define FADT_RESET_REGISTER  (1u << 10)
#define LATENCY_UNSUPPORTED  0x0fff

struct facs {
	char signature[4];
	uint32_t length;
	uint32_t hardware_signature;
	uint32_t waking_vector;
	uint32_t global_lock;
	uint32_t flags;
	uint64_t x_waking_vector;
	uint8_t version;
	uint8_t reserved[31];
} PACKED;
_Static_assert(sizeof(struct facs) == 64, "FACS");

struct madt {
	struct header h;
	uint32_t local_apic;
	uint32_t flags;
} PACKED;

#define LOCAL_APIC_ADDRESS 0xfee00000u
#define IO_APIC_ADDRESS	   0xfec00000u
#define MADT_HAS_8259	   1

struct madt_local_apic {
	uint8_t type, length;
	uint8_t processor, apic_id;
	uint32_t flags; /* 1: enabled */
} PACKED;

struct madt_io_apic {
	uint8_t type, length;
	uint8_t id, reserved;
	uint32_t address;
	uint32_t first_gsi;
} PACKED;

struct madt_override {
	uint8_t type, length;
	uint8_t bus, irq;
	uint32_t gsi;
	uint16_t flags; /* 1:0 polarity, 3:2 trigger; 0: as on ISA */
} PACKED;

#define LEVEL_ACTIVE_HIGH 0x000d

struct madt_nmi {
	uint8_t type, length;
	uint8_t processor; /* 0xff: all */
	uint16_t flags;
	uint8_t pin;
} PACKED;

/* A table under construction; tables stand one behind the other, each at a multiple of 64. */
struct builder {
	uint8_t *buffer;
	uint64_t gpa;
	size_t used;
};

static uint8_t checksum(const void *bytes, size_t len)
{
	const uint8_t *at = bytes;
	uint8_t sum = 0;

	while (len--)
		sum += *at++;
	return (uint8_t)-sum;
}

static uint64_t append(struct builder *b, const void *bytes, size_t len)
{
	uint64_t at = b->gpa + b->used;

	memcpy(b->buffer + b->used, bytes, len);
	b->used = (b->used + len + 63) & ~(size_t)63;
	return at;
}

static struct header make_header(const char signature[4], uint8_t revision)
{
	struct header h = { .revision = revision, .oem_revision = 1, .creator_revision = 1 };

	memcpy(h.signature, signature, 4);
	memcpy(h.oem_id, "HVIS  ", 6);
	memcpy(h.oem_table_id, "HVHOST  ", 8);
	memcpy(h.creator_id, "HVIS", 4);
	return h;
}

/* Returns the table's address. */
static uint64_t append_table(struct builder *b, struct header *table, size_t len)
{
	table->length = (uint32_t)len;
	table->checksum = 0;
	table->checksum = checksum(table, len);
	return append(b, table, len);
}

static struct address io_address(uint16_t port, uint8_t bits)
{
	uint8_t access = bits == 32 ? 3 : bits == 16 ? 2 : 1;

	return (struct address){
		.space = SPACE_IO, .bits = bits, .access = access, .address = port
	};
}

static uint64_t append_fadt(struct builder *b, const struct vmm_acpi_config *config, uint64_t facs,
			    uint64_t dsdt)
{
	uint16_t event = config->pm_port + VMM_PM_EVENT, control = config->pm_port + VMM_PM_CONTROL;
	uint16_t timer = config->pm_port + VMM_PM_TIMER, reset = config->pm_port + VMM_PM_RESET;
	struct fadt fadt = {
		.h = make_header("FACP", 6),
		.minor_revision = 3,
		.facs = (uint32_t)facs,
		.dsdt = (uint32_t)dsdt,
		.x_dsdt = dsdt,
		.sci = config->sci,
		.pm1a_event = event,
		.pm1a_control = control,
		.pm_timer = timer,
		.pm1_event_bytes = 4,
		.pm1_control_bytes = 2,
		.pm_timer_bytes = 4,
		.x_pm1a_event = io_address(event, 32),
		.x_pm1a_control = io_address(control, 16),
		.x_pm_timer = io_address(timer, 32),
		.c2_latency = LATENCY_UNSUPPORTED,
		.c3_latency = LATENCY_UNSUPPORTED,
		.century = VMM_RTC_CENTURY,
		.boot_flags = BOOT_NO_VGA,
		.flags = FADT_WBINVD | FADT_C1 | FADT_NO_SLEEP_BUTTON | FADT_NO_FIXED_RTC |
			 FADT_TIMER_32_BITS | FADT_RESET_REGISTER,
		.reset = io_address(reset, 8),
		.reset_value = VMM_PM_RESET_VALUE,
	};

	return append_table(b, &fadt.h, sizeof(fadt));
}

static uint64_t append_madt(struct builder *b, const struct vmm_acpi_config *config)
{
	struct {
		struct madt madt;
		uint8_t entries[VMM_CPUS_MAX * sizeof(struct madt_local_apic) + 64];
	} PACKED t = { .madt = { .h = make_header("APIC", 5),
				 .local_apic = LOCAL_APIC_ADDRESS,
				 .flags = MADT_HAS_8259 } };
	const struct madt_io_apic io_apic = { .type = 1,
					      .length = sizeof(io_apic),
					      .address = IO_APIC_ADDRESS };
	/* The interval timer is on pin 2, as on every PC. */
	const struct madt_override pit = { .type = 2, .length = sizeof(pit), .irq = 0, .gsi = 2 };
	const struct madt_override sci = { .type = 2,
					   .length = sizeof(sci),
					   .irq = config->sci,
					   .gsi = config->sci,
					   .flags = LEVEL_ACTIVE_HIGH };
	const struct madt_nmi nmi = {
		.type = 4, .length = sizeof(nmi), .processor = 0xff, .pin = 1
	};
	uint8_t *at = t.entries;

	for (unsigned i = 0; i < config->cpus; i++) {
		struct madt_local_apic cpu = { .length = sizeof(cpu),
					       .processor = (uint8_t)i,
					       .apic_id = (uint8_t)i,
					       .flags = 1 };

		at = (uint8_t *)memcpy(at, &cpu, sizeof(cpu)) + sizeof(cpu);
	}
	at = (uint8_t *)memcpy(at, &io_apic, sizeof(io_apic)) + sizeof(io_apic);
	at = (uint8_t *)memcpy(at, &pit, sizeof(pit)) + sizeof(pit);
	at = (uint8_t *)memcpy(at, &sci, sizeof(sci)) + sizeof(sci);
	at = (uint8_t *)memcpy(at, &nmi, sizeof(nmi)) + sizeof(nmi);
	return append_table(b, &t.madt.h, (size_t)(at - (uint8_t *)&t));
}

/* AML: Name (NAME, value), with the value as a QWord. */
struct aml_name {
	uint8_t name_op; /* 0x08 */
	char name[4];
	uint8_t qword_prefix; /* 0x0e */
	uint64_t value;
} PACKED;

static struct aml_name aml_name(const char name[4], uint64_t value)
{
	struct aml_name n = { .name_op = 0x08, .qword_prefix = 0x0e, .value = value };

	memcpy(n.name, name, 4);
	return n;
}

/* The numbers that the DSDT's methods take from outside. */
static uint64_t append_ssdt(struct builder *b, const struct vmm_acpi_config *config)
{
	const struct vmm_window *low = &config->low, *high = &config->high;
	struct {
		struct header h;
		struct aml_name names[6];
	} PACKED ssdt = {
		.h = make_header("SSDT", 2),
		.names = {
			aml_name("MLO0", low->first),
			aml_name("MLO1", low->last),
			aml_name("MLOL", low->last - low->first + 1),
			aml_name("MHI0", high->first),
			aml_name("MHI1", high->last),
			aml_name("MHIL", high->last - high->first + 1),
		},
	};

	return append_table(b, &ssdt.h, sizeof(ssdt));
}

size_t vmm_acpi_build(const struct vmm_acpi_config *config, uint64_t gpa, uint8_t *buffer)
{
	struct builder b = { .buffer = buffer, .gpa = gpa };
	struct rsdp rsdp = { .revision = 2, .length = sizeof(rsdp) };
	struct facs facs = { .length = sizeof(facs), .version = 2 };
	struct {
		struct header h;
		uint64_t tables[3];
	} PACKED xsdt = { .h = make_header("XSDT", 1) };
	uint64_t facs_gpa, dsdt_gpa;

	_Static_assert(sizeof(vmm_dsdt_aml) < VMM_ACPI_SIZE_MAX / 2, "room for the DSDT");
	memset(buffer, 0, VMM_ACPI_SIZE_MAX);
	append(&b, &rsdp, sizeof(rsdp)); /* its place; filled in at the end */
	memcpy(facs.signature, "FACS", 4);
	facs_gpa = append(&b, &facs, sizeof(facs));
	dsdt_gpa = append(&b, vmm_dsdt_aml, sizeof(vmm_dsdt_aml));
	xsdt.tables[0] = append_fadt(&b, config, facs_gpa, dsdt_gpa);
	xsdt.tables[1] = append_madt(&b, config);
	xsdt.tables[2] = append_ssdt(&b, config);
	rsdp.xsdt = append_table(&b, &xsdt.h, sizeof(xsdt));

	memcpy(rsdp.signature, "RSD PTR ", 8);
	memcpy(rsdp.oem_id, "HVIS  ", 6);
	rsdp.checksum = checksum(&rsdp, 20);
	rsdp.extended_checksum = checksum(&rsdp, sizeof(rsdp));
	memcpy(buffer, &rsdp, sizeof(rsdp));
	return b.used;
}
