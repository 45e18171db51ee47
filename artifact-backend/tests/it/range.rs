//! Compares ranges with a model that checks every position.

use artifact_backend::{ByteRange, RangeNotSatisfiable};
use proptest::prelude::*;

/// Returns all positions of a range, or `None` if it is not satisfiable.
fn model(range: ByteRange, size: u64) -> Option<Vec<u64>> {
    let holds = |position: u64| match range {
        ByteRange::Full => true,
        ByteRange::FromTo { first, last } => first <= position && position <= last,
        ByteRange::From(first) => first <= position,
        ByteRange::Suffix(length) => size - position <= length,
    };
    let positions: Vec<_> = (0..size).filter(|position| holds(*position)).collect();
    let satisfiable = match range {
        ByteRange::Full => true,
        // RFC 9110, section 14.1.2: a suffix is satisfiable if its length is not zero.
        ByteRange::Suffix(length) => length > 0,
        ByteRange::FromTo { .. } | ByteRange::From(_) => !positions.is_empty(),
    };
    satisfiable.then_some(positions)
}

fn positions() -> impl Strategy<Value = u64> {
    prop_oneof![0..40_u64, u64::MAX - 2..=u64::MAX]
}

fn ranges() -> impl Strategy<Value = ByteRange> {
    prop_oneof![
        Just(ByteRange::Full),
        (positions(), positions()).prop_map(|(first, last)| ByteRange::FromTo { first, last }),
        positions().prop_map(ByteRange::From),
        positions().prop_map(ByteRange::Suffix),
    ]
}

proptest! {
    #[test]
    fn resolve_agrees_with_the_model(range in ranges(), size in 0..33_u64) {
        let found = range.resolve(size).ok().map(Iterator::collect::<Vec<_>>);
        prop_assert_eq!(found, model(range, size));
    }

    #[test]
    fn resolved_ranges_lie_inside_and_errors_carry_the_size(
        range in ranges(),
        size in prop_oneof![0..40_u64, any::<u64>()],
    ) {
        match range.resolve(size) {
            Ok(found) => prop_assert!(found.start <= found.end && found.end <= size),
            Err(RangeNotSatisfiable { size: reported, .. }) => prop_assert_eq!(reported, size),
        }
    }
}

#[test]
fn the_greatest_positions_do_not_overflow() {
    const MAX: u64 = u64::MAX;
    let all = ByteRange::FromTo {
        first: 0,
        last: MAX,
    };
    let last = ByteRange::FromTo {
        first: MAX - 1,
        last: MAX - 1,
    };
    assert_eq!(all.resolve(MAX), Ok(0..MAX));
    assert_eq!(last.resolve(MAX), Ok(MAX - 1..MAX));
    assert_eq!(ByteRange::From(MAX - 1).resolve(MAX), Ok(MAX - 1..MAX));
    assert_eq!(ByteRange::Suffix(MAX).resolve(MAX), Ok(0..MAX));
    assert!(ByteRange::From(MAX).resolve(MAX).is_err());
}

#[test]
fn the_default_is_the_whole_blob() {
    assert_eq!(ByteRange::default(), ByteRange::Full);
    assert_eq!(ByteRange::Full.resolve(0), Ok(0..0));
}

#[test]
fn the_error_shows_the_size_of_the_blob() {
    let error = ByteRange::From(5).resolve(5).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the range holds no byte of a blob of 5 bytes"
    );
}
