/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The subcommands that ask a running VM, and the one for traces. Each prints its result to stdout or one line to stderr.
 */
#ifndef VMM_COMMANDS_H
#define VMM_COMMANDS_H

#include <jansson.h>

#include "vmm/cmdline.h"

enum vmm_exit vmm_command_list(const struct vmm_query *query);
enum vmm_exit vmm_command_status(const struct vmm_query *query);
enum vmm_exit vmm_command_heartbeat(const struct vmm_query *query);
enum vmm_exit vmm_command_timesync(const struct vmm_query *query);
enum vmm_exit vmm_command_nmi(const struct vmm_query *query);
enum vmm_exit vmm_command_pause(const struct vmm_query *query);
enum vmm_exit vmm_command_resume(const struct vmm_query *query);
enum vmm_exit vmm_command_nic(const struct vmm_query *query);
enum vmm_exit vmm_command_ip(const struct vmm_query *query);
enum vmm_exit vmm_command_backup(const struct vmm_query *query);
enum vmm_exit vmm_command_copy(const struct vmm_query *query);
enum vmm_exit vmm_command_kvp(const struct vmm_query *query);
enum vmm_exit vmm_command_disk(const struct vmm_query *query);
enum vmm_exit vmm_command_service(const struct vmm_query *query);
enum vmm_exit vmm_command_trace(const struct vmm_query *query);
enum vmm_exit vmm_command_shutdown(const struct vmm_query *query);

/* The disks of `status`; `storage`: an object. */
void vmm_print_disks(const json_t *storage);

#endif
