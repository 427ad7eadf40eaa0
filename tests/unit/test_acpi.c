/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"
#include "vmm/acpi/tables.h"
#include "vmm/config.h"

#define GPA 0xe0000u

static uint8_t tables[VMM_ACPI_SIZE_MAX];
static size_t bytes;

static struct vmm_acpi_config config(unsigned cpus)
{
	return (struct vmm_acpi_config){
		.cpus = cpus,
		.pm_port = 0x600,
		.sci = 9,
		.low = { 0xc0000000, 0xfebfffff },
		.high = { 0x180000000, 0x117fffffff },
	};
}

static uint64_t get(const uint8_t *at, unsigned width)
{
	uint64_t value = 0;

	memcpy(&value, at, width);
	return value;
}

static uint8_t sum(const uint8_t *at, size_t len)
{
	uint8_t total = 0;

	while (len--)
		total += *at++;
	return total;
}

/* A table within what was built, its checksum right; NULL otherwise. */
static const uint8_t *table_at(uint64_t gpa, const char *signature)
{
	const uint8_t *at = tables + (gpa - GPA);
	uint64_t len;

	if (!TAP_CHECK(gpa >= GPA && gpa - GPA + 36 <= bytes))
		return NULL;
	len = get(at + 4, 4);
	if (!TAP_CHECK(len >= 36 && gpa - GPA + len <= bytes))
		return NULL;
	if (!TAP_CHECK(memcmp(at, signature, 4) == 0))
		return NULL;
	TAP_EQ(sum(at, len), 0);
	return at;
}

static const uint8_t *find(const char *signature)
{
	const uint8_t *xsdt = table_at(get(tables + 24, 8), "XSDT");

	for (unsigned i = 36; xsdt && i + 8 <= get(xsdt + 4, 4); i += 8) {
		uint64_t gpa = get(xsdt + i, 8);

		if (gpa >= GPA && gpa - GPA < bytes &&
		    memcmp(tables + (gpa - GPA), signature, 4) == 0)
			return table_at(gpa, signature);
	}
	TAP_CHECK(!"a table is missing");
	return NULL;
}

static void build(unsigned cpus)
{
	struct vmm_acpi_config c = config(cpus);

	bytes = vmm_acpi_build(&c, GPA, tables);
}

TAP_TEST(root_pointer_leads_to_tables_with_right_checksums)
{
	const uint8_t *fadt;

	build(1);
	TAP_CHECK(bytes <= sizeof(tables));
	TAP_EQ(memcmp(tables, "RSD PTR ", 8), 0);
	TAP_EQ(sum(tables, 20), 0);
	TAP_EQ(sum(tables, 36), 0);
	TAP_EQ(get(tables + 20, 4), 36);
	fadt = find("FACP");
	TAP_REQUIRE(fadt);
	TAP_CHECK(table_at(get(fadt + 140, 8), "DSDT"));
	TAP_EQ(get(fadt + 40, 4), get(fadt + 140, 8));
	TAP_EQ(get(fadt + 36, 4) % 64, 0);
	TAP_EQ(memcmp(tables + (get(fadt + 36, 4) - GPA), "FACS", 4), 0);
}

/* Offsets from the ACPI specification, not from the structures of tables.c. */
TAP_TEST(fixed_description_says_where_power_management_is)
{
	const uint8_t *fadt;

	build(2);
	fadt = find("FACP");
	TAP_REQUIRE(fadt);
	TAP_EQ(get(fadt + 46, 2), 9);
	TAP_EQ(get(fadt + 48, 4), 0);
	TAP_EQ(get(fadt + 56, 4), 0x600);
	TAP_EQ(get(fadt + 64, 4), 0x604);
	TAP_EQ(get(fadt + 76, 4), 0x608);
	TAP_EQ(fadt[88], 4);
	TAP_EQ(fadt[89], 2);
	TAP_EQ(fadt[91], 4);
	TAP_EQ(get(fadt + 112, 4) & (1u << 10 | 1u << 4), 1u << 10);
	TAP_EQ(fadt[116], 1);
	TAP_EQ(get(fadt + 120, 8), 0x60c);
	TAP_EQ(fadt[128], 1);
	TAP_EQ(get(fadt + 152, 8), 0x600);
	TAP_EQ(get(fadt + 176, 8), 0x604);
	TAP_EQ(get(fadt + 212, 8), 0x608);
}

