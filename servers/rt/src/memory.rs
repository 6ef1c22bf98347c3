// SPDX-License-Identifier: MIT OR Apache-2.0
//! Memory that others see too: shared pages, fixed pages and windows into regions.
//!
//! All access is by volatile copy. The address space is an identity map of the
//! first 4 GiB, so an address of this program is its guest-physical address.

use core::cell::UnsafeCell;
use core::marker::PhantomData;

use sawmill_abi::PAGE_SIZE;

use crate::calls::{self, Result, Selector};

/// End of what the page tables map.
const MAPPED_END: u64 = 4 << 30;

/// Plain data: every bit pattern is a value, and there are no pointers in it.
///
/// # Safety
/// (1) The type is `repr(C)` or an integer, and any bytes are a valid value of it.
pub unsafe trait Plain: Copy {}

// SAFETY: (1) integers and `repr(C)` records of integers and arrays of them.
unsafe impl Plain for u64 {}
// SAFETY: (1) as above.
unsafe impl Plain for u32 {}
// SAFETY: (1) as above.
unsafe impl<T: Plain, const N: usize> Plain for [T; N] {}
// SAFETY: (1) as above.
unsafe impl Plain for sawmill_abi::info::PartitionInfo {}
// SAFETY: (1) as above.
unsafe impl Plain for sawmill_abi::machine::RootInfo {}
// SAFETY: (1) as above.
unsafe impl Plain for sawmill_abi::machine::FlatImageHeader {}
// SAFETY: (1) as above.
unsafe impl Plain for sawmill_abi::statistics::PartitionStatistics {}
// SAFETY: (1) as above.
unsafe impl Plain for TracePage {}

/// Trace entries in a page.
pub const TRACE_ENTRIES: usize = PAGE_SIZE as usize / core::mem::size_of::<sawmill_abi::trace::TraceEntry>();

/// A page of trace entries.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct TracePage(pub [sawmill_abi::trace::TraceEntry; TRACE_ENTRIES]);

/// A page of this program that the hypervisor writes.
#[repr(C, align(4096))]
pub struct Shared<T> {
    value: UnsafeCell<T>,
}

// SAFETY: all access is by volatile copies of plain data: a race gives mixed values, nothing else.
unsafe impl<T: Plain> Sync for Shared<T> {}

impl<T: Plain> Shared<T> {
    /// Creates the page, all zeros.
    pub const fn zeroed() -> Shared<T> {
        // SAFETY: (1) any bytes are a value of plain data.
        Shared { value: UnsafeCell::new(unsafe { core::mem::zeroed() }) }
    }

    /// Returns its guest-physical address.
    pub fn gpa(&self) -> u64 {
        self.value.get() as u64
    }

    /// Copies the value out.
    pub fn read(&self) -> T {
        // SAFETY: the pointer is valid and aligned; the type is plain.
        unsafe { self.value.get().read_volatile() }
    }
}

/// Returns what lies in a page of the fixed range below 1 MiB, which no Rust object uses.
pub fn read_low<T: Plain>(gpa: u64) -> Option<T> {
    let end = gpa.checked_add(core::mem::size_of::<T>() as u64)?;
    if gpa == 0 || end > 1 << 20 || !gpa.is_multiple_of(core::mem::align_of::<T>() as u64) {
        return None;
    }
    // SAFETY: mapped and aligned memory below the image, where no Rust object lies; the type is plain.
    Some(unsafe { (gpa as *const T).read_volatile() })
}

/// A part of a region, mapped into this partition at a fixed place until dropped.
pub struct Window<'a> {
    partition: Selector,
    gpa: u64,
    pages: u64,
    exclusive: PhantomData<&'a mut Place>,
}

/// An address range reserved for windows, so that two never overlap.
pub struct Place {
    partition: Selector,
    gpa: u64,
    pages: u64,
}

impl Place {
    /// Reserves a range, which has to lie above this image's memory and below 4 GiB; `partition` is the calling
    /// partition's own capability with the right CONTROL.
    ///
    /// # Safety
    /// (1) Nothing else is mapped or used there, and no other `Place` overlaps it.
    pub const unsafe fn new(partition: Selector, gpa: u64, pages: u64) -> Place {
        assert!(gpa >= 1 << 30 && gpa + pages * PAGE_SIZE <= MAPPED_END);
        Place { partition, gpa, pages }
    }

    /// Maps part of a region here.
    ///
    /// # Errors
    /// `BadArgument` if the place is too small, else what `region_map` says.
    pub fn map(&mut self, region: Selector, offset: u64, pages: u64, rights: u64) -> Result<Window<'_>> {
        if pages > self.pages {
            return Err(sawmill_abi::status::Status::BadArgument);
        }
        calls::region_map(region, self.partition, self.gpa, offset, pages, rights)?;
        Ok(Window { partition: self.partition, gpa: self.gpa, pages, exclusive: PhantomData })
    }

    /// Maps the beginning of a region here, for as long as the window lives, which may be for good.
    ///
    /// # Errors
    /// As for [`Place::map`].
    pub fn map_for_good(mut self, region: Selector, pages: u64, rights: u64) -> Result<Window<'static>> {
        let Window { partition, gpa, pages, .. } = *core::mem::ManuallyDrop::new(self.map(region, 0, pages, rights)?);
        Ok(Window { partition, gpa, pages, exclusive: PhantomData })
    }
}

impl Window<'_> {
    /// Returns the window's bytes. Use it on regions that nobody else has mapped writable.
    pub fn bytes(&self) -> &[u8] {
        let length = usize::try_from(self.pages * PAGE_SIZE).unwrap_or(0);
        // SAFETY: mapped readable while the window lives, inside the identity map, and lent for as long.
        unsafe { core::slice::from_raw_parts(self.gpa as *const u8, length) }
    }

    /// Returns the guest-physical address of a page, if there is one.
    pub fn page(&self, page: u64) -> Option<u64> {
        self.start(page * PAGE_SIZE, PAGE_SIZE as usize)
    }

    /// Copies bytes in; returns `None` if they do not fit.
    pub fn write(&mut self, offset: u64, bytes: &[u8]) -> Option<()> {
        let start = self.start(offset, bytes.len())?;
        // SAFETY: the range was checked to lie in this window, which is mapped; the source is a Rust object and so
        // does not overlap with a window.
        unsafe { core::ptr::copy_nonoverlapping(bytes.as_ptr(), start as *mut u8, bytes.len()) };
        Some(())
    }

    /// Copies a record in; returns `None` if it does not fit.
    pub fn write_record<T: Plain>(&mut self, offset: u64, record: &T) -> Option<()> {
        let start = self.start(offset, core::mem::size_of::<T>())?;
        // SAFETY: the range was checked to lie in this window; unaligned writing is asked for.
        unsafe { (start as *mut T).write_unaligned(*record) };
        Some(())
    }

    /// Copies a record out; returns `None` if it does not fit.
    pub fn read_record<T: Plain>(&self, offset: u64) -> Option<T> {
        let start = self.start(offset, core::mem::size_of::<T>())?;
        // SAFETY: the range was checked to lie in this window; the type is plain.
        Some(unsafe { (start as *const T).read_unaligned() })
    }

    fn start(&self, offset: u64, length: usize) -> Option<u64> {
        let end = offset.checked_add(length as u64)?;
        (end <= self.pages * PAGE_SIZE).then_some(self.gpa + offset)
    }
}

impl Drop for Window<'_> {
    fn drop(&mut self) {
        // It was mapped by us; if it is gone already (revoked), that is what is wanted.
        let _ = calls::region_unmap(self.partition, self.gpa, self.pages);
    }
}

/// The control or pool area of a connection, mapped by root; the other end writes it at any time.
#[derive(Clone, Copy, Debug)]
pub struct Area {
    gpa: u64,
    bytes: u64,
}

impl Area {
    /// The control area of a connection, if it has one.
    pub fn control(connection: &sawmill_abi::info::Connection) -> Option<Area> {
        Area::new(connection.control_gpa, connection.control_bytes)
    }

    /// The pool of a connection, if it has one.
    pub fn pool(connection: &sawmill_abi::info::Connection) -> Option<Area> {
        Area::new(connection.pool_gpa, connection.pool_bytes)
    }

    fn new(gpa: u64, bytes: u64) -> Option<Area> {
        let end = gpa.checked_add(bytes)?;
        (bytes > 0 && gpa >= 1 << 30 && end <= MAPPED_END).then_some(Area { gpa, bytes })
    }

    /// Its size.
    pub fn len(&self) -> u64 {
        self.bytes
    }

    /// Whether it has no bytes; it never is.
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Copies a byte out; 0 outside.
    pub fn read(&self, offset: u64) -> u8 {
        if offset >= self.bytes {
            return 0;
        }
        // SAFETY: inside the area, which root mapped above 1 GiB, where no Rust object lies; any byte is a value.
        unsafe { ((self.gpa + offset) as *const u8).read_volatile() }
    }

    /// Copies a byte in; does nothing outside.
    pub fn write(&self, offset: u64, byte: u8) {
        if offset < self.bytes {
            // SAFETY: as for `read`; the memory is mapped writable.
            unsafe { ((self.gpa + offset) as *mut u8).write_volatile(byte) };
        }
    }

    /// Copies bytes in.
    pub fn write_all(&self, offset: u64, bytes: &[u8]) {
        for (at, byte) in (offset..).zip(bytes) {
            self.write(at, *byte);
        }
    }

    /// Copies a number of `N` bytes out.
    pub fn read_number<const N: usize>(&self, offset: u64) -> u64 {
        (0..N as u64).rev().fold(0, |number, at| number << 8 | u64::from(self.read(offset + at)))
    }
}

/// Reads one byte at an address that is expected to be unmapped, so that the partition faults.
pub fn touch(gpa: u64) {
    if !(1 << 30..MAPPED_END).contains(&gpa) {
        return;
    }
    // SAFETY: above 1 GiB there are only windows, which are plain bytes; a read does no harm to any Rust object.
    unsafe { (gpa as *const u8).read_volatile() };
}
