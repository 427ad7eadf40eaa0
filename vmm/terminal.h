/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The terminal's mode: raw while a guest has it, and back to what it was on every way out of the
 * process that can be caught: exit(), fatal signals, stopping by SIGTSTP. One terminal per process.
 */
#ifndef VMM_TERMINAL_H
#define VMM_TERMINAL_H

#include <stdbool.h>

/* This is the terminal. Installs handlers for fatal signals that the process leaves at their default, and for faults. */
void vmm_terminal_take(int fd);

/* Raw mode; false where the terminal is not ours to change: background, or gone. */
bool vmm_terminal_raw(void);

/* True while the shell has lent the terminal to another job, so that reading it would be wrong. */
bool vmm_terminal_is_background(void);

/* The mode that it had, and the handlers away. Harmless without vmm_terminal_take(). */
void vmm_terminal_give_back(void);

#endif