TAP_TEST(every_processor_is_listed)
{
	for (unsigned count = 1; count <= VMM_CPUS_MAX; count++) {
		const uint8_t *madt;
		unsigned cpus = 0, io_apics = 0, overrides = 0;

		build(count);
		TAP_CHECK(bytes <= sizeof(tables));
		madt = find("APIC");
		TAP_REQUIRE(madt);
		for (uint64_t at = 44; at + 2 <= get(madt + 4, 4); at += madt[at + 1]) {
			TAP_REQUIRE(madt[at + 1] >= 2);
			if (madt[at] == 0) {
				TAP_EQ(madt[at + 3], cpus);
				TAP_EQ(get(madt + at + 4, 4), 1);
				cpus++;
			}
			io_apics += madt[at] == 1;
			overrides += madt[at] == 2;
		}
		TAP_EQ(cpus, count);
		TAP_EQ(io_apics, 1);
		TAP_EQ(overrides, 2);
	}
}

/* True if `text` stands in what iasl makes of a table. */
static bool file_contains(const char *path, const char *text)
{
	static char buffer[65536];
	FILE *file = fopen(path, "r");
	size_t len;

	if (!file)
		return false;
	len = fread(buffer, 1, sizeof(buffer) - 1, file);
	fclose(file);
	buffer[len] = '\0';
	return strstr(buffer, text) != NULL;
}

static bool write_table(const char *folder, const char *name, const uint8_t *table)
{
	char path[256];
	FILE *file;
	bool ok;

	snprintf(path, sizeof(path), "%s/%s.aml", folder, name);
	file = fopen(path, "w");
	if (!file)
		return false;
	ok = fwrite(table, get(table + 4, 4), 1, file) == 1;
	return fclose(file) == 0 && ok;
}

TAP_TEST(disassembler_accepts_the_tables_together)
{
	char folder[] = "/tmp/test_acpi.XXXXXX", command[512], path[256];
	const uint8_t *fadt;
	int status;

	if (system("iasl -v > /dev/null 2>&1"))
		TAP_SKIP("no iasl");
	build(4);
	fadt = find("FACP");
	TAP_REQUIRE(fadt && mkdtemp(folder));
	TAP_CHECK(write_table(folder, "dsdt", tables + (get(fadt + 140, 8) - GPA)));
	TAP_CHECK(write_table(folder, "ssdt", find("SSDT")));
	TAP_CHECK(write_table(folder, "facp", fadt));
	TAP_CHECK(write_table(folder, "apic", find("APIC")));
	snprintf(
		command, sizeof(command),
		"cd %s && iasl -e ssdt.aml -d dsdt.aml > log 2>&1 && iasl -d ssdt.aml facp.aml apic.aml >> log 2>&1",
		folder);
	status = system(command);
	TAP_CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	snprintf(path, sizeof(path), "%s/log", folder);
	TAP_CHECK(!file_contains(path, "rror"));
	TAP_CHECK(!file_contains(path, "arning"));
	snprintf(path, sizeof(path), "%s/ssdt.dsl", folder);
	TAP_CHECK(file_contains(path, "Name (MHI0, 0x0000000180000000)"));
	TAP_CHECK(file_contains(path, "Name (MHIL, 0x0000001000000000)"));
	snprintf(path, sizeof(path), "%s/dsdt.dsl", folder);
	TAP_CHECK(file_contains(path, "Name (_HID, \"VMBUS\")"));
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	TAP_EQ(system(command), 0);
}

TAP_MAIN()
