/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "vmm/run.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vmm/boot/image.h"
#include "vmm/console.h"
#include "vmm/control.h"
#include "vmm/log.h"
#include "vmm/loop.h"
#include "vmm/memmap.h"
#include "vmm/nested/nested.h"
#include "vmm/vm.h"

#define WHY_BYTES 256

/* Everything on the loop's thread. */
struct run {
	const struct vmm_config *config;
	struct vmm_loop *loop;
	struct vmm_control *control;
	struct vmm_console *console;
	struct vmm_vm *vm; /* on this kernel's KVM … */
	struct vmm_nested *nested; /* … or in the nested machine */
	struct vmm_timer timeout;
	int signal_fd; /* -1: none yet */
	int parent_fd; /* with --daemonize: where the parent waits to hear that the VM runs; -1: nobody waits */
	unsigned interrupts;
	bool ended;
	enum vmm_exit status;
};

/* --- the VM, wherever it runs ----------------------------------------------------------------- */

static size_t machine_input(void *ctx, const uint8_t *bytes, size_t len)
{
	struct run *run = ctx;

	return run->nested ? vmm_nested_serial_input(run->nested, bytes, len) :
			     vmm_vm_serial_input(run->vm, bytes, len);
}

static void machine_output_room(void *ctx)
{
	struct run *run = ctx;

	/* The processors of a VM on KVM write themselves, and wait themselves. */
	if (run->nested)
		vmm_nested_output_room(run->nested);
}

static void machine_stop(struct run *run, enum vmm_exit status)
{
	/* Nothing may wait for a terminal that has been stopped. */
	vmm_console_cut(run->console);
	if (run->nested)
		vmm_nested_stop(run->nested, status);
	else
		vmm_vm_stop(run->vm, status);
}

/* The user wants out: first the guest is asked, then there is no asking. */
static void machine_interrupt(void *ctx)
{
	struct run *run = ctx;

	if (run->ended)
		return;
	if (run->interrupts++)
		vmm_console_cut(run->console);
	if (run->nested)
		vmm_nested_interrupt(run->nested);
	else
		vmm_vm_interrupt(run->vm);
}

static void machine_command(struct run *run, struct vmm_request *request, const char *command,
			    const json_t *arguments)
{
	if (run->nested)
		vmm_nested_command(run->nested, request, command, arguments);
	else
		vmm_vm_command(run->vm, request, command, arguments);
}

/* --- what happens to it ----------------------------------------------------------------------- */

static void tell_parent(struct run *run);

static void machine_running(void *ctx)
{
	struct run *run = ctx;

	vmm_control_event(run->control, json_pack("{s:s}", "event", "started"));
	tell_parent(run);
}

static void machine_ended(void *ctx, enum vmm_exit status)
{
	struct run *run = ctx;

	run->ended = true;
	run->status = status;
	vmm_console_cut(run->console);
	vmm_control_event(run->control,
			  json_pack("{s:s, s:i}", "event", "ended", "status", (int)status));
	vmm_loop_stop(run->loop);
}

static void machine_event(void *ctx, json_t *event)
{
	vmm_control_event(((struct run *)ctx)->control, event);
}

static void command(void *ctx, struct vmm_request *request, const char *name,
		    const json_t *arguments)
{
	struct run *run = ctx;

	if ((!run->vm && !run->nested) || run->ended) {
		vmm_reply_error(request,
				run->ended ? "the VM has ended" : "the VM has not started yet");
	} else if (strcmp(name, "stop") == 0) {
		vmm_log(HVH_LOG_WARNING, "stopped, as asked through the control socket");
		vmm_reply(request, json_object());
		machine_stop(run, VMM_EXIT_FAILED);
	} else {
		machine_command(run, request, name, arguments);
	}
}

static void signal_ready(void *ctx, uint32_t events)
{
	struct run *run = ctx;
	struct signalfd_siginfo info;

	(void)events;
	if (read(run->signal_fd, &info, sizeof(info)) == sizeof(info))
		machine_interrupt(run);
}

