//! The text forms in JSON and the bytes in postcard, with the feature `serde`.

use std::fmt::Debug;

use artifact_backend::{
    ArtifactId, ArtifactUri, ErrorKind, Operation, Sha256Digest, StoreId, UriPrefix,
};
use serde::de::value::{BorrowedBytesDeserializer, SeqDeserializer};
use serde::de::{DeserializeOwned, IntoDeserializer};
use serde::{Deserialize, Serialize};

const ID: &str = "0123456789abcdef0123456789abcdef";

#[test]
fn ids_serialize_as_text() {
    let id: ArtifactId = ID.parse().unwrap();
    let json = serde_json::to_string(&id).unwrap();
    assert_eq!(json, format!("\"{ID}\""));
    assert_eq!(serde_json::from_str::<ArtifactId>(&json).unwrap(), id);
    // Also if the text cannot be borrowed from the input.
    let escaped = format!("\"\\u0030{}\"", &ID[1..]);
    assert_eq!(serde_json::from_str::<ArtifactId>(&escaped).unwrap(), id);
    let read = serde_json::from_reader::<_, ArtifactId>(json.as_bytes()).unwrap();
    assert_eq!(read, id);
}

#[test]
fn invalid_ids_are_rejected_without_repeating_them() {
    for (json, message) in [
        (
            "\"<script>\"",
            "an artifact id has exactly 32 hexadecimal digits, but this text has 8 bytes",
        ),
        (
            "17",
            "invalid type: integer `17`, expected 32 lower-case hexadecimal digits",
        ),
        (
            "null",
            "invalid type: null, expected 32 lower-case hexadecimal digits",
        ),
        (
            "[0,1]",
            "invalid type: sequence, expected 32 lower-case hexadecimal digits",
        ),
    ] {
        let error = serde_json::from_str::<ArtifactId>(json)
            .unwrap_err()
            .to_string();
        assert!(error.starts_with(message), "{json}: {error}");
    }
}

#[test]
fn digests_serialize_as_text() {
    let digest = Sha256Digest::from_bytes([0xa5; 32]);
    let json = serde_json::to_string(&digest).unwrap();
    assert_eq!(json, format!("\"{}\"", "a5".repeat(32)));
    assert_eq!(serde_json::from_str::<Sha256Digest>(&json).unwrap(), digest);
    let error = serde_json::from_str::<Sha256Digest>("\"a5\"")
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("a SHA-256 digest has exactly 64"),
        "{error}"
    );
}

#[test]
fn uris_serialize_as_text() {
    let uri = UriPrefix::default().uri(ID.parse().unwrap());
    let json = serde_json::to_value(&uri).unwrap();
    assert_eq!(json, format!("eden://artifacts/{ID}"));
}

fn json_round_trip<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T, text: &str) {
    let json = serde_json::to_string(value).unwrap();
    assert_eq!(json, format!("\"{text}\""));
    assert_eq!(serde_json::from_str::<T>(&json).unwrap(), *value);
}

#[test]
fn store_ids_prefixes_and_uris_serialize_as_text() {
    let store: StoreId = format!("store-{ID}").parse().unwrap();
    json_round_trip(&store, &format!("store-{ID}"));
    let prefix = UriPrefix::new("blob://example/").unwrap();
    json_round_trip(&prefix, "blob://example/");
    // Any prefix is read back, not only the default one.
    for prefix in [prefix, UriPrefix::default()] {
        let uri = prefix.uri(ID.parse().unwrap());
        json_round_trip(&uri, &uri.to_string());
    }
}

#[test]
fn invalid_prefixes_and_uris_are_rejected() {
    for text in ["", "blob:", "bl ob:/", "/\u{e9}/"] {
        let json = serde_json::to_string(text).unwrap();
        assert!(serde_json::from_str::<UriPrefix>(&json).is_err(), "{text}");
    }
    for text in [
        ID,
        "",
        "/",
        "eden://artifacts/",
        "eden://artifacts/0123456789ABCDEF0123456789abcdef",
        "eden://artifacts/0123456789abcdef0123456789abcde",
        "eden://art ifacts/0123456789abcdef0123456789abcdef",
        "eden://artifacts/0123456789abcdef0123456789abcdef/",
    ] {
        let json = serde_json::to_string(text).unwrap();
        assert!(
            serde_json::from_str::<ArtifactUri>(&json).is_err(),
            "{text}"
        );
    }
}

#[test]
fn kinds_serialize_as_words() {
    for &kind in ErrorKind::ALL {
        let json = serde_json::to_string(&kind).unwrap();
        assert_eq!(serde_json::from_str::<ErrorKind>(&json).unwrap(), kind);
    }
    json_round_trip(&ErrorKind::AlreadyExists, "already_exists");
    json_round_trip(&ErrorKind::NotFound, "not_found");
    json_round_trip(&Operation::CreateStoreId, "create_store_id");
}

/// Returns the bytes of a value in a binary format, after a round trip.
fn postcard<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) -> Vec<u8> {
    let bytes = postcard::to_allocvec(value).unwrap();
    assert_eq!(postcard::from_bytes::<T>(&bytes).unwrap(), *value);
    bytes
}

#[test]
fn ids_are_16_bytes_in_binary_formats() {
    let id: ArtifactId = ID.parse().unwrap();
    let store = StoreId::from_bytes(id.into());
    // postcard puts the length before bytes.
    let expected = [&[16], &id.as_bytes()[..]].concat();
    assert_eq!(postcard(&id), expected);
    assert_eq!(postcard(&store), expected);
    let digest = Sha256Digest::from_bytes([0xa5; 32]);
    assert_eq!(postcard(&digest), [&[32], &[0xa5; 32][..]].concat());
    let uri = UriPrefix::default().uri(id);
    assert_eq!(postcard(&uri).len(), 1 + "eden://artifacts/".len() + 32);
    postcard(&UriPrefix::default());
    // The index of a kind is part of stored data, so it stays.
    assert_eq!(postcard(&ErrorKind::NotFound), [0]);
    assert_eq!(postcard(&ErrorKind::Unexpected), [11]);
    assert_eq!(postcard(&Operation::Open), [0]);
    assert_eq!(postcard(&Operation::Probe), [14]);
}

/// A binary format that has these bytes, or a sequence of numbers.
struct Binary<'b>(&'b [u8], bool);

impl<'de> serde::Deserializer<'de> for Binary<'de> {
    type Error = serde::de::value::Error;

    fn deserialize_any<V: serde::de::Visitor<'de>>(
        self,
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        if self.1 {
            SeqDeserializer::new(self.0.iter().map(|byte| byte.into_deserializer()))
                .deserialize_any(visitor)
        } else {
            BorrowedBytesDeserializer::new(self.0).deserialize_any(visitor)
        }
    }

    fn is_human_readable(&self) -> bool {
        false
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct newtype_struct
        seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

#[test]
fn only_16_bytes_are_an_id_whether_bytes_or_a_sequence() {
    let bytes: Vec<u8> = (0..20).collect();
    for sequence in [false, true] {
        for len in 0..20 {
            let found = ArtifactId::deserialize(Binary(&bytes[..len], sequence));
            match <[u8; 16]>::try_from(&bytes[..len]) {
                Ok(right) => assert_eq!(found.unwrap(), ArtifactId::from(right)),
                Err(_) => assert!(found.is_err(), "{len} bytes"),
            }
        }
    }
}
