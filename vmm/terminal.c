/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "vmm/terminal.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "vmm/log.h"

#define COUNT_OF(list) (sizeof(list) / sizeof((list)[0]))

/* Signals that end a process unless it says otherwise; the first ones also if it does (a sanitizer's report). */
static const int fatal_signals[] = {
	/* clang-format off */
	SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGSYS,
	SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGPIPE, SIGALRM, SIGTERM, SIGXCPU, SIGXFSZ, SIGPROF, SIGVTALRM,
	/* clang-format on */
};
#define FAULTS 7

static int terminal_fd = -1;
static volatile sig_atomic_t saved_is_valid; /* `saved` and `raw` are set and will not change */
static struct termios saved, raw;

static struct sigaction old_fatal[COUNT_OF(fatal_signals)];
static struct sigaction old_stop, old_continue, old_ttin, old_ttou;

/* In this file all that signal handlers reach is on POSIX's list of what they may call. */

bool vmm_terminal_is_background(void)
{
	pid_t group = terminal_fd >= 0 ? tcgetpgrp(terminal_fd) : -1;

	/* An error: a terminal without job control for us. */
	return group >= 0 && group != getpgrp();
}

static void restore(void)
{
	/* In the background it is the shell's, which has set it as it likes. */
	if (saved_is_valid && !vmm_terminal_is_background()) {
		tcsetattr(terminal_fd, TCSANOW, &saved);
		vmm_log_raw(0);
	}
}

bool vmm_terminal_raw(void)
{
	if (terminal_fd < 0 || vmm_terminal_is_background())
		return false;
	if (!saved_is_valid) {
		if (tcgetattr(terminal_fd, &saved))
			return false;
		raw = saved;
		cfmakeraw(&raw);
		/* A read never blocks, also when another process was faster. */
		raw.c_cc[VMIN] = 0;
		raw.c_cc[VTIME] = 0;
		saved_is_valid = 1;
	}
	if (tcsetattr(terminal_fd, TCSANOW, &raw))
		return false;
	vmm_log_raw(1);
	return true;
}

static void on_fatal(int number, siginfo_t *info, void *context)
{
	(void)context;
	restore();
	for (size_t i = 0; i < COUNT_OF(fatal_signals); i++)
		if (fatal_signals[i] == number)
			sigaction(number, &old_fatal[i], NULL);
	/* A fault comes again by itself, with its own details; what was sent has to be sent again. */
	if (info->si_code <= 0)
		raise(number);
}

static void on_stop(int number)
{
	int error = errno;
	struct sigaction ours, default_action = { .sa_handler = SIG_DFL };
	sigset_t stop, old;

	restore();
	sigemptyset(&stop);
	sigaddset(&stop, number);
	sigaction(number, &default_action, &ours);
	raise(number);
	/* Here it stops until it is continued, or does not, where there is no shell to continue it. */
	pthread_sigmask(SIG_UNBLOCK, &stop, &old);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	sigaction(number, &ours, NULL);
	if (saved_is_valid)
		vmm_terminal_raw();
	errno = error;
}

/* After SIGSTOP, which nobody sees coming; the shell may have set the terminal as it likes meanwhile. */
static void on_continue(int number)
{
	int error = errno;

	(void)number;
	if (saved_is_valid)
		vmm_terminal_raw();
	errno = error;
}

void vmm_terminal_take(int fd)
{
	static bool at_exit;
	struct sigaction fatal = { .sa_sigaction = on_fatal, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	struct sigaction stop = { .sa_handler = on_stop, .sa_flags = SA_RESTART };
	struct sigaction go_on = { .sa_handler = on_continue, .sa_flags = SA_RESTART };
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	terminal_fd = fd;
	if (!at_exit)
		at_exit = atexit(restore) == 0;
	for (size_t i = 0; i < COUNT_OF(fatal_signals); i++) {
		sigaction(fatal_signals[i], NULL, &old_fatal[i]);
		if (i < FAULTS ||
		    (!(old_fatal[i].sa_flags & SA_SIGINFO) && old_fatal[i].sa_handler == SIG_DFL))
			sigaction(fatal_signals[i], &fatal, NULL);
	}
	sigaction(SIGTSTP, &stop, &old_stop);
	sigaction(SIGCONT, &go_on, &old_continue);
	/* In the background the VM runs on: reading fails and output goes through. */
	sigaction(SIGTTIN, &ignore, &old_ttin);
	sigaction(SIGTTOU, &ignore, &old_ttou);
}

void vmm_terminal_give_back(void)
{
	if (terminal_fd < 0)
		return;
	restore();
	saved_is_valid = 0;
	for (size_t i = 0; i < COUNT_OF(fatal_signals); i++) {
		struct sigaction now;

		/* Somebody else may have taken it since. */
		sigaction(fatal_signals[i], NULL, &now);
		if ((now.sa_flags & SA_SIGINFO) && now.sa_sigaction == on_fatal)
			sigaction(fatal_signals[i], &old_fatal[i], NULL);
	}
	sigaction(SIGTSTP, &old_stop, NULL);
	sigaction(SIGCONT, &old_continue, NULL);
	sigaction(SIGTTIN, &old_ttin, NULL);
	sigaction(SIGTTOU, &old_ttou, NULL);
	terminal_fd = -1;
}
