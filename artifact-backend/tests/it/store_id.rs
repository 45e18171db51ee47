//! The text and the line of a store id.

use artifact_backend::{ArtifactId, StoreId};

const TEXT: &str = "store-00112233445566778899aabbccddeeff";

#[test]
fn a_store_id_has_exactly_one_text() {
    let id: StoreId = TEXT.parse().unwrap();
    assert_eq!(id.as_bytes()[..3], [0x00, 0x11, 0x22]);
    assert_eq!(StoreId::from_bytes(*id.as_bytes()), id);
    assert_eq!(id.to_string(), TEXT);
    assert_eq!(TEXT.len(), StoreId::TEXT_LEN);
    assert_eq!(format!("{id:?}"), format!("StoreId({TEXT})"));
    for text in [
        "",
        "store-",
        "00112233445566778899aabbccddeeff",
        "store-00112233445566778899aabbccddeef",
        "store-00112233445566778899aabbccddeeff0",
        "store-00112233445566778899AABBCCDDEEFF",
        "Store-00112233445566778899aabbccddeeff",
        "store-00112233445566778899aabbccddeeff\n",
        " store-00112233445566778899aabbccddeeff",
        "store_00112233445566778899aabbccddeeff",
    ] {
        assert!(text.parse::<StoreId>().is_err(), "{text:?}");
    }
}

#[test]
fn a_line_is_one_id_and_a_line_feed() {
    let id: StoreId = TEXT.parse().unwrap();
    assert_eq!(id.to_line(), format!("{TEXT}\n"));
    assert_eq!(StoreId::from_line(id.to_line().as_bytes()), Ok(id));
    for line in [
        &b""[..],
        b"\n",
        TEXT.as_bytes(),
        b"store-00112233445566778899aabbccddeeff\r\n",
        b"store-00112233445566778899aabbccddeeff\n\n",
        b"\xff\n",
    ] {
        assert!(StoreId::from_line(line).is_err(), "{line:?}");
    }
}

#[test]
fn store_ids_and_artifact_ids_never_have_the_same_text() {
    assert!(TEXT.parse::<ArtifactId>().is_err());
    let artifact = ArtifactId::from_bytes([0xab; 16]).to_string();
    assert!(artifact.parse::<StoreId>().is_err());
}

#[test]
fn minted_store_ids_differ() {
    assert_ne!(StoreId::mint(), StoreId::mint());
}
