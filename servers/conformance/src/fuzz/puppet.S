# SPDX-License-Identifier: MIT OR Apache-2.0
# Programs of the fuzzer's partitions. Both are servers in a loop; they are copied
# to 0x4000, run at privilege level 0 on identity page tables, and use no stack.

.section .rodata.puppets, "a"

# Makes up to 64 hypercalls per call that it gets: entries of 8 words at 0x8000 (number,
# RBX, w0 to w5), results at 0x9000 (status, RBX, w0 to w2, status xor number in the
# last word), at 0xa000 + 64 n how often entry n was done.
# The caller says how many in RDI, all with 0x50555050 in RSI, else at most 8.
# Bit 40 of a number: the time stamp counter is added to w0.
.balign 16
.global puppet_start
puppet_start:
1:
    mov rbx, -1
2:
    mov eax, 2
    vmcall
    test rax, rax
    jz 3f
    mov ebx, 14
    cmp rax, 9
    je 2b
    xor eax, eax
    mov [0x10000], rax
    mov [0x10008], rax
    mov [0x10010], rax
    mov [0x10018], rax
    mov [0x10020], rax
    jmp 1b
3:
    mov r12, rdi
    and r12d, 63
    cmp rsi, 0x50555050
    je 4f
    and r12d, 7
4:
    inc r12d
    mov r13d, 0x8000
    mov r14d, 0x9000
5:
    mov r15, [r13]
    xor r11d, r11d
    btr r15, 40
    jnc 6f
    rdtsc
    shl rdx, 32
    lea r11, [rdx + rax]
6:
    mov rax, r15
    mov rbx, [r13 + 8]
    mov rdi, [r13 + 16]
    add rdi, r11
    mov rsi, [r13 + 24]
    mov rdx, [r13 + 32]
    mov r10, [r13 + 40]
    mov r8, [r13 + 48]
    mov r9, [r13 + 56]
    vmcall
    mov [r14], rax
    mov [r14 + 8], rbx
    mov [r14 + 16], rdi
    mov [r14 + 24], rsi
    mov [r14 + 32], rdx
    xor rax, r15
    mov [r14 + 56], rax
    inc qword ptr [r14 + 0x1000]
    add r13d, 64
    add r14d, 64
    dec r12d
    jnz 5b
    xor ebx, ebx
    jmp 2b
.global puppet_end
puppet_end:

# Answers every call and fault message: mostly by PARK, at times by RESUME.
.balign 16
.global warden_start
warden_start:
1:
    mov rbx, -1
2:
    mov eax, 2
    vmcall
    test rax, rax
    jz 3f
    cmp rax, 9
    je 3f
    xor eax, eax
    mov [0x10000], rax
    mov [0x10008], rax
    mov [0x10010], rax
    mov [0x10018], rax
    mov [0x10020], rax
    jmp 1b
3:
    rdtsc
    xor edi, edi
    xor ebx, ebx
    test eax, 7
    jnz 2b
    inc edi
    jmp 2b
.global warden_end
warden_end:
