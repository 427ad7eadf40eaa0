/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Puts a program between a network device and the kernel, and takes it away again when it is stopped.
 *
 * usage: xdp DEVICE pass|drop|tx
 *        xdp DEVICE redirect OTHER
 *
 * pass: all goes on. The others do with frames for UDP port 9 what they are called, with IPv4 alone, and let the rest pass.
 * tx: with addresses exchanged. In the driver or not at all.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Of a frame without options, and of what a program is given. */
enum { TYPE = 12, PROTOCOL = 23, PORT = 36, SEEN = 42, IPV4 = 0x0008, UDP = 17, DISCARD = 0x0900 };

#define INSN(c, d, s, o, i)                                                                        \
	(struct bpf_insn)                                                                          \
	{                                                                                          \
		.code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i)                \
	}
#define LOAD(size, dst, src, off)  INSN(BPF_LDX | BPF_MEM | (size), dst, src, off, 0)
#define STORE(size, dst, off, src) INSN(BPF_STX | BPF_MEM | (size), dst, src, off, 0)
#define SET(dst, imm)		   INSN(BPF_ALU64 | BPF_MOV | BPF_K, dst, 0, 0, imm)
#define COPY(dst, src)		   INSN(BPF_ALU64 | BPF_MOV | BPF_X, dst, src, 0, 0)
#define ADD(dst, imm)		   INSN(BPF_ALU64 | BPF_ADD | BPF_K, dst, 0, 0, imm)
#define UNLESS(dst, imm, off)	   INSN(BPF_JMP | BPF_JNE | BPF_K, dst, 0, off, imm)
#define IF_ABOVE(dst, src, off)	   INSN(BPF_JMP | BPF_JGT | BPF_X, dst, src, off, 0)
#define CALL(function)		   INSN(BPF_JMP | BPF_CALL, 0, 0, 0, function)
#define EXIT			   INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)

#define MAX 48

static struct bpf_insn code[MAX];
static unsigned count;

static void add(struct bpf_insn insn)
{
	code[count++] = insn;
}

static void exchange_addresses(void)
{
	static const unsigned sizes[] = { BPF_W, BPF_H }, at[] = { 0, 4 };

	for (unsigned i = 0; i < 2; i++) {
		add(LOAD(sizes[i], 4, 2, at[i]));
		add(LOAD(sizes[i], 5, 2, 6 + at[i]));
		add(STORE(sizes[i], 2, at[i], 5));
		add(STORE(sizes[i], 2, 6 + at[i], 4));
	}
}

/* Whatever is no such frame goes to the end, where it passes. */
static void build(const char *what, unsigned other)
{
	unsigned checks[4], checked = 0, end;

	add(LOAD(BPF_W, 2, 1, offsetof(struct xdp_md, data)));
	add(LOAD(BPF_W, 3, 1, offsetof(struct xdp_md, data_end)));
	add(COPY(4, 2));
	add(ADD(4, SEEN));
	checks[checked++] = count;
	add(IF_ABOVE(4, 3, 0));
	add(LOAD(BPF_H, 4, 2, TYPE));
	checks[checked++] = count;
	add(UNLESS(4, IPV4, 0));
	add(LOAD(BPF_B, 4, 2, PROTOCOL));
	checks[checked++] = count;
	add(UNLESS(4, UDP, 0));
	add(LOAD(BPF_H, 4, 2, PORT));
	checks[checked++] = count;
	add(UNLESS(4, DISCARD, 0));
	if (!strcmp(what, "redirect")) {
		add(SET(1, (int)other));
		add(SET(2, 0));
		add(CALL(BPF_FUNC_redirect));
		add(EXIT);
	} else {
		if (!strcmp(what, "tx"))
			exchange_addresses();
		add(SET(0, !strcmp(what, "tx")	 ? XDP_TX :
			   !strcmp(what, "drop") ? XDP_DROP :
						   XDP_PASS));
		add(EXIT);
	}
	end = count;
	add(SET(0, XDP_PASS));
	add(EXIT);
	for (unsigned i = 0; i < checked; i++)
		code[checks[i]].off = (short)(end - checks[i] - 1);
}

static int bpf(unsigned command, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, command, attr, sizeof(*attr));
}

static int fail(const char *what)
{
	printf("guest: xdp: %s: %s\n", what, strerror(errno));
	return 1;
}

int main(int argc, char **argv)
{
	union bpf_attr attr;
	int program, link;

	if (argc < 3)
		return 2;
	build(argv[2], argc > 3 ? if_nametoindex(argv[3]) : 0);
	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_XDP;
	attr.insns = (unsigned long)code;
	attr.insn_cnt = count;
	attr.license = (unsigned long)"Dual BSD/GPL";
	program = bpf(BPF_PROG_LOAD, &attr);
	if (program < 0)
		return fail("loading");
	memset(&attr, 0, sizeof(attr));
	attr.link_create.prog_fd = (unsigned)program;
	attr.link_create.target_ifindex = if_nametoindex(argv[1]);
	attr.link_create.attach_type = BPF_XDP;
	attr.link_create.flags = XDP_FLAGS_DRV_MODE;
	link = bpf(BPF_LINK_CREATE, &attr);
	if (link < 0)
		return fail("attaching");
	printf("guest: xdp: %s\n", argv[2]);
	fflush(stdout);
	pause();
	close(link);
	return 0;
}
