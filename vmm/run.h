/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * `hvhost run`: one VM from start to end, with what belongs to the user's side of it: name and control
 * socket, console, signals, time limit, background.
 */
#ifndef VMM_RUN_H
#define VMM_RUN_H

#include "vmm/config.h"

/*
 * Takes over the process's signals: SIGINT and SIGTERM are blocked and read, SIGHUP and SIGPIPE
 * ignored; a child process that is exec'ed has to undo that. Failures were logged.
 */
enum vmm_exit vmm_run(const struct vmm_config *config);

#endif
