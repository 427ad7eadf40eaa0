/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The first instructions of each processor, and the entry points of interrupts.
 *
 * The loader enters by PVH: 32-bit protected mode without paging, EBX = start info. The other
 * processors come from real mode. Both end in 64-bit mode, the first 4 GiB mapped one to one.
 */

#include "bm.h"

	.section .note.pvh, "a", @note
	.align	4
	.long	4, 4, 18		/* XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz	"Xen"
	.long	bm_start

/* --- descriptors and page tables ------------------------------------------------------------------ */

	.section .data
	.align	4096
pml4:	.quad	pdpt + 3
	.fill	511, 8, 0
pdpt:	.quad	pd + 0x0003, pd + 0x1003, pd + 0x2003, pd + 0x3003
	.fill	508, 8, 0
pd:	.set	page, 0
	.rept	2048			/* of 2 MiB: present, writable */
	.quad	(page << 21) + 0x83
	.set	page, page + 1
	.endr

	.align	16
gdt:	.quad	0
	.quad	0x00af9a000000ffff	/* 0x08: 64-bit code */
	.quad	0x00cf92000000ffff	/* 0x10: data */
	.quad	0x00cf9a000000ffff	/* 0x18: 32-bit code */
gdt_end:
gdtr:	.word	gdt_end - gdt - 1
	.long	gdt
	.long	0

next_stack:
	.long	0
start_info:
	.long	0

	.section .bss
	.align	4096
	.globl	bm_stacks
bm_stacks:
	.skip	BM_STACK_BYTES * BM_CPUS_MAX

/* --- 32 bits ---------------------------------------------------------------------------------------- */

	.text
	.code32
	.globl	bm_start
bm_start:
	cli
	movl	%ebx, start_info
	lgdt	gdtr
	ljmp	$0x18, $1f
1:	movl	$bm_first, %edi
	jmp	to_64

other_32:				/* other processors, from the trampoline */
	movl	$bm_other, %edi

to_64:	movl	$0x10, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %ss
	movl	$pml4, %eax
	movl	%eax, %cr3
	movl	%cr4, %eax
	orl	$0x20, %eax		/* PAE */
	movl	%eax, %cr4
	movl	$0xc0000080, %ecx	/* EFER */
	rdmsr
	orl	$0x100, %eax		/* long mode */
	wrmsr
	movl	%cr0, %eax
	andl	$0x9fffffff, %eax	/* caches on */
	orl	$0x80000001, %eax	/* paging, protected mode */
	movl	%eax, %cr0
	ljmp	$0x08, $enter_64

	.code64
enter_64:
	movl	$1, %eax
	lock xaddl %eax, next_stack
	incl	%eax
	imulq	$BM_STACK_BYTES, %rax, %rax
	leaq	bm_stacks(%rax), %rsp
	xorl	%ebp, %ebp
	movl	%edi, %edi
	jmp	*%rdi

bm_first:
	movl	start_info, %edi
	call	bm_main
	ud2

bm_other:
	call	bm_main_cpu
	ud2

/* --- 16 bits: copied below 1 MiB for the other processors --------------------------------------------- */

	.section .rodata
	.code16
	.globl	bm_trampoline, bm_trampoline_end
bm_trampoline:
	cli
	movw	%cs, %ax
	movw	%ax, %ds
	lgdtl	(trampoline_gdtr - bm_trampoline)
	movl	%cr0, %eax
	orl	$1, %eax
	movl	%eax, %cr0
	ljmpl	$0x18, $other_32
trampoline_gdtr:
	.word	gdt_end - gdt - 1
	.long	gdt
bm_trampoline_end:

/* --- interrupts ------------------------------------------------------------------------------------- */

	.text
	.code64
	.align	16
	.globl	bm_vectors
bm_vectors:
	.set	vector, 0
	.rept	256
	.align	16
	.if	(vector == 8) || (vector >= 10 && vector <= 14) || (vector == 17) || (vector == 21)
	.else
	pushq	$0			/* where the processor pushes no error code */
	.endif
	pushq	$vector
	jmp	interrupt
	.set	vector, vector + 1
	.endr

interrupt:
	pushq	%rax
	pushq	%rcx
	pushq	%rdx
	pushq	%rsi
	pushq	%rdi
	pushq	%r8
	pushq	%r9
	pushq	%r10
	pushq	%r11
	cld
	leaq	72(%rsp), %rdi		/* struct bm_frame */
	/* The processor has aligned the stack before its five words; with the two and nine here it is aligned again. */
	call	bm_interrupt
	popq	%r11
	popq	%r10
	popq	%r9
	popq	%r8
	popq	%rdi
	popq	%rsi
	popq	%rdx
	popq	%rcx
	popq	%rax
	addq	$16, %rsp
	iretq

	.section .note.GNU-stack, "", @progbits
