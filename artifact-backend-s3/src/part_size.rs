//! The part size of an upload.

/// The maximum number of parts on S3 and Google. Azure accepts five times as many.
pub(crate) const MAX_PARTS: u64 = 10_000;

/// The maximum object size on S3 and Google, 5 TiB.
pub(crate) const MAX_OBJECT_BYTES: u64 = 5 << 40;

/// Computed part sizes are rounded up to a multiple of this, so that they are readable in a log.
const STEP: u64 = 1 << 20;

/// Returns the size of each part but the last: the configured size, or a larger one if the expected
/// size would otherwise need more than [`MAX_PARTS`] parts.
///
/// All parts have the same size, because Cloudflare R2 requires it.
pub(crate) fn part_size(configured: u64, expected: Option<u64>) -> u64 {
    let expected = expected.unwrap_or(0).min(MAX_OBJECT_BYTES);
    let needed = expected.div_ceil(MAX_PARTS);
    if needed <= configured {
        configured
    } else {
        needed.next_multiple_of(STEP)
    }
}

/// Returns the largest part size that an upload with this configured size can have.
pub(crate) fn largest_part_size(configured: u64) -> u64 {
    part_size(configured, Some(MAX_OBJECT_BYTES))
}

#[cfg(test)]
mod tests {
    use super::{MAX_OBJECT_BYTES, MAX_PARTS, part_size};

    const MIB: u64 = 1 << 20;

    #[test]
    fn no_expected_size_needs_more_than_the_maximum_number_of_parts() {
        for expected in [
            0,
            1,
            8 * MIB,
            80_000 * MIB,
            80_000 * MIB + 1,
            1 << 40,
            MAX_OBJECT_BYTES,
            u64::MAX,
        ] {
            let part = part_size(8 * MIB, Some(expected));
            assert!(part >= 8 * MIB);
            assert!(
                expected.min(MAX_OBJECT_BYTES).div_ceil(part) <= MAX_PARTS,
                "{expected}"
            );
        }
        assert_eq!(part_size(8 * MIB, Some(80_000 * MIB)), 8 * MIB);
        assert_eq!(part_size(8 * MIB, Some(80_000 * MIB + 1)), 9 * MIB);
        assert_eq!(part_size(8 * MIB, Some(MAX_OBJECT_BYTES)), 525 * MIB);
        assert_eq!(part_size(8 * MIB, None), 8 * MIB);
    }
}
