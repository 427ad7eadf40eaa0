/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The arguments of hvhost's subcommands. Options are spelled in full, "--cpus 2" or "--cpus=2"; the
 * last one counts; "--" ends them.
 */
#ifndef VMM_CMDLINE_H
#define VMM_CMDLINE_H

#include <stdbool.h>
#include <stddef.h>

#include "vmm/config.h"

enum vmm_cmdline_result {
	VMM_CMDLINE_OK,
	VMM_CMDLINE_HELP, /* --help was among them */
	VMM_CMDLINE_ERROR, /* `error` holds one line: which argument, and what is right */
};

/* How often an option may be given that makes a list. */
#define VMM_QUERY_LIST_MAX 16

/* The options that all the subcommands which talk to a running VM may have. */
struct vmm_query {
	const char *name; /* of the VM; NULL where the subcommand takes none */
	bool json;
	bool force;
	bool reboot;
	bool hibernate;
	bool power_button;
	unsigned timeout_seconds;
	double offset_seconds;
	const char *service; /* to be switched; NULL: none */
	bool on; /* or off */
	const char *nic_order; /* "add", "remove", "connect", "disconnect" or "changed"; NULL: none */
	const char *nic_kind; /* "add": as --nic takes it; else NULL */
	unsigned nic; /* its number */
	const char *kvp_order; /* "list", "get", "set" or "delete" */
	const char *key; /* of those but the first */
	const char *value; /* of "set" */
	const char *pool; /* NULL: not told */
	bool ip_set; /* or get */
	bool dhcp;
	const char *addresses[VMM_QUERY_LIST_MAX]; /* NULL ends each of these, but for a full one */
	const char *gateways[VMM_QUERY_LIST_MAX];
	const char *dns[VMM_QUERY_LIST_MAX];
	const char *source; /* of a copy: a file here */
	const char *target; /* an absolute path in the guest */
	const char *folder; /* for a backup */
	unsigned freeze_seconds; /* that the guest may be frozen */
	bool create_dirs;
	bool overwrite;
	const char *disk_order; /* "add", "remove", "resize", "eject" or "insert"; NULL: none */
	const char *disk; /* to be added: as --disk has it */
	const char *medium; /* to be inserted: a file */
	unsigned lun;
	uint64_t disk_bytes; /* 0: what the file has now */
	const char *trace_path; /* to be normalised */
};

/* Which of them a subcommand has. */
enum vmm_query_takes {
	VMM_TAKES_NAME = 1 << 0,
	VMM_TAKES_JSON = 1 << 1,
	VMM_TAKES_SHUTDOWN = 1 << 2, /* --force --reboot --hibernate --power-button --timeout */
	VMM_TAKES_OFFSET = 1 << 3, /* --offset */
	VMM_TAKES_SWITCH = 1 << 4, /* behind the name: nothing, or on or off and a service */
	VMM_TAKES_NIC =
		1 << 6, /* behind the name: nothing, or what to do and the number of a network adapter */
	VMM_TAKES_KVP = 1 << 7, /* behind the name: what to do, key, value; --pool */
	VMM_TAKES_IP =
		1 << 8, /* behind the name: get or set, and the number of a network adapter; --dhcp and so on */
	VMM_TAKES_DISK = 1 << 9, /* behind the name: nothing, or what to do to a disk */
	VMM_TAKES_COPY =
		1 << 10, /* behind the name: a file and where it goes; --create-dirs --overwrite */
	VMM_TAKES_BACKUP = 1 << 11, /* behind the name: a folder; --freeze-limit --timeout */
	VMM_TAKES_TRACE = 1 << 5, /* "normalise" and a file, instead of a name */
};

/* `argv`: what follows the subcommand's name. Strings of `config` and `query` are borrowed from it. */
enum vmm_cmdline_result vmm_cmdline_run(int argc, char *const *argv, struct vmm_config *config,
					char *error, size_t error_size);
enum vmm_cmdline_result vmm_cmdline_query(int argc, char *const *argv, unsigned takes,
					  struct vmm_query *query, char *error, size_t error_size);

/* A VM's name: 1 to 64 of A-Z a-z 0-9 . _ -, the first one no dot and no minus. It becomes part of a file name. */
#define VMM_NAME_MAX 64
bool vmm_name_is_valid(const char *name);

/*
 * The arguments from which vmm_cmdline_run() makes the same config; NULL at the end. To replace
 * paths change a copy of the config first. To be freed with one free(); NULL: no memory.
 */
char **vmm_config_to_argv(const struct vmm_config *config);

/* Some network adapter of the VM reaches other machines. */
bool vmm_config_needs_network(const struct vmm_config *config);

#endif
