/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The user's end of the guest's serial line: the terminal, a file, or nothing.
 *
 * On a terminal: raw mode, so that Ctrl-C and everything else reaches the guest, restored on every
 * way out (also fatal signals and exit()); Ctrl-] leaves: once asks the guest to shut down, twice
 * forces. End of input and a hang-up of the terminal do not end the VM, and neither does being moved
 * to the shell's background. One console at a time: the terminal is the process's.
 */
#ifndef VMM_CONSOLE_H
#define VMM_CONSOLE_H

#include <stddef.h>
#include <stdint.h>

#include "vmm/config.h"

struct vmm_console;
struct vmm_loop;

struct vmm_console_ops {
	/* The user typed. Returns how many bytes were taken; the rest is offered again after vmm_console_resume(). */
	size_t (*input)(void *ctx, const uint8_t *bytes, size_t len);

	/* Ctrl-]: as SIGINT. */
	void (*leave)(void *ctx);

	/* There is room again after vmm_console_offer() took less than all. On the loop. May be NULL. */
	void (*output_room)(void *ctx);
};

/* Negative errno after a line to the log. */
int vmm_console_create(struct vmm_loop *loop, const struct vmm_config *config,
		       const struct vmm_console_ops *ops, void *ctx, struct vmm_console **console);

/* Output is written out first, for up to a second. */
void vmm_console_destroy(struct vmm_console *console);

/* Output of the guest. Any thread; blocks while the terminal is stopped, and drops when it is gone. */
void vmm_console_write(struct vmm_console *console, const uint8_t *bytes, size_t len);

/*
 * The same without blocking, for the loop's thread, which must not wait for a terminal. Returns how
 * many bytes were taken; the rest is to be offered again after ops->output_room().
 */
size_t vmm_console_offer(struct vmm_console *console, const uint8_t *bytes, size_t len);

/*
 * The VM is being stopped: vmm_console_write() blocks no longer, what does not fit is dropped. Call it
 * before waiting for a thread that may be writing. Any thread.
 */
void vmm_console_cut(struct vmm_console *console);

/* There is room for input again. Any thread. */
void vmm_console_resume(struct vmm_console *console);

#endif
