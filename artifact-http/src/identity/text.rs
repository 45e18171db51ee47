//! A text of a JSON body that may hold what no Rust text can.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// A string of JSON. An escape such as `\ud800` makes a lone surrogate in it, which RFC 8259,
/// section 8.2 lets pass: what that means is for the field to say.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Text {
    Plain(String),
    Surrogate,
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;

        impl Visitor<'_> for Bytes {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Text, E> {
                // The body as a whole is UTF-8, so what is not comes of an escape.
                Ok(str::from_utf8(bytes)
                    .map_or(Text::Surrogate, |text| Text::Plain(text.to_owned())))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Text, E> {
                Ok(Text::Plain(text.to_owned()))
            }
        }

        // As bytes, a string may hold surrogates.
        deserializer.deserialize_bytes(Bytes)
    }
}
