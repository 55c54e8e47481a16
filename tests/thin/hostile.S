/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first sectors of a disk that no good machine would boot: loads the rest of itself through the firmware, counts its starts
 * in sector 1, and goes to protected mode, flat, without paging. There hostile.c has the machine for itself.
 *
 *	0x7c00  sector 0, this
 *	0x7e00  sector 1: the seed (8 bytes, written by whoever makes the disk), and how often it was started (8 bytes)
 *	0x8000  sectors 2 to HOSTILE_SECTORS, hostile.c
 *	0x70000 the stack, downwards
 */
#define CODE 8
#define DATA 16
#define STACK 0x70000

	.code16
	.section .boot, "ax"
	.globl _start
_start:
	ljmp $0, $1f
1:	xor %ax, %ax
	mov %ax, %ds
	mov %ax, %es
	mov %ax, %ss
	mov $0x7c00, %sp
	mov %dl, drive
	mov $0x42, %ah		/* extended read */
	mov $packet, %si
	int $0x13
	jc dead
	incl seed + 8
	movw $1, packet + 2
	mov drive, %dl
	mov $0x4300, %ax	/* extended write; where it fails the same row begins again */
	mov $packet, %si
	int $0x13
	cli
	lgdt gdt_pointer
	mov %cr0, %eax
	or $1, %al
	mov %eax, %cr0
	ljmp $CODE, $protected
dead:	hlt
	jmp dead

	.code32
protected:
	mov $DATA, %ax
	mov %ax, %ds
	mov %ax, %es
	mov %ax, %ss
	mov %ax, %fs
	mov %ax, %gs
	lidt idt_pointer
	mov $bss_begin, %edi
	mov $bss_end, %ecx
	sub %edi, %ecx
	xor %eax, %eax
	cld
	rep stosb
	/* Also for whom an exception has thrown out of what it did. */
	.globl again
again:	mov $STACK, %esp
	cld
	call hostile
	jmp again

	.globl interrupted
interrupted:
	iret

	.balign 8
gdt:	.quad 0
	.quad 0x00cf9a000000ffff
	.quad 0x00cf92000000ffff
gdt_pointer:
	.word . - gdt - 1
	.long gdt
idt_pointer:
	.word 256 * 8 - 1
	.long idt
drive:	.byte 0
	.balign 4
packet:	.byte 16, 0
	.word HOSTILE_SECTORS
	.word seed, 0
	.quad 1

	.org 510
	.word 0xaa55
	.globl seed
seed:	.quad 0, 0
	.org 1024
