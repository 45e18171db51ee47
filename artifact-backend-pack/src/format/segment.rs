//! The first and the last block of a segment.

use super::{BLOCK, Fields, checksum};

const HEADER_MAGIC: [u8; 8] = *b"ARTSEGM1";
const FOOTER_MAGIC: [u8; 8] = *b"ARTFOOT1";
const CHECKSUM_AT: usize = BLOCK - 8;

/// The first block of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    pub segment: u32,
    /// A random number, which every frame repeats.
    pub epoch: u64,
}

impl Header {
    pub fn encode(&self) -> [u8; BLOCK] {
        let mut block = [0; BLOCK];
        block[..8].copy_from_slice(&HEADER_MAGIC);
        block[8..16].copy_from_slice(&self.epoch.to_le_bytes());
        block[16..20].copy_from_slice(&self.segment.to_le_bytes());
        seal(&mut block);
        block
    }

    /// Decodes the header of the segment with this number.
    pub fn decode(block: &[u8; BLOCK], segment: u32) -> Option<Self> {
        let mut fields = checked(block, HEADER_MAGIC)?;
        let epoch = fields.u64()?;
        (fields.u32()? == segment).then_some(Self { segment, epoch })
    }

    /// Returns the checksum that the first frame refers to.
    pub fn checksum(&self) -> u64 {
        let encoded = self.encode();
        checksum(&[&encoded[..CHECKSUM_AT]])
    }
}

/// The last block of a sealed segment. Frames, index, filter and fences come before it, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Footer {
    pub segment: u32,
    pub epoch: u64,
    /// The end of the frames, where the index begins.
    pub frames_end: u64,
    /// The number of entries in the index.
    pub entries: u64,
    /// The number of entries whose [`replaces`](super::entry::Entry::replaces) is not zero.
    pub replacing: u64,
    /// The bytes of all blobs in the index.
    pub payload_bytes: u64,
    /// The offset of the filter, where the index ends.
    pub filter_at: u64,
    /// The length of the filter in bytes.
    pub filter_bytes: u64,
    pub filter_checksum: u64,
    /// The offset of the fences. Segments of older versions have none, and zeros here.
    pub fences_at: u64,
    /// The length of the fences in bytes.
    pub fences_bytes: u64,
    pub fences_checksum: u64,
}

impl Footer {
    pub fn encode(&self) -> [u8; BLOCK] {
        let mut block = [0; BLOCK];
        block[..8].copy_from_slice(&FOOTER_MAGIC);
        let numbers = [
            self.epoch,
            u64::from(self.segment),
            self.frames_end,
            self.entries,
            self.replacing,
            self.payload_bytes,
            self.filter_at,
            self.filter_bytes,
            self.filter_checksum,
            self.fences_at,
            self.fences_bytes,
            self.fences_checksum,
        ];
        for (number, field) in numbers.iter().zip(block[8..].chunks_exact_mut(8)) {
            field.copy_from_slice(&number.to_le_bytes());
        }
        seal(&mut block);
        block
    }

    /// Decodes the footer of the segment with this number, whose file has `size` bytes. Returns `None` if the segment has no valid
    /// footer.
    pub fn decode(block: &[u8; BLOCK], segment: u32, size: u64) -> Option<Self> {
        let mut fields = checked(block, FOOTER_MAGIC)?;
        let footer = Self {
            epoch: fields.u64()?,
            segment: u32::try_from(fields.u64()?).ok()?,
            frames_end: fields.u64()?,
            entries: fields.u64()?,
            replacing: fields.u64()?,
            payload_bytes: fields.u64()?,
            filter_at: fields.u64()?,
            filter_bytes: fields.u64()?,
            filter_checksum: fields.u64()?,
            fences_at: fields.u64()?,
            fences_bytes: fields.u64()?,
            fences_checksum: fields.u64()?,
        };
        let blocks = footer.entries.div_ceil(super::index::PER_BLOCK as u64);
        let index = blocks.checked_mul(BLOCK as u64)?;
        let end = size.checked_sub(BLOCK as u64)?;
        let fits = footer.segment == segment
            && footer.frames_end.checked_add(index)? == footer.filter_at
            && footer.filter_at.checked_add(footer.filter_bytes)? <= end
            && footer.fences_at.checked_add(footer.fences_bytes)? <= end;
        fits.then_some(footer)
    }
}

fn seal(block: &mut [u8; BLOCK]) {
    let checksum = checksum(&[&block[..CHECKSUM_AT]]);
    block[CHECKSUM_AT..].copy_from_slice(&checksum.to_le_bytes());
}

fn checked(block: &[u8; BLOCK], magic: [u8; 8]) -> Option<Fields<'_>> {
    let (body, sum) = block.split_at(CHECKSUM_AT);
    if checksum(&[body]).to_le_bytes() != sum {
        return None;
    }
    let mut fields = Fields(body);
    (*fields.take::<8>()? == magic).then_some(fields)
}
