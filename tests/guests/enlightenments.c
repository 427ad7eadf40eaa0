/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * First program of a guest that tells what it sees of the hypervisor: loads the modules of /modules.list,
 * then prints the CPUID leaves, which MSRs can be read, what the kernel uses, and what it said about it.
 */
#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "modules.h"

static void print_cpuid(void)
{
	for (unsigned leaf = 0x40000000; leaf <= 0x40000005; leaf++) {
		unsigned a, b, c, d;

		__cpuid(leaf, a, b, c, d);
		printf("guest: cpuid %x %x %x %x %x\n", leaf, a, b, c, d);
	}
}

/* Those that can be read without an effect. */
static void print_msrs(void)
{
	static const uint32_t msrs[] = {
		0x40000000, 0x40000001, 0x40000002, 0x40000003, 0x40000010, 0x40000020,
		0x40000021, 0x40000022, 0x40000023, 0x40000072, 0x40000073, 0x40000080,
		0x400000b0, 0x40000100, 0x40000105, 0x40000118,
	};
	int fd = open("/dev/cpu/0/msr", O_RDONLY);

	for (size_t i = 0; i < sizeof(msrs) / sizeof(msrs[0]); i++) {
		uint64_t value;
		ssize_t n = pread(fd, &value, sizeof(value), msrs[i]);

		if (n == sizeof(value))
			printf("guest: msr %x reads\n", msrs[i]);
		else
			printf("guest: msr %x %s\n", msrs[i],
			       errno == EIO ? "faults" : strerror(errno));
	}
}

static void print_file(const char *what, const char *path)
{
	FILE *file = fopen(path, "r");
	char line[256];

	if (file && fgets(line, sizeof(line), file))
		printf("guest: %s %s\n", what, strtok(line, "\n"));
	if (file)
		fclose(file);
}

/* Lines of the kernel's log about Hyper-V, and warnings. */
static void print_log(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);
	char record[8192];
	ssize_t n;

	while ((n = read(fd, record, sizeof(record) - 1)) > 0 || (n < 0 && errno == EPIPE)) {
		char *text;

		if (n < 0)
			continue;
		record[n] = '\0';
		text = strchr(record, ';');
		if (text && (strstr(text, "Hyper-V") || strstr(text, "hv_") ||
			     strstr(text, "unchecked MSR")))
			printf("guest: log %s\n", strtok(text + 1, "\n"));
	}
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (mount("devtmpfs", "/dev", "devtmpfs", 0, NULL) ||
	    mount("sysfs", "/sys", "sysfs", 0, NULL))
		printf("guest: cannot mount: %s\n", strerror(errno));
	load_modules();
	print_cpuid();
	print_msrs();
	print_file("clocksource",
		   "/sys/devices/system/clocksource/clocksource0/current_clocksource");
	print_file("timer", "/sys/devices/system/clockevents/clockevent0/current_device");
	print_log();
	printf("guest: told\n");
	for (;;)
		pause();
}
