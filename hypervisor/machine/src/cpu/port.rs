// SPDX-License-Identifier: MIT OR Apache-2.0
//! Port I/O for this crate.
//!
//! Crate-private: a port can do anything to the machine (DMA controllers, SMI),
//! so every caller is part of the trusted code. Stands on `x86::io`.

macro_rules! accessors {
    ($read:ident $write:ident $type:ty, $input:ident $output:ident) => {
        /// Reads a port.
        #[inline]
        pub fn $read(port: u16) -> $type {
            // SAFETY: runs at CPL 0; the callers, all in this crate, name ports of devices that this crate owns.
            unsafe { x86::io::$input(port) }
        }

        /// Writes a port.
        #[inline]
        pub fn $write(port: u16, value: $type) {
            // SAFETY: as for reading.
            unsafe { x86::io::$output(port, value) }
        }
    };
}

accessors!(read_u8 write_u8 u8, inb outb);
accessors!(read_u16 write_u16 u16, inw outw);
accessors!(read_u32 write_u32 u32, inl outl);
