/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "vmm/cmdline.h"

#include <hvh/hvh_inject.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hvp_kvp.h"
#include "hvp_vmbus.h"

#define TEXT(x)	       #x
#define TEXT_OF(x)     TEXT(x)
#define COUNT_OF(list) (sizeof(list) / sizeof((list)[0]))

#define MEMORY_MAX  (1ull << 40)
#define SECONDS_MAX 1000000000u
#define OFFSET_TEXT 20 /* longest "-1000000000.0000000" */

/* One option: `set` stores its value in the config or query, or returns what would be right. */
struct option {
	const char *name;
	bool takes_value;
	const char *(*set)(void *target, const char *value);
};

/* --- values ----------------------------------------------------------------------------------- */

/* Decimal digits only: no sign, no space, no 0x; false also when above `max`. */
static bool parse_number(const char *text, size_t len, uint64_t max, uint64_t *number)
{
	uint64_t value = 0;

	if (!len)
		return false;
	for (size_t i = 0; i < len; i++) {
		unsigned digit = (unsigned)(text[i] - '0');

		if (digit > 9 || value > (max - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	*number = value;
	return true;
}

/* A plain number is refused: whoever writes "512" may mean bytes or megabytes. */
static bool parse_size(const char *text, uint64_t *bytes)
{
	static const char units[] = "kmg";
	const char *unit;
	size_t len = strlen(text);
	uint64_t number;
	unsigned shift;

	if (!len)
		return false;
	unit = strchr(units, text[len - 1] | 0x20);
	if (!unit || !*unit)
		return false;
	shift = 10 * (unsigned)(unit - units + 1);
	if (!parse_number(text, len - 1, UINT64_MAX >> shift, &number))
		return false;
	*bytes = number << shift;
	return true;
}

static bool parse_seconds(const char *value, unsigned *seconds)
{
	uint64_t number;

	if (!parse_number(value, strlen(value), SECONDS_MAX, &number) || !number)
		return false;
	*seconds = (unsigned)number;
	return true;
}

/* "3600", "-0.25": no spaces, no exponent, within SECONDS_MAX. */
static bool parse_offset(const char *value, double *seconds)
{
	const char *digits = value + (*value == '-' || *value == '+');
	size_t whole = strspn(digits, "0123456789"), fraction = 0;
	const char *end = digits + whole;

	if (*end == '.') {
		fraction = strspn(end + 1, "0123456789");
		end += 1 + fraction;
		if (!fraction)
			return false;
	}
	if (!whole || *end || strlen(value) > OFFSET_TEXT)
		return false;
	*seconds = strtod(value, NULL);
	return *seconds <= SECONDS_MAX && *seconds >= -(double)SECONDS_MAX;
}

bool vmm_name_is_valid(const char *name)
{
	size_t len = strlen(name);

	return len >= 1 && len <= VMM_NAME_MAX && name[0] != '.' && name[0] != '-' &&
	       len == strspn(name,
			     "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");
}

static const char right_name[] =
	"a VM's name is 1 to " TEXT_OF(VMM_NAME_MAX) " of A-Z a-z 0-9 . _ -, "
						     "and begins with a letter, a digit or _";
static const char right_seconds[] = "must be a number of seconds from 1";

/* --- options of `run` ------------------------------------------------------------------------- */

static const char *set_name(void *target, const char *value)
{
	((struct vmm_config *)target)->name = value;
	return vmm_name_is_valid(value) ? NULL : right_name;
}

static const char *set_cpus(void *target, const char *value)
{
	uint64_t number;

	if (!parse_number(value, strlen(value), VMM_CPUS_MAX, &number) || !number)
		return "must be a number from 1 to " TEXT_OF(VMM_CPUS_MAX);
	((struct vmm_config *)target)->cpus = (unsigned)number;
	return NULL;
}

static const char *set_memory(void *target, const char *value)
{
	struct vmm_config *config = target;
	uint64_t bytes;

	if (!parse_size(value, &bytes))
		return "must be a size with its unit, as 512M or 2G";
	if (bytes < VMM_MEMORY_MIN)
		return "too little memory: at least 64M";
	if (bytes > MEMORY_MAX)
		return "too much memory: at most 1024G";
	if (bytes % (1u << 20))
		return "must be a multiple of 1M";
	config->memory_bytes = bytes;
	return NULL;
}

static const char *set_mmio_gap(void *target, const char *value)
{
	struct vmm_config *config = target;
	uint64_t bytes;

	if (!parse_size(value, &bytes))
		return "must be a size with its unit, as 512M or 2G";
	if (bytes < VMM_MMIO_GAP_MIN || bytes > VMM_MMIO_GAP_MAX)
		return "must be from 128M to 3584M";
	if (bytes % (1u << 20))
		return "must be a multiple of 1M";
	config->mmio_gap_bytes = bytes;
	return NULL;
}

static const char *set_path(const char **path, const char *value)
{
	*path = value;
	return *value ? NULL : "must name a file";
}

static const char *set_kernel(void *target, const char *value)
{
	return set_path(&((struct vmm_config *)target)->kernel, value);
}

static const char *set_initrd(void *target, const char *value)
{
	return set_path(&((struct vmm_config *)target)->initrd, value);
}

static const char *set_append(void *target, const char *value)
{
	((struct vmm_config *)target)->append = value;
	return NULL;
}

static const char *set_serial(void *target, const char *value)
{
	struct vmm_config *config = target;

	config->serial_path = NULL;
	if (strcmp(value, "stdio") == 0) {
		config->serial = VMM_SERIAL_STDIO;
	} else if (strcmp(value, "none") == 0) {
		config->serial = VMM_SERIAL_NONE;
	} else if (strncmp(value, "file:", 5) == 0 && value[5]) {
		config->serial = VMM_SERIAL_FILE;
		config->serial_path = value + 5;
	} else {
		return "must be stdio, file:PATH or none";
	}
	return NULL;
}

static const char *set_trace(void *target, const char *value)
{
	return set_path(&((struct vmm_config *)target)->trace_path, value);
}

static const char *const accel_names[] = {
	[VMM_ACCEL_AUTO] = "auto",
	[VMM_ACCEL_KVM] = "kvm",
	[VMM_ACCEL_NESTED] = "nested",
};

static const char *set_accel(void *target, const char *value)
{
	for (size_t i = 0; i < COUNT_OF(accel_names); i++)
		if (strcmp(value, accel_names[i]) == 0) {
			((struct vmm_config *)target)->accel = (enum vmm_accel)i;
			return NULL;
		}
	return "must be auto, kvm or nested";
}

static const struct {
	const char *text;
	uint32_t number;
} versions[] = {
#define VERSION_ENTRY(major, minor) { #major "." #minor, HVP_VERSION_##major##_##minor },
	HVP_VERSION_LIST(VERSION_ENTRY)
#undef VERSION_ENTRY
};

static const char *set_vmbus_version(void *target, const char *value)
{
	for (size_t i = 0; i < COUNT_OF(versions); i++)
		if (strcmp(value, versions[i].text) == 0 && versions[i].number <= HVP_VERSION_5_3) {
			((struct vmm_config *)target)->vmbus_version_max = versions[i].number;
			return NULL;
		}
	return "must be one of 2.4 3.0 4.0 4.1 5.0 5.1 5.2 5.3";
}

static const struct {
	const char *name;
	unsigned bit;
} services[] = {
#define SERVICE_ENTRY(bit, name) { #name, VMM_SERVICE_##name },
	VMM_SERVICE_LIST(SERVICE_ENTRY)
#undef SERVICE_ENTRY
};

static const char *find_service(const char *name, unsigned *bit)
{
#define SERVICE_TEXT(bit, name) " " #name
	static const char right[] = "must be one of" VMM_SERVICE_LIST(SERVICE_TEXT);
#undef SERVICE_TEXT

	for (size_t i = 0; i < COUNT_OF(services); i++)
		if (strcmp(name, services[i].name) == 0) {
			*bit = services[i].bit;
			return NULL;
		}
	return right;
}

static const char *set_no_service(void *target, const char *value)
{
	unsigned bit = 0;
	const char *right = find_service(value, &bit);

	((struct vmm_config *)target)->services_off |= bit;
	return right;
}

static const struct {
	const char *name;
	unsigned bit;
} enlightenments[] = {
#define ENLIGHTENMENT_ENTRY(bit, id, name) { name, VMM_ENLIGHTENMENT_##id },
	VMM_ENLIGHTENMENT_LIST(ENLIGHTENMENT_ENTRY)
#undef ENLIGHTENMENT_ENTRY
};

static const char *set_no_enlightenment(void *target, const char *value)
{
#define ENLIGHTENMENT_TEXT(bit, id, name) " " name
	static const char right[] = "must be one of" VMM_ENLIGHTENMENT_LIST(ENLIGHTENMENT_TEXT);
#undef ENLIGHTENMENT_TEXT

	for (size_t i = 0; i < COUNT_OF(enlightenments); i++)
		if (strcmp(value, enlightenments[i].name) == 0) {
			((struct vmm_config *)target)->enlightenments_off |= enlightenments[i].bit;
			return NULL;
		}
	return right;
}

static const char *add_nic(void *target, const char *value)
{
	struct vmm_config *config = target;
	struct vmm_nic_config nic;

	if (config->nics == VMM_NICS_MAX)
		return "there are at most " TEXT_OF(VMM_NICS_MAX) " network adapters";
	config->nic[config->nics++] = value;
	return vmm_nic_config_parse(value, &nic);
}

static const char *add_disk(void *target, const char *value)
{
	struct vmm_config *config = target;
	struct vmm_disk_config disk;

	if (config->disks == VMM_DISKS_MAX)
		return "there are at most " TEXT_OF(VMM_DISKS_MAX) " disks";
	config->disk[config->disks++] = value;
	return vmm_disk_config_parse(value, &disk);
}

static const char *set_inject(void *target, const char *value)
{
	static char error[256];
	struct hvh_inject rules;

	if (hvh_inject_parse(value, &rules, error, sizeof(error)))
		return error;
	((struct vmm_config *)target)->inject = value;
	return NULL;
}

static const char *set_timeout(void *target, const char *value)
{
	return parse_seconds(value, &((struct vmm_config *)target)->timeout_seconds) ?
		       NULL :
		       right_seconds;
}

static const char *set_daemonize(void *target, const char *value)
{
	(void)value;
	((struct vmm_config *)target)->daemonize = true;
	return NULL;
}

static const struct option run_options[] = {
	{ "--name", true, set_name },
	{ "--cpus", true, set_cpus },
	{ "--memory", true, set_memory },
	{ "--mmio-gap", true, set_mmio_gap },
	{ "--kernel", true, set_kernel },
	{ "--initrd", true, set_initrd },
	{ "--append", true, set_append },
	{ "--serial", true, set_serial },
	{ "--trace", true, set_trace },
	{ "--accel", true, set_accel },
	{ "--vmbus-version", true, set_vmbus_version },
	{ "--no-service", true, set_no_service },
	{ "--no-enlightenment", true, set_no_enlightenment },
	{ "--nic", true, add_nic },
	{ "--disk", true, add_disk },
	{ "--inject", true, set_inject },
	{ "--timeout", true, set_timeout },
	{ "--daemonize", false, set_daemonize },
	{ NULL, false, NULL },
};

/* --- options of the others -------------------------------------------------------------------- */

static const char *set_json(void *target, const char *value)
{
	(void)value;
	((struct vmm_query *)target)->json = true;
	return NULL;
}

static const char *set_force(void *target, const char *value)
{
	(void)value;
	((struct vmm_query *)target)->force = true;
	return NULL;
}

static const char *set_reboot(void *target, const char *value)
{
	(void)value;
	((struct vmm_query *)target)->reboot = true;
	return NULL;
}

static const char *set_hibernate(void *target, const char *value)
{
	(void)value;
	((struct vmm_query *)target)->hibernate = true;
	return NULL;
}

static const char *set_power_button(void *target, const char *value)
{
	(void)value;
	((struct vmm_query *)target)->power_button = true;
	return NULL;
}

static const char *set_query_timeout(void *target, const char *value)
{
	return parse_seconds(value, &((struct vmm_query *)target)->timeout_seconds) ? NULL :
										      right_seconds;
}

static const char *set_offset(void *target, const char *value)
{
	return parse_offset(value, &((struct vmm_query *)target)->offset_seconds) ?
		       NULL :
		       "must be a number of seconds, as 3600 or -0.5";
}

static const char *set_pool(void *target, const char *value)
{
#define POOL_NAME(number, id, name) name,
	static const char *const names[] = { HVP_KVP_POOL_LIST(POOL_NAME) };
#undef POOL_NAME

	((struct vmm_query *)target)->pool = value;
	for (size_t i = 0; i < COUNT_OF(names); i++)
		if (strcmp(value, names[i]) == 0)
			return NULL;
	return "must be external, guest, auto or auto-external";
}

static const char *set_dhcp(void *target, const char *value)
{
	(void)value;
	((struct vmm_query *)target)->dhcp = true;
	return NULL;
}

static const char *add_to_list(const char *list[VMM_QUERY_LIST_MAX], const char *value)
{
	for (unsigned i = 0; i < VMM_QUERY_LIST_MAX; i++)
		if (!list[i]) {
			list[i] = value;
			return NULL;
		}
	return "there are at most " TEXT_OF(VMM_QUERY_LIST_MAX);
}

static const char *add_address(void *target, const char *value)
{
	return add_to_list(((struct vmm_query *)target)->addresses, value);
}

static const char *add_gateway(void *target, const char *value)
{
	return add_to_list(((struct vmm_query *)target)->gateways, value);
}

static const char *add_dns(void *target, const char *value)
{
	return add_to_list(((struct vmm_query *)target)->dns, value);
}

static const char *set_create_dirs(void *target, const char *value)
{
	(void)value;
	((struct vmm_query *)target)->create_dirs = true;
	return NULL;
}

static const char *set_overwrite(void *target, const char *value)
{
	(void)value;
	((struct vmm_query *)target)->overwrite = true;
	return NULL;
}

static const char *set_freeze_limit(void *target, const char *value)
{
	uint64_t seconds;

	if (!parse_number(value, strlen(value), 3600, &seconds) || !seconds)
		return "must be seconds, from 1 to 3600";
	((struct vmm_query *)target)->freeze_seconds = (unsigned)seconds;
	return NULL;
}

static const struct option json_option = { "--json", false, set_json };
static const struct option pool_option = { "--pool", true, set_pool };
static const struct option ip_options[] = {
	/* clang-format off */
	{ "--dhcp", false, set_dhcp },
	{ "--address", true, add_address },
	{ "--gateway", true, add_gateway },
	{ "--dns", true, add_dns },
	/* clang-format on */
};
static const struct option copy_options[] = {
	{ "--create-dirs", false, set_create_dirs },
	{ "--overwrite", false, set_overwrite },
};
static const struct option backup_options[] = {
	{ "--freeze-limit", true, set_freeze_limit },
	{ "--timeout", true, set_query_timeout },
};
static const struct option offset_option = { "--offset", true, set_offset };
static const struct option shutdown_options[] = {
	/* clang-format off */
	{ "--force", false, set_force },
	{ "--reboot", false, set_reboot },
	{ "--hibernate", false, set_hibernate },
	{ "--power-button", false, set_power_button },
	{ "--timeout", true, set_query_timeout },
	/* clang-format on */
};

/* --- the parser ------------------------------------------------------------------------------- */

#define OPERANDS_MAX 4

struct parser {
	const struct option *options; /* a NULL name ends them */
	void *target;
	char *error;
	size_t error_size;
	const char *operands[OPERANDS_MAX]; /* arguments that are no options */
	unsigned operand_count;
};

__attribute__((format(printf, 2, 3))) static enum vmm_cmdline_result fail(struct parser *p,
									  const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(p->error, p->error_size, format, args);
	va_end(args);
	/* Arguments are anybody's bytes; the error stays one line. */
	for (char *c = p->error; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?';
	return VMM_CMDLINE_ERROR;
}

static enum vmm_cmdline_result parse_option(struct parser *p, int argc, char *const *argv, int *i)
{
	const char *arg = argv[*i], *equals = strchr(arg, '='), *value = equals ? equals + 1 : NULL,
		   *right;
	size_t name_len = equals ? (size_t)(equals - arg) : strlen(arg);
	const struct option *o = p->options;

	while (o->name && (strlen(o->name) != name_len || strncmp(o->name, arg, name_len) != 0))
		o++;
	if (!o->name)
		return fail(p, "unknown option '%.*s'", (int)(name_len < 64 ? name_len : 64), arg);
	if (!o->takes_value && value)
		return fail(p, "%s takes no value", o->name);
	if (o->takes_value && !value) {
		if (*i + 1 >= argc)
			return fail(p, "%s needs a value", o->name);
		value = argv[++*i];
	}
	right = o->set(p->target, value);
	return right ? fail(p, "%s '%.64s': %s", o->name, value, right) : VMM_CMDLINE_OK;
}

static enum vmm_cmdline_result parse(struct parser *p, int argc, char *const *argv,
				     unsigned operands_max)
{
	bool options_ended = false;

	for (int i = 0; i < argc; i++) {
		enum vmm_cmdline_result result;

		if (options_ended || argv[i][0] != '-') {
			if (p->operand_count == operands_max)
				return fail(p, "'%.64s' is one argument too many", argv[i]);
			p->operands[p->operand_count++] = argv[i];
			continue;
		}
		if (strcmp(argv[i], "--") == 0) {
			options_ended = true;
			continue;
		}
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return VMM_CMDLINE_HELP;
		result = parse_option(p, argc, argv, &i);
		if (result != VMM_CMDLINE_OK)
			return result;
	}
	return VMM_CMDLINE_OK;
}

enum vmm_cmdline_result vmm_cmdline_run(int argc, char *const *argv, struct vmm_config *config,
					char *error, size_t error_size)
{
	struct parser p = {
		.options = run_options, .target = config, .error = error, .error_size = error_size
	};
	enum vmm_cmdline_result result;
	/* Without a terminal of its own a VM has nobody to type on stdio. */
	const enum vmm_serial_kind undecided = (enum vmm_serial_kind) - 1;

	*config = (struct vmm_config){
		.cpus = 1,
		.memory_bytes = VMM_MEMORY_DEFAULT,
		.mmio_gap_bytes = VMM_MMIO_GAP_DEFAULT,
		.serial = undecided,
		.accel = VMM_ACCEL_AUTO,
		.vmbus_version_max = HVP_VERSION_5_3,
	};
	result = parse(&p, argc, argv, 0);
	if (result != VMM_CMDLINE_OK)
		return result;
	if (!config->name)
		return fail(&p, "--name is missing: give the VM a name, as --name demo");
	if (!config->kernel)
		return fail(
			&p,
			"--kernel is missing: name the guest's kernel file, as --kernel /boot/vmlinuz");
	if (config->serial == undecided)
		config->serial = config->daemonize ? VMM_SERIAL_NONE : VMM_SERIAL_STDIO;
	if (config->daemonize && config->serial == VMM_SERIAL_STDIO)
		return fail(&p,
			    "--serial 'stdio': does not go with --daemonize; use file:PATH or none");
	return VMM_CMDLINE_OK;
}

/* "on SERVICE" or "off SERVICE", behind the VM's name. */
static enum vmm_cmdline_result parse_switch(struct parser *p, struct vmm_query *query)
{
	unsigned service;
	const char *right;

	query->on = strcmp(p->operands[1], "on") == 0;
	if (!query->on && strcmp(p->operands[1], "off") != 0)
		return fail(p, "'%.64s': must be on or off", p->operands[1]);
	query->service = p->operands[2];
	if (!query->service)
		return fail(p, "name the service behind '%s'", p->operands[1]);
	right = find_service(query->service, &service);
	return right ? fail(p, "'%.64s': %s", query->service, right) : VMM_CMDLINE_OK;
}

static enum vmm_cmdline_result parse_nic_kind(struct parser *p, struct vmm_query *query)
{
	struct vmm_nic_config config;
	const char *right;

	query->nic_kind = p->operands[2];
	if (!query->nic_kind)
		return fail(p, "say behind 'add' what kind of network adapter, as --nic of run");
	right = vmm_nic_config_parse(query->nic_kind, &config);
	return right ? fail(p, "'%.64s': %s", query->nic_kind, right) : VMM_CMDLINE_OK;
}

/* "add" and its kind, or another order and a number, 0 if there is none; "remove" wants one. */
static enum vmm_cmdline_result parse_nic(struct parser *p, struct vmm_query *query)
{
	static const char *const orders[] = { "add", "remove", "connect", "disconnect", "changed" };
	const char *number = p->operands[2] ? p->operands[2] : "0";
	unsigned order = 0;
	uint64_t nic;

	query->nic_order = p->operands[1];
	while (order < COUNT_OF(orders) && strcmp(query->nic_order, orders[order]))
		order++;
	if (order == COUNT_OF(orders))
		return fail(p, "'%.64s': must be add, remove, connect, disconnect or changed",
			    query->nic_order);
	if (!order)
		return parse_nic_kind(p, query);
	if (order == 1 && !p->operands[2])
		return fail(p, "say behind 'remove' which network adapter, from 0");
	if (!parse_number(number, strlen(number), VMM_NICS_MAX - 1, &nic))
		return fail(p, "'%.64s': must be the number of a network adapter, from 0", number);
	query->nic = (unsigned)nic;
	return VMM_CMDLINE_OK;
}

/* What to do with how many operands behind it, and these. */
static enum vmm_cmdline_result parse_kvp(struct parser *p, struct vmm_query *query)
{
	static const char *const orders[] = { "list", "get", "set", "delete" };
	static const unsigned operands[] = { 2, 3, 4, 3 };
	unsigned i = 0;

	query->kvp_order = p->operand_count > 1 ? p->operands[1] : orders[0];
	while (i < COUNT_OF(orders) && strcmp(query->kvp_order, orders[i]) != 0)
		i++;
	if (i == COUNT_OF(orders))
		return fail(p, "'%.64s': must be list, get, set or delete", query->kvp_order);
	if (p->operand_count > operands[i])
		return fail(p, "'%.64s': too many arguments", p->operands[operands[i]]);
	query->key = p->operands[2];
	query->value = p->operands[3];
	if (i && p->operand_count < operands[i])
		return fail(p, "name the %s behind %s", query->key ? "value" : "key",
			    query->kvp_order);
	return VMM_CMDLINE_OK;
}

/* "get" or "set", and a number, 0 if there is none. */
static enum vmm_cmdline_result parse_ip(struct parser *p, struct vmm_query *query)
{
	const char *order = p->operand_count > 1 ? p->operands[1] : "get";
	const char *number = p->operand_count > 2 ? p->operands[2] : "0";
	bool settings = query->dhcp || query->addresses[0] || query->gateways[0] || query->dns[0];
	uint64_t nic;

	query->ip_set = strcmp(order, "set") == 0;
	if (!query->ip_set && strcmp(order, "get") != 0)
		return fail(p, "'%.64s': must be get or set", order);
	if (!parse_number(number, strlen(number), VMM_NICS_MAX - 1, &nic))
		return fail(p, "'%.64s': must be the number of a network adapter, from 0", number);
	query->nic = (unsigned)nic;
	if (settings && !query->ip_set)
		return fail(p, "settings go with set");
	if (query->ip_set && !query->dhcp && !query->addresses[0])
		return fail(p, "set needs --dhcp or --address");
	return VMM_CMDLINE_OK;
}

/* "add DISK", "remove LUN", "resize LUN [SIZE]", "eject LUN" or "insert LUN FILE". */
static enum vmm_cmdline_result parse_disk(struct parser *p, struct vmm_query *query)
{
	const char *what = p->operands[2], *size = p->operands[3];
	struct vmm_disk_config disk;
	uint64_t lun;
	bool insert;

	query->disk_order = p->operands[1];
	insert = !strcmp(query->disk_order, "insert");
	if (!insert && strcmp(query->disk_order, "add") && strcmp(query->disk_order, "remove") &&
	    strcmp(query->disk_order, "resize") && strcmp(query->disk_order, "eject"))
		return fail(p, "'%.64s': must be add, remove, resize, eject or insert",
			    query->disk_order);
	if (!what)
		return fail(p, "say which disk to %s", query->disk_order);
	if (insert && !size)
		return fail(p, "say which file to insert");
	if (size && !insert && strcmp(query->disk_order, "resize"))
		return fail(p, "'%.64s' is one argument too many", size);
	if (!strcmp(query->disk_order, "add")) {
		const char *right = vmm_disk_config_parse(what, &disk);

		query->disk = what;
		return right ? fail(p, "'%.64s': %s", what, right) : VMM_CMDLINE_OK;
	}
	if (!parse_number(what, strlen(what), VMM_DISKS_MAX - 1, &lun))
		return fail(p, "'%.64s': must be the number (LUN) of a disk, from 0", what);
	query->lun = (unsigned)lun;
	if (insert)
		query->medium = size;
	else if (size && !vmm_disk_size_parse(size, &query->disk_bytes))
		return fail(p, "'%.64s': must be a size with its unit, as 512M or 20G", size);
	return VMM_CMDLINE_OK;
}

static enum vmm_cmdline_result parse_copy(struct parser *p, struct vmm_query *query)
{
	query->source = p->operands[1];
	query->target = p->operands[2];
	if (!query->source)
		return fail(p, "name the file to copy");
	if (!query->target)
		return fail(p, "say where in the guest it goes");
	if (query->target[0] != '/')
		return fail(p, "'%.64s': must be a path in the guest that begins with /",
			    query->target);
	return VMM_CMDLINE_OK;
}

static enum vmm_cmdline_result parse_backup(struct parser *p, struct vmm_query *query)
{
	query->folder = p->operands[1];
	if (!query->folder || !*query->folder)
		return fail(p, "name the folder that the backup is to be");
	return VMM_CMDLINE_OK;
}

static enum vmm_cmdline_result parse_trace(struct parser *p, struct vmm_query *query)
{
	if (!p->operands[0])
		return fail(p, "say what to do with a trace: normalise FILE");
	if (strcmp(p->operands[0], "normalise") != 0)
		return fail(p, "'%.64s': must be normalise", p->operands[0]);
	query->trace_path = p->operands[1];
	return query->trace_path ?
		       VMM_CMDLINE_OK :
		       fail(p, "name the file of the trace, or - for the standard input");
}

static unsigned operands_max(unsigned takes)
{
	const unsigned three = VMM_TAKES_SWITCH | VMM_TAKES_NIC | VMM_TAKES_IP | VMM_TAKES_COPY;

	if (takes & (VMM_TAKES_KVP | VMM_TAKES_DISK))
		return 4;
	if (takes & three)
		return 3;
	return takes & (VMM_TAKES_TRACE | VMM_TAKES_BACKUP) ? 2 : (takes & VMM_TAKES_NAME) != 0;
}

enum vmm_cmdline_result vmm_cmdline_query(int argc, char *const *argv, unsigned takes,
					  struct vmm_query *query, char *error, size_t error_size)
{
	struct option options[COUNT_OF(shutdown_options) + COUNT_OF(ip_options) + 4] = { 0 };
	struct parser p = {
		.options = options, .target = query, .error = error, .error_size = error_size
	};
	enum vmm_cmdline_result result;
	size_t count = 0;

	if (takes & VMM_TAKES_JSON)
		options[count++] = json_option;
	if (takes & VMM_TAKES_KVP)
		options[count++] = pool_option;
	if (takes & VMM_TAKES_IP) {
		memcpy(&options[count], ip_options, sizeof(ip_options));
		count += COUNT_OF(ip_options);
	}
	if (takes & VMM_TAKES_COPY) {
		memcpy(&options[count], copy_options, sizeof(copy_options));
		count += COUNT_OF(copy_options);
	}
	if (takes & VMM_TAKES_BACKUP) {
		memcpy(&options[count], backup_options, sizeof(backup_options));
		count += COUNT_OF(backup_options);
	}
	if (takes & VMM_TAKES_OFFSET)
		options[count++] = offset_option;
	if (takes & VMM_TAKES_SHUTDOWN)
		memcpy(&options[count], shutdown_options, sizeof(shutdown_options));
	*query = (struct vmm_query){ 0 };
	result = parse(&p, argc, argv, operands_max(takes));
	if (result != VMM_CMDLINE_OK)
		return result;
	if (takes & VMM_TAKES_TRACE)
		return parse_trace(&p, query);
	query->name = p.operands[0];
	if ((takes & VMM_TAKES_NAME) && !query->name)
		return fail(&p, "name the VM; `hvhost list` shows those that run");
	if (query->name && !vmm_name_is_valid(query->name))
		return fail(&p, "'%.64s': %s", query->name, right_name);
	if (query->force + query->reboot + query->hibernate + query->power_button > 1)
		return fail(
			&p,
			"only one of --force, --reboot, --hibernate and --power-button can be had");
	if (takes & VMM_TAKES_KVP)
		return parse_kvp(&p, query);
	if (takes & VMM_TAKES_IP)
		return parse_ip(&p, query);
	if (takes & VMM_TAKES_COPY)
		return parse_copy(&p, query);
	if (takes & VMM_TAKES_BACKUP)
		return parse_backup(&p, query);
	if (p.operand_count < 2)
		return VMM_CMDLINE_OK;
	if (takes & VMM_TAKES_DISK)
		return parse_disk(&p, query);
	return takes & VMM_TAKES_NIC ? parse_nic(&p, query) : parse_switch(&p, query);
}

/* --- the way back ----------------------------------------------------------------------------- */

/* Both passes over the arguments: with `argv` NULL it only counts. */
struct argv_writer {
	char **argv;
	char *text;
	size_t count;
	size_t text_bytes;
	size_t text_size; /* of `text` */
};

__attribute__((format(printf, 2, 3))) static void put(struct argv_writer *w, const char *format,
						      ...)
{
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(w->argv ? w->text + w->text_bytes : NULL,
			w->argv ? w->text_size - w->text_bytes : 0, format, args);
	va_end(args);
	if (w->argv)
		w->argv[w->count] = w->text + w->text_bytes;
	w->count++;
	w->text_bytes += (size_t)len + 1;
}

static void put_config(struct argv_writer *w, const struct vmm_config *config)
{
	/* "--option=value", so that a value may begin with a minus */
	put(w, "--name=%s", config->name);
	put(w, "--cpus=%u", config->cpus);
	put(w, "--memory=%lluK", (unsigned long long)config->memory_bytes >> 10);
	put(w, "--mmio-gap=%lluK", (unsigned long long)config->mmio_gap_bytes >> 10);
	put(w, "--kernel=%s", config->kernel);
	if (config->initrd)
		put(w, "--initrd=%s", config->initrd);
	if (config->append)
		put(w, "--append=%s", config->append);
	if (config->serial == VMM_SERIAL_FILE)
		put(w, "--serial=file:%s", config->serial_path);
	else
		put(w, "--serial=%s", config->serial == VMM_SERIAL_STDIO ? "stdio" : "none");
	if (config->trace_path)
		put(w, "--trace=%s", config->trace_path);
	put(w, "--accel=%s", accel_names[config->accel]);
	for (size_t i = 0; i < COUNT_OF(versions); i++)
		if (config->vmbus_version_max == versions[i].number)
			put(w, "--vmbus-version=%s", versions[i].text);
	for (size_t i = 0; i < COUNT_OF(services); i++)
		if (config->services_off & services[i].bit)
			put(w, "--no-service=%s", services[i].name);
	for (size_t i = 0; i < COUNT_OF(enlightenments); i++)
		if (config->enlightenments_off & enlightenments[i].bit)
			put(w, "--no-enlightenment=%s", enlightenments[i].name);
	for (unsigned i = 0; i < config->nics; i++)
		put(w, "--nic=%s", config->nic[i]);
	for (unsigned i = 0; i < config->disks; i++)
		put(w, "--disk=%s", config->disk[i]);
	if (config->inject)
		put(w, "--inject=%s", config->inject);
	if (config->timeout_seconds)
		put(w, "--timeout=%u", config->timeout_seconds);
	if (config->daemonize)
		put(w, "--daemonize");
}

bool vmm_config_needs_network(const struct vmm_config *config)
{
	for (unsigned i = 0; i < config->nics; i++)
		if (!strncmp(config->nic[i], "user", 4))
			return true;
	return false;
}

char **vmm_config_to_argv(const struct vmm_config *config)
{
	struct argv_writer size = { 0 }, w = { 0 };

	put_config(&size, config);
	w.text_size = size.text_bytes;
	w.argv = malloc((size.count + 1) * sizeof(*w.argv) + size.text_bytes);
	if (!w.argv)
		return NULL;
	w.text = (char *)(w.argv + size.count + 1);
	put_config(&w, config);
	w.argv[w.count] = NULL;
	return w.argv;
}
