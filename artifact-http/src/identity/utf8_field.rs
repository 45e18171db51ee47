//! A JSON string that may contain lone surrogates.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// A JSON string. RFC 8259, section 8.2 allows escapes such as `\ud800`, which no Rust string can
/// contain; each field decides what such a string means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Utf8Field {
    Valid(String),
    Surrogate,
}

impl<'de> Deserialize<'de> for Utf8Field {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct BytesVisitor;

        impl Visitor<'_> for BytesVisitor {
            type Value = Utf8Field;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Utf8Field, E> {
                // The body is valid UTF-8, so only an escape can produce other bytes.
                Ok(str::from_utf8(bytes).map_or(Utf8Field::Surrogate, |text| {
                    Utf8Field::Valid(text.to_owned())
                }))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Utf8Field, E> {
                Ok(Utf8Field::Valid(text.to_owned()))
            }
        }

        // serde_json passes surrogates only to visitors of bytes.
        deserializer.deserialize_bytes(BytesVisitor)
    }
}
