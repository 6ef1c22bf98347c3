# SPDX-License-Identifier: MIT OR Apache-2.0
# Where an application processor starts: real mode to 64-bit Rust.
#
# Copied to a page below 1 MiB; position independent through DS = CS.
# `trampoline_cpu` is patched by the boot CPU before each start-up IPI.
# Out: RDI = CPU number, RSP = its stack.

.section .rodata.trampoline, "a"
.balign 16
.code16
.global trampoline_start
trampoline_start:
    cli
    cld
    movw %cs, %ax
    movw %ax, %ds
    xorl %ebx, %ebx
    movw %ax, %bx
    shll $4, %ebx                   # EBX = linear address of this page
    leal (trampoline_protected - trampoline_start)(%ebx), %eax
    movl %eax, (trampoline_far - trampoline_start)
    leal (trampoline_gdt - trampoline_start)(%ebx), %eax
    movl %eax, (trampoline_gdt_pointer - trampoline_start + 2)
    lgdtl (trampoline_gdt_pointer - trampoline_start)
    movl $0x11, %eax                # PE, ET
    movl %eax, %cr0
    ljmpl *(trampoline_far - trampoline_start)

.code32
trampoline_protected:
    movw $24, %ax
    movw %ax, %ds
    movw %ax, %ss
    movl (trampoline_root - trampoline_start)(%ebx), %eax
    movl %eax, %cr3
    movl $(1 << 5), %eax            # PAE
    movl %eax, %cr4
    movl $0xc0000080, %ecx
    rdmsr
    orl $(1 << 8), %eax             # EFER.LME
    wrmsr
    movl $((1 << 31) | (1 << 16) | (1 << 5) | 0x11), %eax
    movl %eax, %cr0
    leal (trampoline_long - trampoline_start)(%ebx), %eax
    movl %eax, (trampoline_far64 - trampoline_start)(%ebx)
    ljmpl *(trampoline_far64 - trampoline_start)(%ebx)

.code64
trampoline_long:
    movl %ebx, %ebx
    movq (trampoline_stack - trampoline_start)(%rbx), %rsp
    movl (trampoline_cpu - trampoline_start)(%rbx), %edi
    movq (trampoline_target - trampoline_start)(%rbx), %rax
    xorl %ebp, %ebp
    call *%rax
    ud2

.balign 8
trampoline_gdt:
    .quad 0
    .quad 0x00cf9b000000ffff        # 8: 32-bit code
    .quad 0x00af9b000000ffff        # 16: 64-bit code
    .quad 0x00cf93000000ffff        # 24: data
trampoline_gdt_pointer:
    .short 31
    .long 0
    .short 0
trampoline_far:
    .long 0
    .short 8
    .short 0
trampoline_far64:
    .long 0
    .short 16
    .short 0
.global trampoline_data
trampoline_data:
trampoline_root:
    .quad 0
trampoline_stack:
    .quad 0
trampoline_target:
    .quad 0
trampoline_cpu:
    .quad 0
.global trampoline_end
trampoline_end:
.code64
