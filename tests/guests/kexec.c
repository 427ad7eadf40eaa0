/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Program in a test guest that starts another kernel: /next/kernel with /next/initrd, and the words of the order as its
 * command line. One order on the serial line, after which it says "guest: next kernel loaded":
 *
 *   kexec WORDS	the way of a clean change of kernels: drivers are shut down first
 *   crash WORDS	the next kernel is made the crash kernel, and this one panics
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kexec.h>
#include <stdio.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <unistd.h>

static int fail(const char *what)
{
	printf("guest: %s: %s\n", what, strerror(errno));
	return 1;
}

static int panic_now(void)
{
	int fd = open("/proc/sysrq-trigger", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, "c", 1) != 1)
		return fail("/proc/sysrq-trigger");
	return 0;
}

int main(void)
{
	char order[256], *words;
	int kernel = open("/next/kernel", O_RDONLY | O_CLOEXEC);
	int initrd = open("/next/initrd", O_RDONLY | O_CLOEXEC);
	int crash;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (kernel < 0 || initrd < 0)
		return fail("/next");
	if (!fgets(order, sizeof(order), stdin))
		return fail("no order");
	order[strcspn(order, "\r\n")] = '\0';
	words = strchr(order, ' ');
	if (!words)
		return fail("no command line");
	*words++ = '\0';
	crash = !strcmp(order, "crash");
	if (syscall(SYS_kexec_file_load, kernel, initrd, strlen(words) + 1, words,
		    crash ? (long)KEXEC_FILE_ON_CRASH : 0))
		return fail("kexec_file_load");
	printf("guest: next kernel loaded\n");
	if (crash)
		return panic_now();
	reboot(RB_KEXEC);
	return fail("reboot");
}
