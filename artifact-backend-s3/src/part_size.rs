//! How large the parts of an upload are.

/// The most parts that S3 and Google put together; Azure takes five times as many.
pub(crate) const MAX_PARTS: u64 = 10_000;

/// The largest object of S3 and Google, 5 TiB.
pub(crate) const MAX_OBJECT: u64 = 5 << 40;

/// Sizes are rounded up to so much, so that they look like sizes in a log.
const STEP: u64 = 1 << 20;

/// The size of each part but the last, which is equal for all as Cloudflare R2 demands: as configured,
/// or as much larger as the expected size needs to stay below [`MAX_PARTS`].
pub(crate) fn part_size(configured: u64, expected: Option<u64>) -> u64 {
    let expected = expected.unwrap_or(0).min(MAX_OBJECT);
    let needed = expected.div_ceil(MAX_PARTS);
    if needed <= configured {
        configured
    } else {
        needed.next_multiple_of(STEP)
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_OBJECT, MAX_PARTS, part_size};

    const MIB: u64 = 1 << 20;

    #[test]
    fn an_expected_size_never_needs_too_many_parts() {
        for expected in [
            0,
            1,
            8 * MIB,
            80_000 * MIB,
            80_000 * MIB + 1,
            1 << 40,
            MAX_OBJECT,
            u64::MAX,
        ] {
            let part = part_size(8 * MIB, Some(expected));
            assert!(part >= 8 * MIB);
            assert!(
                expected.min(MAX_OBJECT).div_ceil(part) <= MAX_PARTS,
                "{expected}"
            );
        }
        assert_eq!(part_size(8 * MIB, Some(80_000 * MIB)), 8 * MIB);
        assert_eq!(part_size(8 * MIB, Some(80_000 * MIB + 1)), 9 * MIB);
        assert_eq!(part_size(8 * MIB, Some(MAX_OBJECT)), 525 * MIB);
        assert_eq!(part_size(8 * MIB, None), 8 * MIB);
    }
}
