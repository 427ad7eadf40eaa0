/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "vmm/disk/disk_config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "hvp_scsi.h"

#define MEMORY "memory:"
#define EMPTY  "empty" /* DVD drives */

static const char right_path[] =
	"must begin with the path of an image or block device, or with memory:SIZE, as memory:64M";
static const char right_lun[] = "lun= takes a number from 0 to 63";
static const char right_block[] = "block= takes 512 or 4096";
static const char right_serial[] =
	"serial= takes 1 to 32 printable characters without blanks and commas";
static const char right_format[] = "format= takes auto, raw, vhd or vhdx";
static const char right_option[] =
	"an option must be readonly, dvd, lun=N, serial=TEXT, block=N, format=FORMAT, late=MS or fail=N";
static const char right_late[] = "late= takes milliseconds, from 1 to 600000";
static const char right_fail[] = "fail= takes a number from 1 to 1000000";
static const char right_dvd[] =
	"what is in a DVD drive must be a raw file, with blocks of their own size, or empty";

const char *const vmm_disk_format_names[] = {
	[VMM_DISK_AUTO] = "auto",
	[VMM_DISK_RAW] = "raw",
	[VMM_DISK_VHD] = "vhd",
	[VMM_DISK_VHDX] = "vhdx",
};

/* The names that images go by. */
static const struct {
	const char *suffix;
	enum vmm_disk_format format;
} suffixes[] = {
	{ ".vhd", VMM_DISK_VHD },
	{ ".vhdx", VMM_DISK_VHDX },
	{ ".avhdx", VMM_DISK_VHDX },
};

bool vmm_disk_size_parse(const char *text, uint64_t *bytes)
{
	static const char units[] = "kmgt";
	char *end;
	const char *unit;
	unsigned long long number;
	unsigned shift;

	if (*text < '0' || *text > '9' || strlen(text) > 12)
		return false;
	number = strtoull(text, &end, 10);
	unit = *end ? strchr(units, *end | 0x20) : NULL;
	if (!number || !unit || end[1])
		return false;
	shift = 10 * (unsigned)(unit - units + 1);
	if (number > (uint64_t)INT64_MAX >> shift)
		return false;
	*bytes = number << shift;
	return true;
}

static const char *set_serial(struct vmm_disk_config *config, const char *value)
{
	size_t len = strlen(value);

	if (!len || len > VMM_DISK_SERIAL_MAX)
		return right_serial;
	for (size_t i = 0; i < len; i++)
		if (value[i] <= ' ' || value[i] > '~')
			return right_serial;
	memcpy(config->serial, value, len + 1);
	return NULL;
}

static bool parse_number(const char *value, unsigned min, unsigned max, unsigned *number)
{
	char *end;
	unsigned long parsed = strtoul(value, &end, 10);

	*number = (unsigned)parsed;
	return *value >= '0' && *value <= '9' && !*end && parsed >= min && parsed <= max;
}

bool vmm_disk_format_parse(const char *name, enum vmm_disk_format *format)
{
	for (*format = VMM_DISK_AUTO; *format <= VMM_DISK_VHDX; (*format)++)
		if (!strcmp(name, vmm_disk_format_names[*format]))
			return true;
	return false;
}

static const char *set_option(struct vmm_disk_config *config, const char *option)
{
	if (!strcmp(option, "readonly")) {
		config->read_only = true;
		return NULL;
	}
	if (!strcmp(option, "dvd")) {
		config->dvd = true;
		config->read_only = true;
		return NULL;
	}
	if (!strncmp(option, "lun=", 4))
		return parse_number(option + 4, 0, VMM_DISKS_MAX - 1, &config->lun) ? NULL :
										      right_lun;
	if (!strncmp(option, "serial=", 7))
		return set_serial(config, option + 7);
	if (!strncmp(option, "block=", 6)) {
		config->block_bytes = !strcmp(option + 6, "4096") ? 4096 : 512;
		return strcmp(option + 6, "4096") && strcmp(option + 6, "512") ? right_block : NULL;
	}
	if (!strncmp(option, "late=", 5))
		return parse_number(option + 5, 1, 600000, &config->late_ms) ? NULL : right_late;
	if (!strncmp(option, "fail=", 5))
		return parse_number(option + 5, 1, 1000000, &config->fail_every) ? NULL :
										   right_fail;
	if (!strncmp(option, "format=", 7))
		return vmm_disk_format_parse(option + 7, &config->format) ? NULL : right_format;
	return right_option;
}

static const char *set_path(struct vmm_disk_config *config, const char *text, size_t len)
{
	if (!len || len >= sizeof(config->path))
		return right_path;
	memcpy(config->path, text, len);
	config->path[len] = '\0';
	if (strncmp(config->path, MEMORY, sizeof(MEMORY) - 1))
		return NULL;
	if (!vmm_disk_size_parse(config->path + sizeof(MEMORY) - 1, &config->memory_bytes))
		return right_path;
	config->path[0] = '\0';
	return NULL;
}

/*
 * By its name, which the guest cannot change. By what a file holds nobody can tell: a guest can write an image of its own
 * choice to its raw disk, which then would be one at the next start, as large as it likes.
 */
static enum vmm_disk_format format_by_name(const char *path)
{
	size_t len = strlen(path);

	for (unsigned i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		size_t suffix = strlen(suffixes[i].suffix);

		if (len > suffix && !strcasecmp(path + len - suffix, suffixes[i].suffix))
			return suffixes[i].format;
	}
	return VMM_DISK_AUTO;
}

/* All has been said about a drive. */
static const char *finish_dvd(struct vmm_disk_config *config)
{
	if (config->memory_bytes || config->block_bytes ||
	    (config->format != VMM_DISK_AUTO && config->format != VMM_DISK_RAW))
		return right_dvd;
	config->format = VMM_DISK_RAW;
	config->block_bytes = HVP_DVD_BLOCK;
	if (!strcmp(config->path, EMPTY))
		config->path[0] = '\0';
	return NULL;
}

const char *vmm_disk_config_parse(const char *text, struct vmm_disk_config *config)
{
	size_t len = strcspn(text, ",");
	const char *right;

	*config = (struct vmm_disk_config){ .lun = VMM_DISK_LUN_ANY };
	right = set_path(config, text, len);
	while (!right && text[len]) {
		char option[64];

		text += len + 1;
		len = strcspn(text, ",");
		if (len >= sizeof(option))
			return right_option;
		memcpy(option, text, len);
		option[len] = '\0';
		right = set_option(config, option);
	}
	if (!right && config->dvd)
		right = finish_dvd(config);
	if (config->format == VMM_DISK_AUTO)
		config->format = format_by_name(config->path);
	return right;
}
