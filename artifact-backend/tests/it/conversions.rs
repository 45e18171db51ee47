//! Ids and ranges from and to types of the standard library and of uuid.

use std::ops::Bound;

use artifact_backend::{
    ArtifactId, ArtifactUri, ByteRange, ParseIdError, ParseUriError, Sha256Digest, StoreId,
    UriPrefix,
};
use proptest::prelude::*;

const TEXT: &str = "0123456789abcdef0123456789abcdef";
const NUMBER: u128 = 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef;
const BYTES: [u8; 16] = NUMBER.to_be_bytes();

#[test]
fn numbers_bytes_and_text_of_an_id_agree() {
    let id = ArtifactId::from(NUMBER);
    assert_eq!(id.to_string(), TEXT);
    assert_eq!(id, ArtifactId::from(BYTES));
    assert_eq!(ArtifactId::try_from(TEXT), Ok(id));
    assert_eq!(u128::from(id), NUMBER);
    assert_eq!(<[u8; 16]>::from(id), BYTES);
    assert_eq!(id.as_ref(), BYTES);
    let error = ArtifactId::try_from("01").unwrap_err();
    assert_eq!(error, ParseIdError::Length { found: 2 });

    let store = StoreId::from(NUMBER);
    assert_eq!(store.to_string(), format!("store-{TEXT}"));
    assert_eq!(store, StoreId::from(BYTES));
    assert_eq!(StoreId::try_from(&*store.to_string()), Ok(store));
    assert_eq!(
        (u128::from(store), <[u8; 16]>::from(store)),
        (NUMBER, BYTES)
    );
    assert!(StoreId::try_from(TEXT).is_err());
}

#[cfg(feature = "uuid")]
#[test]
fn a_uuid_has_the_digits_of_the_id() {
    let uuid = uuid::Uuid::from_u128(NUMBER);
    let id = ArtifactId::from(uuid);
    assert_eq!(uuid.simple().to_string(), id.to_string());
    assert_eq!(uuid::Uuid::from(id), uuid);
    assert_eq!(uuid::Uuid::from(StoreId::from(uuid)), uuid);
}

#[test]
fn digests_convert_like_ids() {
    let digest = Sha256Digest::from([0xa5; 32]);
    assert_eq!(<[u8; 32]>::from(digest), [0xa5; 32]);
    assert_eq!(digest.as_ref(), [0xa5; 32]);
    assert_eq!(Sha256Digest::try_from(&*"a5".repeat(32)), Ok(digest));
    assert!(Sha256Digest::try_from("a5").is_err());
}

#[test]
fn prefixes_and_uris_convert_from_text() {
    let prefix = UriPrefix::try_from("blob://example/").unwrap();
    assert_eq!(AsRef::<str>::as_ref(&prefix), "blob://example/");
    assert!(UriPrefix::try_from("no slash").is_err());
    let uri = ArtifactUri::try_from(&*format!("eden://artifacts/{TEXT}")).unwrap();
    assert_eq!(uri.id(), ArtifactId::from(NUMBER));
    let other = ArtifactUri::try_from(&*format!("blob://example/{TEXT}"));
    assert_eq!(other, Err(ParseUriError::Prefix));
}

#[test]
fn empty_ranges_are_not_satisfiable() {
    let mut used = 3..=3;
    used.next();
    #[expect(
        clippy::reversed_empty_ranges,
        reason = "an empty range is the subject"
    )]
    let ranges = [
        ByteRange::from(0..0),
        ByteRange::from(5..5),
        ByteRange::from(7..5),
        ByteRange::from(7..=6),
        ByteRange::from(..0),
        ByteRange::from(used),
        ByteRange::from(u64::MAX..u64::MAX),
    ];
    for range in ranges {
        for size in [0, 1, 10] {
            assert_eq!(range.resolve(size).unwrap_err().size, size, "{range:?}");
        }
    }
}

fn bounds(range: ByteRange, size: u64) -> Option<(u64, u64)> {
    range
        .resolve(size)
        .ok()
        .map(|range| (range.start, range.end))
}

proptest! {
    #[test]
    fn a_range_holds_the_bytes_of_the_standard_range(size in 1..50_u64, start in 0..60_u64, end in 0..60_u64) {
        let inside = |range: (Bound<u64>, Bound<u64>)| {
            let mut held = (0..size).filter(|position| std::ops::RangeBounds::contains(&range, position));
            let first = held.next()?;
            Some((first, held.last().unwrap_or(first) + 1))
        };
        let (from, until, to) = (Bound::Included(start), Bound::Excluded(end), Bound::Included(end));
        let all = Bound::Unbounded;
        prop_assert_eq!(bounds((start..end).into(), size), inside((from, until)));
        prop_assert_eq!(bounds((start..=end).into(), size), inside((from, to)));
        prop_assert_eq!(bounds((start..).into(), size), inside((from, all)));
        prop_assert_eq!(bounds((..end).into(), size), inside((all, until)));
        prop_assert_eq!(bounds((..=end).into(), size), inside((all, to)));
        prop_assert_eq!(bounds((..).into(), size), inside((all, all)));
    }
}
