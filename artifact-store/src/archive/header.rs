//! The headers of the tar members, in the one form that archives of this program have.
//!
//! A tar library reads many dialects, and readers that disagree about one (links, sizes that are given twice, GNU
//! extensions) have been attacked with it. An archive of an experiment has exactly one form, so this reader encodes what
//! it has understood again, and accepts the block only if both are equal. No crate offers that.

/// The size of a block: each header is one, and the bytes of a member are filled up to whole ones.
pub(super) const BLOCK: usize = 512;
/// The largest number in a field of 11 octal digits. Larger sizes have an extended header.
pub(super) const MAX_OCTAL: u64 = 0o777_7777_7777;
/// The most bytes in the record of an extended header.
const MAX_RECORD: u64 = 64;

const FILE: u8 = b'0';
const EXTENDED: u8 = b'x';

/// A header block: POSIX.1-2017, pax, "ustar Interchange Format".
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) name: String,
    pub(super) size: u64,
    pub(super) mtime: u64,
    is_extended: bool,
}

impl Header {
    /// Creates the header of a file. A size over [`MAX_OCTAL`] becomes 0; see [`extended`].
    pub(super) fn file(name: &str, size: u64, mtime: u64) -> Self {
        Self {
            name: name.to_owned(),
            size: if size > MAX_OCTAL { 0 } else { size },
            mtime,
            is_extended: false,
        }
    }

    pub(super) fn is_extended(&self) -> bool {
        self.is_extended
    }

    /// Returns the block. The name has at most 100 bytes, and the numbers fit.
    pub(super) fn encode(&self) -> [u8; BLOCK] {
        let mut block = [0; BLOCK];
        let mut put = |at: usize, text: &str| {
            block[at..at + text.len()].copy_from_slice(text.as_bytes());
        };
        put(0, &self.name);
        put(100, "0000644");
        put(108, "0000000");
        put(116, "0000000");
        put(124, &format!("{:011o}", self.size));
        put(136, &format!("{:011o}", self.mtime));
        put(148, "        ");
        put(257, "ustar\x0000");
        put(329, "0000000");
        put(337, "0000000");
        block[156] = if self.is_extended { EXTENDED } else { FILE };
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        block
    }

    /// Reads a block. Returns `None` if it is not exactly what [`encode`](Self::encode) returns for some header.
    pub(super) fn decode(block: &[u8; BLOCK]) -> Option<Self> {
        let end = block[..100].iter().position(|byte| *byte == 0)?;
        let header = Self {
            name: std::str::from_utf8(&block[..end]).ok()?.to_owned(),
            size: octal(&block[124..135])?,
            mtime: octal(&block[136..147])?,
            is_extended: block[156] == EXTENDED,
        };
        (header.encode() == *block).then_some(header)
    }
}

/// Returns the header and the record that come before the header of a file over [`MAX_OCTAL`].
pub(super) fn extended(name: &str, size: u64, mtime: u64) -> (Header, String) {
    let record = record(size);
    let header = Header {
        name: extended_name(name),
        size: record.len() as u64,
        mtime,
        is_extended: true,
    };
    (header, record)
}

fn extended_name(name: &str) -> String {
    format!("pax/{name}")
}

/// Returns the record of a size. Its first number is the length of the record, with itself.
fn record(size: u64) -> String {
    let rest = format!(" size={size}\n");
    // Sizes of 10 to 20 digits make records of 20 to 30 bytes.
    format!("{}{rest}", rest.len() + 2)
}

/// Returns the size that a record tells.
pub(super) fn recorded_size(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?;
    let size = text.split_once("size=")?.1.strip_suffix('\n')?;
    let size = size.parse().ok()?;
    (size > MAX_OCTAL && record(size) == text).then_some(size)
}

/// Returns whether an extended header belongs to the header of this file.
pub(super) fn belongs(extended: &Header, file: &Header) -> bool {
    extended.size <= MAX_RECORD
        && extended.name == extended_name(&file.name)
        && extended.mtime == file.mtime
        && file.size == 0
        && !file.is_extended
}

/// Returns the number of bytes that fill a member up to whole blocks.
pub(super) fn padding(size: u64) -> usize {
    let used = usize::try_from(size % BLOCK as u64).expect("it is less than a block");
    (BLOCK - used) % BLOCK
}

fn octal(digits: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(digits).ok()?;
    u64::from_str_radix(text, 8).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_that_differs_in_one_byte_is_another_one_or_none() {
        let header = Header::file(
            "blobs/00112233445566778899aabbccddeeff",
            4711,
            1_700_000_000,
        );
        let block = header.encode();
        assert_eq!(Header::decode(&block).as_ref(), Some(&header));
        for at in 0..BLOCK {
            for flip in [1, 0x20, 0x80] {
                let mut other = block;
                other[at] ^= flip;
                // The checksum is part of the form.
                assert_eq!(Header::decode(&other), None, "byte {at} ^ {flip}");
            }
        }
    }

    #[test]
    fn large_sizes_have_a_record_that_counts_itself() {
        for size in [MAX_OCTAL + 1, 9_999_999_999, 10_000_000_000, u64::MAX] {
            let (header, record) = extended("blobs/x", size, 7);
            assert_eq!(record.split_once(' ').unwrap().0, record.len().to_string());
            assert_eq!(recorded_size(record.as_bytes()), Some(size));
            assert!(belongs(&header, &Header::file("blobs/x", size, 7)));
            assert!(!belongs(&header, &Header::file("blobs/y", size, 7)));
            assert!(!belongs(&header, &Header::file("blobs/x", 5, 7)));
        }
        assert_eq!(recorded_size(b"16 size=4294967\n"), None, "a small size");
        assert_eq!(recorded_size(b"021 size=99999999999\n"), None);
        assert_eq!(recorded_size(b"20 size=+9999999999\n"), None);
    }
}
