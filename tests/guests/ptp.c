/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Prints a PTP clock's time, and the guest's own just after. For 32-bit and 64-bit kernels alike, so it is a 32-bit
 * program, and without a C library, of which there is none for 32 bits where only that for 64 is installed.
 */
#include <stdint.h>

#define SYS_EXIT	    1
#define SYS_WRITE	    4
#define SYS_OPEN	    5
#define SYS_CLOCK_GETTIME64 403
#define CLOCK_REALTIME	    0

struct time {
	int64_t seconds;
	int64_t ns;
};

/* The first instructions: the stack holds argc, argv[0], argv[1]. */
__asm__(".globl _start\n"
	"_start:\n"
	"	mov 8(%esp), %eax\n"
	"	and $-16, %esp\n"
	"	sub $12, %esp\n"
	"	push %eax\n"
	"	call ptp_main\n"
	"	hlt\n");

static int call(int number, long a, long b, long c)
{
	int result;

	__asm__ volatile("int $0x80"
			 : "=a"(result)
			 : "a"(number), "b"(a), "c"(b), "d"(c)
			 : "memory");
	return result;
}

static char line[128];
static unsigned length;

static void put_text(const char *text)
{
	while (*text)
		line[length++] = *text++;
}

static void put_number(uint32_t number, unsigned digits)
{
	char reversed[10];
	unsigned count = 0;

	do {
		reversed[count++] = (char)('0' + number % 10);
		number /= 10;
	} while (number || count < digits);
	while (count)
		line[length++] = reversed[--count];
}

static void put_time(const char *name, const struct time *time)
{
	put_text(name);
	put_number((uint32_t)time->seconds, 1);
	put_text(".");
	put_number((uint32_t)time->ns, 9);
}

void ptp_main(const char *path);

void ptp_main(const char *path)
{
	struct time host, guest;
	int fd = call(SYS_OPEN, (long)path, 0, 0), err = fd;

	/* The clock of an open file, as Linux numbers it. */
	if (fd >= 0)
		err = call(SYS_CLOCK_GETTIME64, (long)(~(unsigned)fd << 3 | 3), (long)&host, 0);
	call(SYS_CLOCK_GETTIME64, CLOCK_REALTIME, (long)&guest, 0);
	put_text("guest: ptp ");
	if (err < 0) {
		put_text("error ");
		put_number((uint32_t)-err, 1);
	} else {
		put_time("host ", &host);
		put_time(" guest ", &guest);
	}
	put_text("\n");
	call(SYS_WRITE, 1, (long)line, (long)length);
	call(SYS_EXIT, err < 0, 0, 0);
}
