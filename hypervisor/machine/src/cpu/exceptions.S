# SPDX-License-Identifier: MIT OR Apache-2.0
# Stubs of the 256 vectors of root mode.
#
# Each pushes an error code where the processor does not, and its vector.
# Vectors 32 and up arrive only in `idle` (STI; HLT; CLI): the stub records the
# vector in gs:[{pending}] and returns with interrupts off. Below: no return,
# except from an NMI while nothing is wrong; a CPU that says last words stops
# the others by one.

.section .text.exceptions, "ax"
.balign 16
.global exception_stubs
exception_stubs:
.set exception_vector, 0
.rept 256
    .balign 16
    .if exception_vector < 32
    .if ((0x60227d00 >> exception_vector) & 1) == 0
    push 0
    .endif
    push exception_vector
    jmp exception_fault
    .else
    push 0
    push exception_vector
    jmp exception_interrupt
    .endif
    .set exception_vector, exception_vector + 1
.endr

exception_interrupt:
    xchg rax, [rsp]                 # vector; its slot keeps RAX
    bts qword ptr gs:[{pending}], rax
    and dword ptr [rsp + 32], ~0x200    # RFLAGS.IF off after return: one at a time
    pop rax
    add rsp, 8
    iretq

exception_fault:
    cmp qword ptr [rsp], 2
    je exception_nmi
    push r15
    push r14
    push r13
    push r12
    push r11
    push r10
    push r9
    push r8
    push rdi
    push rsi
    push rbp
    push rbx
    push rdx
    push rcx
    push rax
    mov rdi, rsp
    cld
    and rsp, -16
    call {fault}
    ud2

exception_nmi:
    cmp byte ptr [rip + {is_epitaph_begun}], 0
    jne exception_stop
    add rsp, 16
    iretq

exception_stop:
    hlt
    jmp exception_stop
