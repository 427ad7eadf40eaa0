/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * From the PVH entry point (32-bit, paging off, ebx = start info) to 64-bit C; the same for the other
 * processors from real mode; entries of interrupts and exceptions.
 */

#define CODE32	0x08
#define CODE64	0x10
#define DATA	0x18

#define CR0_PE		0x00000001
#define CR0_MP_NE_WP	0x00010022
#define CR0_PG		0x80000000
#define CR4_PAE		0x00000020
#define EFER		0xc0000080
#define EFER_LME	0x00000100

	.section .note.pvh, "a", @note
	.long 4, 4, 18			/* lengths of name and value; Xen's PHYS32_ENTRY */
	.asciz "Xen"
	.long start32

/* --- the boot processor --------------------------------------------------------------------------- */

	.section .text.start, "ax"
	.code32
	.globl start32
start32:
	lgdt gdt_pointer
	movl $boot_stack_end, %esp
	movl %ebx, start_info_gpa

	/* The first 4 GiB one to one, in pages of 2 MiB. */
	movl $(page_directories + 0x003), %eax
	movl $page_pdpt, %edi
	movl $4, %ecx
1:	movl %eax, (%edi)
	addl $0x1000, %eax
	addl $8, %edi
	loop 1b
	movl $0x083, %eax
	movl $page_directories, %edi
	movl $2048, %ecx
1:	movl %eax, (%edi)
	addl $0x200000, %eax
	addl $8, %edi
	loop 1b
	movl $(page_pdpt + 0x003), page_pml4

	call enable_long_mode
	ljmp $CODE64, $start64

/* Paging and long mode on; with 32-bit code segment. Changes eax, ecx, edx. */
enable_long_mode:
	movl $CR4_PAE, %eax
	movl %eax, %cr4
	movl $page_pml4, %eax
	movl %eax, %cr3
	movl $EFER, %ecx
	rdmsr
	orl $EFER_LME, %eax
	wrmsr
	movl $(CR0_PG | CR0_MP_NE_WP | CR0_PE), %eax
	movl %eax, %cr0
	ret

	.code64
start64:
	movl $DATA, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %ss
	xorl %eax, %eax
	movl %eax, %fs
	movl %eax, %gs
	movl start_info_gpa, %edi
	xorl %ebp, %ebp
	call bare_main
1:	hlt
	jmp 1b

/* --- the other processors ------------------------------------------------------------------------- */

/* Copied to a page below 1 MiB, where it starts in real mode with ip 0. */
	.section .rodata
	.code16
	.globl ap_start, ap_start_end
ap_start:
	cli
	movw %cs, %ax
	movw %ax, %ds
	lgdtl ap_gdt_pointer - ap_start
	movl $CR0_PE, %eax
	movl %eax, %cr0
	ljmpl $CODE32, $ap_start32
ap_gdt_pointer:
	.word gdt_end - gdt - 1
	.long gdt
ap_start_end:

	.section .text
	.code32
ap_start32:
	movl $DATA, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %ss
	movl ap_stack, %esp
	call enable_long_mode
	ljmp $CODE64, $ap_start64

	.code64
ap_start64:
	movq ap_stack, %rsp
	xorl %ebp, %ebp
	call smp_ap_main
1:	hlt
	jmp 1b

/* --- interrupts and exceptions -------------------------------------------------------------------- */

/* 256 entries of 16 bytes: an error code where the processor gives none, the vector, the common part. */
	.balign 16
	.globl trap_entries
trap_entries:
vector = 0
	.rept 256
	.balign 16
	.if vector != 8 && (vector < 10 || vector > 14) && vector != 17 && vector != 21
	pushq $0
	.endif
	pushq $vector
	jmp trap_common
vector = vector + 1
	.endr

trap_common:
	pushq %rax
	pushq %rcx
	pushq %rdx
	pushq %rbx
	pushq %rbp
	pushq %rsi
	pushq %rdi
	pushq %r8
	pushq %r9
	pushq %r10
	pushq %r11
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	cld
	movq %rsp, %rdi			/* struct trap_frame */
	movq %rsp, %rbp
	andq $-16, %rsp
	call trap_dispatch
	movq %rbp, %rsp
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %r11
	popq %r10
	popq %r9
	popq %r8
	popq %rdi
	popq %rsi
	popq %rbp
	popq %rbx
	popq %rdx
	popq %rcx
	popq %rax
	addq $16, %rsp
	iretq

/* --- tables --------------------------------------------------------------------------------------- */

	.section .data
	.balign 8
gdt:
	.quad 0
	.quad 0x00cf9b000000ffff	/* 32-bit code */
	.quad 0x00af9b000000ffff	/* 64-bit code */
	.quad 0x00cf93000000ffff	/* data */
gdt_end:
gdt_pointer:
	.word gdt_end - gdt - 1
	.long gdt
	.balign 8
	.globl ap_stack
ap_stack:
	.quad 0
start_info_gpa:
	.long 0

	.section .bss
	.balign 4096
	.globl page_pml4
page_pml4:
	.skip 4096
page_pdpt:
	.skip 4096
page_directories:
	.skip 4 * 4096
boot_stack:
	.skip 16384
boot_stack_end:

	.section .note.GNU-stack, "", @progbits
