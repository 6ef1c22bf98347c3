# SPDX-License-Identifier: MIT OR Apache-2.0
# What the way to 64-bit mode needs: descriptors, page tables, first stack.
#
# The page tables are live only until the final ones are loaded (boot CPU) and
# while an application processor comes up; nothing maps W+X after that.

.section .rodata.entry, "a"
.balign 8
entry_gdt:
    .quad 0
    .quad 0x00af9b000000ffff        # 8: 64-bit code
    .quad 0x00cf93000000ffff        # 16: data
.global entry_gdt_pointer
entry_gdt_pointer:
    .short entry_gdt_pointer - entry_gdt - 1
    .quad entry_gdt
entry_refusal:
    .asciz "sawmill: this processor has no 64-bit mode; nothing was started\r\n"

.section .bss.entry, "aw", @nobits
.balign 4096
.global entry_page_root
entry_page_root:
    .skip 4096
entry_page_pointers:
    .skip 4096
entry_page_directory:
    .skip 4096 * 4
entry_stack:
    .skip 16384
entry_stack_end:
