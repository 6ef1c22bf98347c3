# SPDX-License-Identifier: MIT OR Apache-2.0
# Programs of the runner's children. They are copied to 0x10000, run at privilege
# level 0 on identity page tables, find arguments at 0x8000, leave results at
# 0x8100, and end by UD2, which without an IDT is a triple fault.

.section .rodata.children, "a"

.macro program name
.global child_\name
.balign 16
.quad 0
.quad 2f - 1f
child_\name:
1:
.endm

# The end of a program that has loaded a descriptor table: UD2 without one.
.macro end_without_gates
    lidt [0x8200]
    ud2
.endm

# Lets a vector go to the label 3; RAX is lost.
.macro set_gate vector, attributes
    lea rax, [rip + 3f]
    mov [0xa000 + \vector * 16], ax
    mov dword ptr [0xa002 + \vector * 16], \attributes << 16 | 0x10
    shr rax, 16
    mov [0xa006 + \vector * 16], ax
    mov qword ptr [0xa008 + \vector * 16], 0
.endm

# One hypercall with the registers at 0x8000.
program hypercall
    mov rsp, 0x7f00
    mov rax, [0x8000]
    mov rbx, [0x8008]
    mov rdi, [0x8010]
    mov rsi, [0x8018]
    mov rdx, [0x8020]
    mov r10, [0x8028]
    mov r8, [0x8030]
    mov r9, [0x8038]
    mov rcx, 0x1234
    mov r11, 0x5678
    mov r15, 0x9abc
    vmcall
    mov [0x8100], rax
    mov [0x8108], rbx
    mov [0x8110], rdi
    mov [0x8118], rcx
    mov [0x8120], r11
    mov [0x8128], r15
    ud2
2:

# A hypercall at privilege level 3; the descriptors are at 0x9100.
program user
    lgdt [0x9100]
    push 0x1b
    push 0x7f00
    push 2
    push 0x23
    lea rax, [rip + 3f]
    push rax
    iretq
3:
    xor eax, eax
    vmcall
    mov [0x8100], rax
    mov word ptr [0x8108], cs
    ud2
2:

program triple_fault
    ud2
2:

program read_unmapped
    mov rax, [0x30000000]
    ud2
2:

program write_unmapped
    mov [0x30000008], rax
    ud2
2:

program execute_unmapped
    mov eax, 0x30000000
    jmp rax
2:

program write_read_only
    mov rax, [0x20000000]
    mov [0x8100], rax
    mov [0x20000000], rax
    ud2
2:

program halt
    hlt
    ud2
2:

# RDMSR and WRMSR with the number at 0x8000; the handler of vector 13 is at 0x11000.
program read_msr
    lgdt [0x9100]
    lidt [0x9110]
    mov ecx, [0x8000]
    rdmsr
    mov qword ptr [0x8100], 1
    end_without_gates
2:

program write_msr
    lgdt [0x9100]
    lidt [0x9110]
    mov ecx, [0x8000]
    mov eax, [0x8008]
    mov edx, [0x800c]
    wrmsr
    mov qword ptr [0x8100], 1
    end_without_gates
2:

program protection_handler
    mov qword ptr [0x8100], 13
    end_without_gates
2:

# Sets the bits at 0x8000 in CR4.
program set_cr4
    lgdt [0x9100]
    lidt [0x9110]
    mov rax, cr4
    or rax, [0x8000]
    mov cr4, rax
    mov qword ptr [0x8100], 1
    end_without_gates
2:

# Asks for #NM instead of floating point (CR0.EM).
program emulate_floating_point
    lgdt [0x9100]
    lidt [0x9110]
    set_gate 7, 0x8e00
    mov rax, cr0
    or eax, 4
    mov cr0, rax
    fninit
    mov qword ptr [0x8100], 1
    end_without_gates
3:
    mov qword ptr [0x8100], 7
    end_without_gates
2:

# Watches the stack of its debug exceptions (IST 1 of the TSS at 0): delivering one raises the next.
program endless_exceptions
    lgdt [0x9100]
    lidt [0x9110]
    mov qword ptr [0x24], 0x7800
    set_gate 1, 0x8e01
    mov eax, 0x77f8
    mov dr0, rax
    mov eax, 0x90703
    mov dr7, rax
    mov qword ptr [0x8100], 1
    mov [0x77f8], rax
3:
    inc qword ptr [0x8108]
    jmp 3b
2:

program invalidate_caches
    invd
    ud2
2:

program vmx_instruction
    vmxoff
    ud2
2:

program ports
    mov dx, 0x60
    xor eax, eax
    in al, dx
    mov [0x8100], rax
    mov dx, 0xcf8
    mov eax, 0x80000000
    out dx, eax
    mov dx, 0xcfc
    in eax, dx
    mov [0x8108], rax
    ud2
2:

# Looks at a page and counts, for ever.
program watch_page
3:
    mov rax, [0x20000000]
    inc qword ptr [0x8100]
    jmp 3b
2:

# One hypercall with RAX and RBX at 0x8000; whatever it gives, counts for ever afterwards.
program hypercall_and_spin
    mov rax, [0x8000]
    mov rbx, [0x8008]
    vmcall
3:
    inc qword ptr [0x8100]
    jmp 3b
2:

# Sets its timer 0x8010 ticks ahead by hypercall 0x8000, waits by hypercall 0x8008,
# counts, and keeps the longest time that it came too late; the event page is at 0x91000.
program keep_time
3:
    rdtsc
    shl rdx, 32
    or rax, rdx
    add rax, [0x8010]
    mov r12, rax
    mov rdi, rax
    mov rax, [0x8000]
    xor ebx, ebx
    vmcall
4:
    mov rax, [0x8008]
    xor ebx, ebx
    vmcall
    mov qword ptr [0x91000], 0
    mov qword ptr [0x91020], 0
    rdtsc
    shl rdx, 32
    or rax, rdx
    sub rax, r12
    js 4b
    cmp rax, [0x8108]
    jbe 5f
    mov [0x8108], rax
5:
    inc qword ptr [0x8100]
    jmp 3b
2:

program spin
3:
    inc qword ptr [0x8100]
    pause
    jmp 3b
2:
