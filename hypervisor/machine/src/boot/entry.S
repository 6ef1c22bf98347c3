# SPDX-License-Identifier: MIT OR Apache-2.0
# From GRUB (Multiboot2, 32-bit protected mode, paging off) to 64-bit Rust.
#
# In:  EAX = Multiboot2 magic, EBX = address of the boot information.
# Out: RDI = magic, RSI = boot information, on the boot CPU's stack, identity
#      map of the first 4 GiB, interrupts off. Does not return.

.section .multiboot2, "a"
.balign 8
entry_header:
    .long 0xe85250d6
    .long 0
    .long entry_header_end - entry_header
    .long -(0xe85250d6 + 0 + (entry_header_end - entry_header))
    .short 6, 0                     # modules on page boundaries
    .long 8
    .short 0, 0
    .long 8
entry_header_end:

.section .text.entry, "ax"
.code32
.global _start
_start:
    cli
    cld
    mov edi, eax
    mov esi, ebx
    lea esp, [entry_stack_end]
    mov eax, 0x80000000
    cpuid
    cmp eax, 0x80000001
    jb entry_refuse
    mov eax, 0x80000001
    cpuid
    test edx, 1 << 29               # long mode
    jz entry_refuse

    lea eax, [entry_page_directory]         # 2048 entries of 2 MiB
    mov ecx, 0x83
1:  mov dword ptr [eax], ecx
    add eax, 8
    add ecx, 0x200000
    jnc 1b
    lea eax, [entry_page_directory + 3]
    lea ebx, [entry_page_pointers]
    mov ecx, 4
2:  mov dword ptr [ebx], eax
    add eax, 0x1000
    add ebx, 8
    dec ecx
    jnz 2b
    lea eax, [entry_page_pointers + 3]
    mov dword ptr [entry_page_root], eax

    lea eax, [entry_page_root]
    mov cr3, eax
    mov eax, cr4
    or eax, 1 << 5                  # PAE
    mov cr4, eax
    mov ecx, 0xc0000080
    rdmsr
    or eax, 1 << 8                  # EFER.LME
    wrmsr
    mov eax, cr0
    or eax, (1 << 31) | (1 << 16) | (1 << 5)    # PG, WP, NE
    mov cr0, eax
    lgdt [entry_gdt_pointer]
    .byte 0xea                      # far jump, 8:entry_long
    .long entry_long
    .short 8

entry_refuse:
    lea esi, [entry_refusal]
    mov ebx, 0xb8000
3:  lodsb
    test al, al
    jz 4f
    mov byte ptr [ebx], al
    add ebx, 2
    mov dx, 0x3f8
    out dx, al
    jmp 3b
4:  hlt
    jmp 4b

.code64
entry_long:
    mov ax, 16
    mov ds, ax
    mov es, ax
    mov ss, ax
    xor eax, eax
    mov fs, ax
    mov gs, ax
    mov edi, edi
    mov esi, esi
    lea rsp, [rip + entry_stack_end]
    xor ebp, ebp
    call {boot}
    ud2
