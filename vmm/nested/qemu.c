/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#include "vmm/nested/layout.h"
#include "vmm/nested/qemu.h"
#include "vmm/nested/share.h"

#define QEMU "qemu-system-x86_64"

/* 7.2 corrupts the state of an emulated guest's processor now and then. */
#define QEMU_MAJOR_MIN 10

/* What the inner Linux and hvhost need beside the guest's memory. */
#define INNER_MEMORY_BYTES (256ull << 20)

/*
 * The inner Linux' first processor runs no guest (vmm/vcpu.c), because QEMU's other processors write to its state
 * without a lock: one more is needed. Where there is only one, there is no other.
 */
static unsigned inner_cpus(unsigned guest_cpus)
{
	return guest_cpus > 1 ? guest_cpus + 1 : 1;
}

/* --- what is installed ------------------------------------------------------------------------- */

/* The major version that QEMU prints; 0: there is none. */
static int qemu_major(void)
{
	FILE *pipe = popen(QEMU " --version 2>/dev/null", "re");
	int major = 0;

	if (!pipe)
		return 0;
	if (fscanf(pipe, "QEMU emulator version %d", &major) != 1)
		major = 0;
	pclose(pipe);
	return major;
}

static bool image_complete(const char *folder)
{
	char path[4096];

	if (snprintf(path, sizeof(path), "%s/" NESTED_KERNEL, folder) >= (int)sizeof(path) ||
	    access(path, R_OK))
		return false;
	return snprintf(path, sizeof(path), "%s/" NESTED_INITRD, folder) < (int)sizeof(path) &&
	       !access(path, R_OK);
}

/* The folder with the inner kernel and its initramfs: beside this program in a build, else where it is installed. */
static const char *image_folder(void)
{
	static char beside[4096];
	const char *named = getenv("HVHOST_NESTED");
	ssize_t len;
	char *slash;

	if (named)
		return image_complete(named) ? named : NULL;
	len = readlink("/proc/self/exe", beside, sizeof(beside) - sizeof("/nested"));
	if (len > 0) {
		beside[len] = '\0';
		slash = strrchr(beside, '/');
		if (slash) {
			strcpy(slash, "/nested");
			if (image_complete(beside))
				return beside;
		}
	}
	return image_complete(VMM_NESTED_DIR) ? VMM_NESTED_DIR : NULL;
}

int vmm_qemu_check(char *why, size_t why_size)
{
	int major = qemu_major();

	if (!major) {
		snprintf(why, why_size,
			 "nested mode needs QEMU %d or newer, and " QEMU " is not installed: "
			 "install the package qemu-system-x86",
			 QEMU_MAJOR_MIN);
		return -ENOENT;
	}
	if (major < QEMU_MAJOR_MIN) {
		snprintf(why, why_size,
			 "nested mode needs QEMU %d or newer, and " QEMU " is version %d: "
			 "install a newer qemu-system-x86 (Debian 12: from bookworm-backports)",
			 QEMU_MAJOR_MIN, major);
		return -EOPNOTSUPP;
	}
	if (!image_folder()) {
		snprintf(why, why_size,
			 "nested mode has no inner Linux (" NESTED_KERNEL " and " NESTED_INITRD
			 " in %s): "
			 "make it with `make nested`, or name its folder in HVHOST_NESTED",
			 getenv("HVHOST_NESTED") ? getenv("HVHOST_NESTED") : VMM_NESTED_DIR);
		return -ENOENT;
	}
	return 0;
}

/* --- the process ------------------------------------------------------------------------------- */

#define ARGS_MAX 128

#define CALIBRATION_NS	  20000000ll
#define CALIBRATION_TRIES 10

struct moment {
	int64_t ns;
	uint64_t ticks;
};

/* Both clocks at once: of some tries the one in which least time went by between two looks at one of them. */
static struct moment now_and_ticks(void)
{
	struct moment best = { 0, 0 };
	int64_t width_best = INT64_MAX;

	for (unsigned i = 0; i < CALIBRATION_TRIES; i++) {
		struct timespec before, after;
		uint64_t ticks;
		int64_t width;

		clock_gettime(CLOCK_MONOTONIC_RAW, &before);
		ticks = __rdtsc();
		clock_gettime(CLOCK_MONOTONIC_RAW, &after);
		width = (after.tv_sec - before.tv_sec) * 1000000000ll + after.tv_nsec -
			before.tv_nsec;
		if (width >= width_best)
			continue;
		width_best = width;
		best.ns = before.tv_sec * 1000000000ll + before.tv_nsec + width / 2;
		best.ticks = ticks;
	}
	return best;
}

/*
 * The frequency of the emulated processor's TSC, which is that of the machine's own. The inner Linux would measure it
 * against an emulated timer, and on a busy machine get it wrong by any amount; later it corrects no more than 1 %. Its
 * clock then runs fast by that amount, and so do its guest's. 0: not known.
 */
static unsigned tsc_khz(void)
{
	const struct timespec pause = { 0, CALIBRATION_NS };
	struct moment begin = now_and_ticks(), end;

	nanosleep(&pause, NULL);
	end = now_and_ticks();
	if (end.ns > begin.ns && end.ticks > begin.ticks)
		return (unsigned)((double)(end.ticks - begin.ticks) * 1e6 /
				  (double)(end.ns - begin.ns));
	return 0;
}

/* Longest ",hostfwd=udp::65535-:65535". */
#define FORWARD_TEXT 32
#define NETDEV_TEXT  (64 + VMM_NICS_MAX * VMM_NIC_FORWARDS_MAX * FORWARD_TEXT)

/* The inner Linux's network, and the ports that lead to it. */
static void write_netdev(const struct vmm_qemu_config *config, char *text, size_t size)
{
	int at = snprintf(text, size, "user,id=net,net=" NESTED_NETWORK);

	for (unsigned i = 0; i < config->forwards; i++)
		at += snprintf(text + at, size - (size_t)at, ",hostfwd=%s::%u-:%u",
			       config->forward[i].udp ? "udp" : "tcp", config->forward[i].port,
			       config->forward[i].port);
}

/* Frames of up to 9216 bytes pass whichever MTU the interface tells. */
static void add_tap(const struct vmm_qemu_config *config, unsigned index, const char **args,
		    unsigned count)
{
	static char netdev[VMM_NICS_MAX][48], device[VMM_NICS_MAX][64];

	snprintf(netdev[index], sizeof(netdev[index]), "tap,id=tap%u,fd=%d", index,
		 config->tap_fd[index]);
	snprintf(device[index], sizeof(device[index]),
		 "virtio-net-pci,netdev=tap%u,romfile=", index);
	args[count] = "-netdev";
	args[count + 1] = netdev[index];
	args[count + 2] = "-device";
	args[count + 3] = device[index];
}

/* This machine's name is the inner Linux's too: guests are told whose they are. */
static void add_hostname(char *append, size_t size)
{
	static const char plain[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-";
	size_t len = strlen(append);
	struct utsname system;

	/* Nothing that the kernel's command line would take for more than a name. */
	if (!uname(&system) && system.nodename[0] &&
	    strspn(system.nodename, plain) == strlen(system.nodename))
		snprintf(append + len, size - len, " hostname=%s", system.nodename);
}

static void exec_qemu(const struct vmm_qemu_config *config, const char *folder)
{
	char kernel[4200], initrd[4200], memory[32], cpus[16], console[64], control[64],
		append[384], netdev[NETDEV_TEXT];
	unsigned khz = tsc_khz(), count = 0;
	const char *args[ARGS_MAX] = {
		QEMU,
		"-nodefaults",
		"-no-user-config",
		"-display",
		"none",
		"-no-reboot",
		"-M",
		"pc",
		"-accel",
		"tcg,thread=multi",
		"-cpu",
		"max",
		"-smp",
		cpus,
		"-m",
		memory,
		"-kernel",
		kernel,
		"-initrd",
		initrd,
		"-append",
		append,
		"-serial",
		"stdio",
		"-device",
		"virtio-serial-pci",
		"-chardev",
		console,
		"-device",
		"virtserialport,chardev=console,nr=1",
		"-chardev",
		control,
		"-device",
		"virtserialport,chardev=control,nr=2",
		"-fsdev",
		"local,id=share,path=" SHARE_FOLDER ",security_model=none,multidevs=remap",
		"-device",
		"virtio-9p-pci,fsdev=share,mount_tag=" NESTED_SHARE_TAG,
	};

	_Static_assert(NESTED_PORT_CONSOLE == 1 && NESTED_PORT_CONTROL == 2,
		       "the port numbers stand in the text above");
	snprintf(kernel, sizeof(kernel), "%s/" NESTED_KERNEL, folder);
	snprintf(initrd, sizeof(initrd), "%s/" NESTED_INITRD, folder);
	/*
	 * Without tsc=reliable the inner KVM has no stable clock to offer its guest when there are several processors.
	 * Without init_on_alloc=0 the guest's memory is cleared twice. Without no_timer_check Linux gives up at its start where
	 * a busy machine lets no timer interrupt through for 60 ms.
	 */
	snprintf(append, sizeof(append),
		 "console=ttyS0 quiet panic=-1 clocksource=tsc tsc=reliable cryptomgr.notests init_on_alloc=0"
		 " no_timer_check");
	if (khz)
		snprintf(append + strlen(append), sizeof(append) - strlen(append),
			 " tsc_early_khz=%u", khz);
	add_hostname(append, sizeof(append));
	snprintf(cpus, sizeof(cpus), "%u", inner_cpus(config->cpus));
	snprintf(memory, sizeof(memory), "%lluM",
		 (unsigned long long)((config->guest_memory_bytes + INNER_MEMORY_BYTES) >> 20));
	snprintf(console, sizeof(console), "socket,id=console,fd=%d", config->console_fd);
	snprintf(control, sizeof(control), "socket,id=control,fd=%d", config->control_fd);
	while (args[count])
		count++;
	if (config->network) {
		write_netdev(config, netdev, sizeof(netdev));
		args[count++] = "-netdev";
		args[count++] = netdev;
		args[count++] = "-device";
		args[count++] = "virtio-net-pci,netdev=net,romfile=";
	}
	for (unsigned i = 0; i < config->taps; i++, count += 4)
		add_tap(config, i, args, count);
	execvp(QEMU, (char **)args);
}

static void __attribute__((noreturn))
child(const struct vmm_qemu_config *config, const char *folder, int output_fd)
{
	const char *step = "";
	int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC), err;

	/* A signal at the terminal is for us to handle, not for QEMU. */
	setsid();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(null_fd, STDIN_FILENO);
	dup2(output_fd, STDOUT_FILENO);
	dup2(output_fd, STDERR_FILENO);
	fcntl(config->console_fd, F_SETFD, 0);
	fcntl(config->control_fd, F_SETFD, 0);
	for (unsigned i = 0; i < config->taps; i++)
		fcntl(config->tap_fd[i], F_SETFD, 0);
	err = vmm_share_enter(config->share, NESTED_SHARE_ARGV, config->argv_bytes,
			      config->argv_len, &step);
	if (err) {
		fprintf(stderr, "cannot share files with the inner Linux: %s: %s\n", step,
			strerror(-err));
	} else {
		exec_qemu(config, folder);
		fprintf(stderr, "cannot start " QEMU ": %s\n", strerror(errno));
	}
	_exit(1);
}

pid_t vmm_qemu_start(const struct vmm_qemu_config *config, int *output_fd)
{
	const char *folder = image_folder();
	sigset_t none;
	int pipe_fds[2];
	pid_t pid;

	if (!folder)
		return -ENOENT;
	if (pipe2(pipe_fds, O_CLOEXEC))
		return -errno;
	/* Signals that we take by descriptor must not stay blocked in QEMU. */
	sigemptyset(&none);
	pid = fork();
	if (pid == 0) {
		sigprocmask(SIG_SETMASK, &none, NULL);
		child(config, folder, pipe_fds[1]);
	}
	close(pipe_fds[1]);
	if (pid < 0) {
		pid = -errno;
		close(pipe_fds[0]);
		return pid;
	}
	*output_fd = pipe_fds[0];
	return pid;
}