static void timed_out(void *ctx)
{
	struct run *run = ctx;

	if (run->ended)
		return;
	vmm_log(HVH_LOG_ERROR, "stopped: the time limit of %u seconds (--timeout) is over",
		run->config->timeout_seconds);
	machine_stop(run, VMM_EXIT_TIMEOUT);
}

/* --- the background --------------------------------------------------------------------------- */

/*
 * --daemonize. The child goes on here (-1) and tells through *parent_fd when the VM runs; until then
 * it is in the foreground's group, so that Ctrl-C reaches it, and errors go to the caller's stderr.
 */
static int daemonize(int *parent_fd)
{
	int fds[2], status;
	char byte;
	pid_t child;

	if (pipe2(fds, O_CLOEXEC) || (child = fork()) < 0) {
		vmm_log(HVH_LOG_ERROR, "cannot go to the background: %s", strerror(errno));
		return VMM_EXIT_FAILED;
	}
	if (child == 0) {
		int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

		close(fds[0]);
		*parent_fd = fds[1];
		if (null >= 0) {
			dup2(null, STDIN_FILENO);
			close(null);
		}
		return -1;
	}
	close(fds[1]);
	if (read(fds[0], &byte, 1) == 1)
		return VMM_EXIT_DONE;
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	vmm_log(HVH_LOG_ERROR, "ended by signal %d before the VM ran", WTERMSIG(status));
	return VMM_EXIT_FAILED;
}

/* Output to a file is kept: that is how a log is made. Terminals and pipes are not ours to hold on to. */
static void leave_stream(int fd, int null)
{
	struct stat status;

	if (fstat(fd, &status) || !S_ISREG(status.st_mode))
		dup2(null, fd);
}

static void tell_parent(struct run *run)
{
	int null;

	if (run->parent_fd < 0)
		return;
	if (write(run->parent_fd, "r", 1) != 1) {
		vmm_log(HVH_LOG_ERROR, "the process that waited for the start is gone: stopping");
		machine_stop(run, VMM_EXIT_FAILED);
	}
	close(run->parent_fd);
	run->parent_fd = -1;
	setsid();
	null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (null >= 0) {
		leave_stream(STDOUT_FILENO, null);
		leave_stream(STDERR_FILENO, null);
		close(null);
	}
}

/* --- start and end ---------------------------------------------------------------------------- */

/* The common mistakes, found before anything is started. 0 or -1 after a line to the log. */
static int check_files(const struct vmm_config *config)
{
	struct vmm_image *image;

	if (vmm_image_open(config->kernel, config->initrd, config->append,
			   vmm_low_ram_bytes(config->memory_bytes, config->mmio_gap_bytes), &image))
		return -1;
	vmm_image_close(image);
	return 0;
}

/*
 * VMM_ACCEL_KVM or VMM_ACCEL_NESTED, and in `why` a line for people if it was our choice;
 * VMM_ACCEL_AUTO after a line to the log: neither.
 */
static enum vmm_accel choose_accel(enum vmm_accel wanted, char *why, size_t why_size)
{
	char no_kvm[WHY_BYTES] = "", no_nested[WHY_BYTES] = "";

	*why = '\0';
	if (wanted != VMM_ACCEL_NESTED) {
		if (vmm_kvm_check(no_kvm, sizeof(no_kvm)) == 0) {
			if (wanted == VMM_ACCEL_AUTO)
				snprintf(why, why_size, "running on KVM");
			return VMM_ACCEL_KVM;
		}
		if (wanted == VMM_ACCEL_KVM) {
			vmm_log(HVH_LOG_ERROR, "%s, or use --accel nested", no_kvm);
			return VMM_ACCEL_AUTO;
		}
	}
	if (vmm_nested_check(no_nested, sizeof(no_nested))) {
		vmm_log(HVH_LOG_ERROR, "%s%s%s", no_kvm, *no_kvm ? "; " : "", no_nested);
		return VMM_ACCEL_AUTO;
	}
	if (wanted == VMM_ACCEL_AUTO)
		snprintf(why, why_size, "running in QEMU's emulation (nested), which is slow: %s",
			 no_kvm);
	return VMM_ACCEL_NESTED;
}

static int watch_signals(struct run *run)
{
	sigset_t ways_out;

	sigemptyset(&ways_out);
	sigaddset(&ways_out, SIGINT);
	sigaddset(&ways_out, SIGTERM);
	sigprocmask(SIG_BLOCK, &ways_out, NULL);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	run->signal_fd = signalfd(-1, &ways_out, SFD_CLOEXEC | SFD_NONBLOCK);
	if (run->signal_fd < 0)
		return -errno;
	return vmm_loop_add(run->loop, run->signal_fd, EPOLLIN, signal_ready, run);
}

static int start_machine(struct run *run, enum vmm_accel accel)
{
	static const struct vmm_console_ops console_ops = { .input = machine_input,
							    .leave = machine_interrupt,
							    .output_room = machine_output_room };
	static const struct vmm_vm_ops vm_ops = { .ended = machine_ended, .event = machine_event };
	static const struct vmm_nested_ops nested_ops = { .running = machine_running,
							  .ended = machine_ended,
							  .event = machine_event };
	int error;

	if (accel == VMM_ACCEL_NESTED)
		error = vmm_nested_create(run->loop, run->config, &run->nested);
	else
		error = vmm_vm_create(run->loop, run->config, &run->vm);
	if (error)
		return error;
	/* Last, so that a terminal is made raw only for a VM that is about to run. */
	error = vmm_console_create(run->loop, run->config, &console_ops, run, &run->console);
	if (error)
		return error;
	if (accel == VMM_ACCEL_NESTED) {
		vmm_nested_set_console(run->nested, run->console);
		return vmm_nested_start(run->nested, &nested_ops, run);
	}
	vmm_vm_set_console(run->vm, run->console);
	error = vmm_vm_start(run->vm, &vm_ops, run);
	if (!error)
		machine_running(run);
	return error;
}

static int start(struct run *run)
{
	const struct vmm_config *config = run->config;
	char why[2 * WHY_BYTES];
	enum vmm_accel accel;
	int error = vmm_loop_create(&run->loop);

	if (!error)
		error = watch_signals(run);
	if (error) {
		vmm_log(HVH_LOG_ERROR, "cannot start: %s", strerror(-error));
		return error;
	}
	error = vmm_control_create(run->loop, config->name, command, run, &run->control);
	if (error == -EADDRINUSE)
		vmm_log(HVH_LOG_ERROR,
			"a VM of this name is running already; give this one another --name");
	if (error)
		return error;
	accel = choose_accel(config->accel, why, sizeof(why));
	if (accel == VMM_ACCEL_AUTO)
		return -EOPNOTSUPP;
	if (*why)
		vmm_log(HVH_LOG_INFO, "%s", why);
	vmm_timer_init(&run->timeout, run->loop, timed_out, run);
	error = start_machine(run, accel);
	if (!error && config->timeout_seconds)
		vmm_timer_set(&run->timeout,
			      vmm_now_ns() + config->timeout_seconds * 1000000000ull);
	return error;
}

static void finish(struct run *run)
{
	if (run->console)
		vmm_console_cut(run->console);
	if (run->nested)
		vmm_nested_destroy(run->nested);
	if (run->vm)
		vmm_vm_destroy(run->vm);
	vmm_console_destroy(run->console);
	vmm_control_destroy(run->control);
	if (run->signal_fd >= 0)
		close(run->signal_fd);
	vmm_loop_destroy(run->loop);
}

enum vmm_exit vmm_run(const struct vmm_config *config)
{
	struct run run = {
		.config = config, .signal_fd = -1, .parent_fd = -1, .status = VMM_EXIT_FAILED
	};

	vmm_log_init(config->name);
	if (check_files(config))
		return VMM_EXIT_FAILED;
	if (config->daemonize) {
		int status = daemonize(&run.parent_fd);

		if (status >= 0)
			return (enum vmm_exit)status;
	}
	if (start(&run) == 0)
		vmm_loop_run(run.loop);
	finish(&run);
	return run.status;
}
