# SPDX-License-Identifier: MIT OR Apache-2.0
# VM entry and exit: general-purpose registers only.
#
# vmx_launch, vmx_resume: called by inline assembly that declares all
# registers but RBX, RBP and RSP as clobbered. In: RDI = Registers, RSI =
# where the caller keeps the stub to call; vmx_launch puts vmx_resume there.
# Out: RAX = exit reason, or -1 when the entry instruction failed.
# vmx_exit: HOST_RIP. HOST_RSP points between the two words of this CPU's
# `exit_frame`: RDI is pushed into the first, the second holds `Registers`.

.macro VMX_ENTER instruction
    push rbx
    push rbp
    mov gs:[{root_stack}], rsp
    mov gs:[{exit_frame} + 8], rdi
    mov rax, [rdi + {rax}]
    mov rbx, [rdi + {rbx}]
    mov rcx, [rdi + {rcx}]
    mov rdx, [rdi + {rdx}]
    mov rsi, [rdi + {rsi}]
    mov rbp, [rdi + {rbp}]
    mov r8, [rdi + {r8}]
    mov r9, [rdi + {r9}]
    mov r10, [rdi + {r10}]
    mov r11, [rdi + {r11}]
    mov r12, [rdi + {r12}]
    mov r13, [rdi + {r13}]
    mov r14, [rdi + {r14}]
    mov r15, [rdi + {r15}]
    mov rdi, [rdi + {rdi}]
    \instruction
    mov rax, -1                     # still root mode: the entry failed
    pop rbp
    pop rbx
    ret
.endm

.section .text.vmx, "ax"
.balign 64
.global vmx_launch
vmx_launch:
    lea rax, [rip + vmx_resume]
    mov [rsi], rax
    VMX_ENTER vmlaunch

.balign 64
vmx_resume:
    VMX_ENTER vmresume

.balign 64
.global vmx_exit
vmx_exit:
    push rdi
    mov rdi, [rsp + 8]
    mov [rdi + {rax}], rax
    mov [rdi + {rbx}], rbx
    mov [rdi + {rcx}], rcx
    mov [rdi + {rdx}], rdx
    mov [rdi + {rsi}], rsi
    mov [rdi + {rbp}], rbp
    mov [rdi + {r8}], r8
    mov [rdi + {r9}], r9
    mov [rdi + {r10}], r10
    mov [rdi + {r11}], r11
    mov [rdi + {r12}], r12
    mov [rdi + {r13}], r13
    mov [rdi + {r14}], r14
    mov [rdi + {r15}], r15
    pop qword ptr [rdi + {rdi}]
    mov rsp, gs:[{root_stack}]
    mov eax, {exit_reason}
    vmread rax, rax
    pop rbp
    pop rbx
    ret
