# SPDX-License-Identifier: MIT OR Apache-2.0
# Static page tables: the first 4 GiB, identity mapped by 2 MiB pages, writable.
# SDM Vol. 3A, "4-Level Paging": bit 0 present, 1 writable, 5 accessed, 6 dirty, 7 large page.

.section .flat.tables, "aw"
.balign 4096
.global flat_page_tables
flat_page_tables:
    .quad flat_page_directories + 0x23
    .skip 4096 - 8
flat_page_directories:
    .set index, 0
    .rept 4
    .quad flat_page_directory + index * 4096 + 0x23
    .set index, index + 1
    .endr
    .skip 4096 - 4 * 8
flat_page_directory:
    .set index, 0
    .rept 4 * 512
    .quad index * 0x200000 + 0xe3
    .set index, index + 1
    .endr
