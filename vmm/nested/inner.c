/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The inner side: the first and only program of the inner Linux. It sets that Linux up, runs the VM on
 * its KVM, and says how it ended; the outer side then ends the machine.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "vmm/cmdline.h"
#include "vmm/console.h"
#include "vmm/control.h"
#include "vmm/log.h"
#include "vmm/loop.h"
#include "vmm/nested/clock.h"
#include "vmm/nested/inner_net.h"
#include "vmm/nested/layout.h"
#include "vmm/nested/nested.h"
#include "vmm/vm.h"

/* Devices appear a little after their module is loaded. */
#define DEVICE_TIMEOUT_MS 10000
#define DEVICE_POLL_MS	  2

#define ARGV_BYTES_MAX 65536
#define ARGS_MAX       256

/* There in a build with AddressSanitizer only. */
extern void __lsan_do_leak_check(void) __attribute__((weak));

struct inner {
	struct vmm_loop *loop;
	struct vmm_control *control;
	struct vmm_console *console;
	struct vmm_vm *vm;
	struct vmm_nested_clock *clock;
	enum vmm_exit status;
	char argv_bytes[ARGV_BYTES_MAX];
	char *argv[ARGS_MAX];
};

int vmm_nested_is_inner(int argc, char *const *argv)
{
	/* A container's first program may be hvhost too, but not under this name. */
	return argc > 0 && getpid() == 1 && !strcmp(argv[0], "/init");
}

/* Until the control stream is there words go to the kernel's console, which the outer side keeps for failures. */
static void __attribute__((noreturn)) halt(const char *what, int error)
{
	if (what)
		fprintf(stderr, "inner hvhost: %s: %s\n", what, strerror(error));
	fflush(NULL);
	/* With QEMU's -no-reboot this ends the machine. */
	reboot(RB_AUTOBOOT);
	for (;;)
		pause();
}

/* --- the inner Linux ---------------------------------------------------------------------------- */

static void load_module(const char *name)
{
	char path[300];
	int fd;

	snprintf(path, sizeof(path), "/modules/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		halt(path, errno);
	/* One that is built into this kernel already is fine; a missing device shows below. */
	if (syscall(SYS_finit_module, fd, "", 0) && errno != EEXIST)
		fprintf(stderr, "inner hvhost: module %s: %s\n", name, strerror(errno));
	close(fd);
}

static void load_modules(void)
{
	FILE *list = fopen("/modules.list", "re");
	char line[256];

	if (!list)
		halt("/modules.list", errno);
	while (fgets(line, sizeof(line), list)) {
		line[strcspn(line, "\n")] = '\0';
		if (line[0])
			load_module(line);
	}
	fclose(list);
}

static const struct timespec step = { 0, DEVICE_POLL_MS * 1000000 };

static int open_device(const char *path)
{
	int waited_ms, fd = -1;

	for (waited_ms = 0; waited_ms < DEVICE_TIMEOUT_MS && fd < 0; waited_ms += DEVICE_POLL_MS) {
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			nanosleep(&step, NULL);
	}
	if (fd < 0)
		halt(path, errno);
	return fd;
}

static int open_port(unsigned number)
{
	struct pollfd poll_port = { .events = POLLIN };
	char path[32];
	int waited_ms;

	/* Port 0 belongs to the console protocol; ours are on the first and only device. */
	snprintf(path, sizeof(path), "/dev/vport0p%u", number);
	poll_port.fd = open_device(path);
	/* Until the host's "port open" message is handled the port looks hung up, and reading gives an end of file. */
	for (waited_ms = 0; waited_ms < DEVICE_TIMEOUT_MS; waited_ms += DEVICE_POLL_MS) {
		if (poll(&poll_port, 1, 0) >= 0 && !(poll_port.revents & POLLHUP))
			return poll_port.fd;
		nanosleep(&step, NULL);
	}
	halt(path, ETIMEDOUT);
}

/* The guest's memory is shared memory, which Debian's kernels do not put into huge pages unless told. */
static void allow_huge_pages(void)
{
	static const char path[] = "/sys/kernel/mm/transparent_hugepage/shmem_enabled";
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, "advise", 6) != 6)
		fprintf(stderr, "inner hvhost: %s: %s\n", path, strerror(errno));
	if (fd >= 0)
		close(fd);
}

static void mount_proc(void)
{
	static char *argv[] = { "/init", NULL };

	if (mount("proc", "/proc", "proc", 0, NULL))
		halt("/proc", errno);
	if (__lsan_do_leak_check) {
		/* AddressSanitizer has just looked there, in vain, for where the stack is: begin again. */
		execv("/proc/self/exe", argv);
		halt("/proc/self/exe", errno);
	}
}

static void set_up_linux(void)
{
	if (access("/proc/self", F_OK))
		mount_proc();
	if (mount("devtmpfs", "/dev", "devtmpfs", 0, NULL) && errno != EBUSY)
		halt("/dev", errno);
	if (mount("sysfs", "/sys", "sysfs", 0, NULL))
		halt("/sys", errno);
	allow_huge_pages();
	load_modules();
	close(open_device("/dev/kvm"));
	mkdir(NESTED_SHARE_PATH, 0755);
	if (mount(NESTED_SHARE_TAG, NESTED_SHARE_PATH, "9p", 0,
		  "trans=virtio,version=9p2000.L,msize=512000,cache=none"))
		halt(NESTED_SHARE_PATH, errno);
}

/* --- the monitor -------------------------------------------------------------------------------- */

static int read_argv(struct inner *inner)
{
	int fd = open(NESTED_SHARE_PATH "/" NESTED_SHARE_ARGV, O_RDONLY | O_CLOEXEC), argc = 0;
	ssize_t len, at;

	if (fd < 0)
		halt("command line", errno);
	len = read(fd, inner->argv_bytes, sizeof(inner->argv_bytes) - 1);
	close(fd);
	for (at = 0; at < len && argc < ARGS_MAX - 1;
	     at += (ssize_t)strlen(inner->argv_bytes + at) + 1)
		inner->argv[argc++] = inner->argv_bytes + at;
	return argc;
}

static void log_outward(void *ctx, enum hvh_log_level level, const char *line)
{
	struct inner *inner = ctx;

	vmm_control_event(inner->control, json_pack("{s:s, s:i, s:s}", "event", NESTED_EVENT_LOG,
						    "level", (int)level, "line", line));
}

struct posted_line {
	struct vmm_call call;
	struct inner *inner;
	enum hvh_log_level level;
	char text[];
};

static void log_posted(void *ctx)
{
	struct posted_line *posted = ctx;

	log_outward(posted->inner, posted->level, posted->text);
	free(posted);
}

/* Any thread may log, and the stream belongs to the loop. */
static void log_line(void *ctx, enum hvh_log_level level, const char *line)
{
	struct inner *inner = ctx;
	struct posted_line *posted = malloc(sizeof(*posted) + strlen(line) + 1);

	if (!posted)
		return;
	posted->inner = inner;
	posted->level = level;
	strcpy(posted->text, line);
	vmm_call_init(&posted->call, inner->loop, log_posted, posted);
	vmm_call_post(&posted->call);
}

/* This thread visits each: that takes an interrupt where nobody runs. */
static void wake_processors(void)
{
	cpu_set_t all, one;
	int cpu;

	if (sched_getaffinity(0, sizeof(all), &all))
		return;
	for (cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &all))
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		sched_setaffinity(0, sizeof(one), &one);
	}
	sched_setaffinity(0, sizeof(all), &all);
}

static void handle_command(void *ctx, struct vmm_request *request, const char *command,
			   const json_t *arguments)
{
	struct inner *inner = ctx;

	if (!strcmp(command, NESTED_COMMAND_INTERRUPT)) {
		vmm_vm_interrupt(inner->vm);
		vmm_reply(request, json_object());
	} else if (!strcmp(command, NESTED_COMMAND_CLOCK)) {
		vmm_nested_clock_told(inner->clock, arguments);
		vmm_reply(request, json_object());
	} else if (!strcmp(command, NESTED_COMMAND_WAKE)) {
		wake_processors();
		vmm_reply(request, json_object());
	} else {
		vmm_vm_command(inner->vm, request, command, arguments);
	}
}

static size_t console_input(void *ctx, const uint8_t *bytes, size_t len)
{
	struct inner *inner = ctx;

	return vmm_vm_serial_input(inner->vm, bytes, len);
}

static void console_leave(void *ctx)
{
	(void)ctx; /* the terminal is the outer side's */
}

static const struct vmm_console_ops console_ops = { .input = console_input,
						    .leave = console_leave };

static void ended(void *ctx, enum vmm_exit status)
{
	struct inner *inner = ctx;

	inner->status = status;
	vmm_loop_stop(inner->loop);
}

/* As it is: the outer side sends it to its clients. */
static void pass_event(void *ctx, json_t *event)
{
	vmm_control_event(((struct inner *)ctx)->control, event);
}

static const struct vmm_vm_ops vm_ops = { .ended = ended, .event = pass_event };

/* 0: it runs. Whatever fails has logged its line. */
static int start_vm(struct inner *inner, const struct vmm_config *config)
{
	int err = vmm_vm_create(inner->loop, config, &inner->vm);

	if (err)
		return err;
	err = vmm_console_create(inner->loop, config, &console_ops, inner, &inner->console);
	if (err)
		return err;
	vmm_vm_set_console(inner->vm, inner->console);
	err = vmm_vm_start(inner->vm, &vm_ops, inner);
	if (!err)
		vmm_control_event(inner->control,
				  json_pack("{s:s}", "event", NESTED_EVENT_RUNNING));
	return err;
}

static void run(struct inner *inner, const struct vmm_config *config)
{
	int console_fd = open_port(NESTED_PORT_CONSOLE);

	if (dup2(console_fd, STDIN_FILENO) < 0 || dup2(console_fd, STDOUT_FILENO) < 0)
		halt("console", errno);
	close(console_fd);
	if (vmm_loop_create(&inner->loop) ||
	    vmm_control_create_stream(inner->loop, open_port(NESTED_PORT_CONTROL), handle_command,
				      inner, &inner->control))
		halt("control stream", ENOMEM);
	vmm_log_divert(log_line, inner);
	if (vmm_nested_clock_create(inner->loop, inner->control, &inner->clock))
		halt("clock", ENOMEM);
	inner->status = VMM_EXIT_FAILED;
	if (!start_vm(inner, config))
		vmm_loop_run(inner->loop);
}

void vmm_nested_inner(void)
{
	static struct inner inner;
	struct vmm_config config;
	char error[256];
	int argc, err;

	set_up_linux();
	argc = read_argv(&inner);
	if (vmm_cmdline_run(argc, inner.argv, &config, error, sizeof(error)) != VMM_CMDLINE_OK)
		halt(error, EINVAL);
	if (vmm_config_needs_network(&config)) {
		err = vmm_inner_network();

		if (err)
			halt("network", -err);
	}
	err = vmm_inner_taps(&config);
	if (err)
		halt("network interfaces", -err);
	run(&inner, &config);
	if (inner.vm)
		vmm_vm_destroy(inner.vm);
	if (inner.console)
		vmm_console_destroy(inner.console);
	vmm_nested_clock_destroy(inner.clock);
	/* Whatever the VM wrote to shared files is outside before the outer side hears of the end. */
	umount(NESTED_SHARE_PATH);
	vmm_log_divert(NULL, NULL);
	/*
	 * This is done when a process exits, which this one does not. A finding ends it, and so the
	 * machine, before the outer side hears of an orderly end.
	 */
	if (__lsan_do_leak_check)
		__lsan_do_leak_check();
	vmm_control_event(inner.control, json_pack("{s:s, s:i}", "event", NESTED_EVENT_EXIT,
						   "status", (int)inner.status));
	vmm_control_destroy(inner.control);
	halt(NULL, 0);
}
