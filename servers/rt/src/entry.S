# SPDX-License-Identifier: MIT OR Apache-2.0
# The header of a flat image, its entry, and the entry of further vCPUs.
# At entry: RDI = GPA of the information page (first vCPU) or of a pair
# (function, argument) (further vCPUs); RSP = a stack; interrupts off.

.section .flat.header, "ax"
flat_header:
    .quad {magic}
    .quad flat_load
    .quad flat_entry
    .quad flat_page_tables
    .quad flat_stack_end
    .quad flat_memory_end

.text
.global flat_entry
flat_entry:
    cld
    mov rdx, rdi
    lea rdi, [rip + flat_bss_start]
    lea rcx, [rip + flat_bss_end]
    sub rcx, rdi
    xor eax, eax
    rep stosb
    mov rdi, rdx
    xor ebp, ebp
    call flat_main
    ud2

.global flat_secondary_entry
flat_secondary_entry:
    cld
    xor ebp, ebp
    mov rax, [rdi]
    mov rdi, [rdi + 8]
    call rax
    ud2

.section .bss.flat_stack, "aw", @nobits
.balign 4096
    .skip 0x40000
flat_stack_end:
