//! The format of a segment and its recovery, without I/O. Not part of the public API: tests and the fuzz target use it.
//!
//! All numbers are little-endian. `docs/formats.md` describes the format.

pub mod entry;
pub mod fences;
pub mod filter;
pub mod frame;
pub mod index;
pub mod log;
mod mutant;
pub mod recovery;
pub mod segment;

#[cfg(test)]
mod crash_tests;
#[cfg(test)]
mod damage_tests;

/// The end of the entries of a frame with one record.
#[cfg(test)]
const ENTRY_END: usize = frame::HEADER_BYTES + entry::ENTRY_BYTES;

/// The unit of writing in bytes. A frame begins and ends at a multiple of it, so that no write touches a block that
/// holds acknowledged data.
pub const BLOCK: usize = 4096;

/// Returns the length rounded up to whole blocks.
pub const fn round_up(length: usize) -> usize {
    length.div_ceil(BLOCK) * BLOCK
}

/// Returns the CRC-64/NVME of the parts, one after the other.
pub(crate) fn checksum(parts: &[&[u8]]) -> u64 {
    let mut digest = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc64Nvme);
    for part in parts {
        digest.update(part);
    }
    digest.finalize()
}

/// Reads the numbers of a record one after the other.
pub(crate) struct Fields<'b>(pub(crate) &'b [u8]);

impl<'b> Fields<'b> {
    pub(crate) fn take<const N: usize>(&mut self) -> Option<&'b [u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(taken)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.take().map(|bytes| u32::from_le_bytes(*bytes))
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.take().map(|bytes| u64::from_le_bytes(*bytes))
    }
}
