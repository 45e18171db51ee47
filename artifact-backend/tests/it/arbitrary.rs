//! The feature `arbitrary`.

use arbitrary::{Arbitrary, Unstructured};
use artifact_backend::{ArtifactId, ByteRange};

#[test]
fn any_16_bytes_are_an_id() {
    let bytes: Vec<u8> = (0..16).collect();
    let id = ArtifactId::arbitrary(&mut Unstructured::new(&bytes)).unwrap();
    assert_eq!(id.to_string(), "000102030405060708090a0b0c0d0e0f");
}

#[test]
fn every_kind_of_range_is_generated() {
    let mut kinds = [false; 4];
    for first in 0..=u8::MAX {
        let bytes = [first; 24];
        let range = ByteRange::arbitrary(&mut Unstructured::new(&bytes)).unwrap();
        kinds[match range {
            ByteRange::Full => 0,
            ByteRange::FromTo { .. } => 1,
            ByteRange::From(_) => 2,
            ByteRange::Suffix(_) => 3,
        }] = true;
    }
    assert_eq!(kinds, [true; 4]);
}
