//! `Serialize` and `Deserialize` of ids, digests, prefixes and URIs.
//!
//! Ids and digests are text in formats for people (JSON, TOML) and 16 or 32 bytes in binary ones (CBOR, postcard). Prefixes and
//! URIs are text in both.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};

use crate::digest::Sha256Digest;
use crate::id::ArtifactId;
use crate::store_id::StoreId;
use crate::uri::{ArtifactUri, UriPrefix};

/// Accepts the text form of `T`.
struct TextVisitor<T>(&'static str, PhantomData<T>);

impl<T: FromStr<Err: fmt::Display>> Visitor<'_> for TextVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}

/// Accepts `N` bytes, or a sequence of them.
struct BytesVisitor<const N: usize>;

impl<'de, const N: usize> Visitor<'de> for BytesVisitor<N> {
    type Value = [u8; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{N} bytes")
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<[u8; N], E> {
        bytes
            .try_into()
            .map_err(|_| E::invalid_length(bytes.len(), &self))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<[u8; N], A::Error> {
        let mut bytes = [0; N];
        for (index, byte) in bytes.iter_mut().enumerate() {
            let next = sequence.next_element()?;
            *byte = next.ok_or_else(|| de::Error::invalid_length(index, &self))?;
        }
        if sequence.next_element::<u8>()?.is_some() {
            return Err(de::Error::invalid_length(N + 1, &self));
        }
        Ok(bytes)
    }
}

macro_rules! byte_array {
    ($name:ident, $text:literal) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.collect_str(self)
                } else {
                    serializer.serialize_bytes(self.as_bytes())
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    deserializer.deserialize_str(TextVisitor($text, PhantomData))
                } else {
                    let bytes = deserializer.deserialize_bytes(BytesVisitor)?;
                    Ok(Self::from_bytes(bytes))
                }
            }
        }
    };
}

macro_rules! text {
    ($name:ident, $text:literal) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(TextVisitor($text, PhantomData))
            }
        }
    };
}

byte_array!(ArtifactId, "32 lower-case hexadecimal digits");
byte_array!(StoreId, "store- and 32 lower-case hexadecimal digits");
byte_array!(Sha256Digest, "64 lower-case hexadecimal digits");
text!(UriPrefix, "a URI prefix that ends in /");

impl Serialize for ArtifactUri {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Accepts a URI with any valid prefix, because only the deployment knows which one is its own. A program that receives URIs from
/// clients compares [`ArtifactUri::prefix`], or takes text and calls [`UriPrefix::parse`].
impl<'de> Deserialize<'de> for ArtifactUri {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyPrefix(ArtifactUri);

        impl FromStr for AnyPrefix {
            type Err = de::value::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                // A digit is never a slash, so the prefix ends after the last one.
                let end = text.rfind('/').map_or(0, |slash| slash + 1);
                let prefix = UriPrefix::new(&text[..end]).map_err(de::Error::custom)?;
                prefix.parse(text).map(Self).map_err(de::Error::custom)
            }
        }

        let visitor = TextVisitor::<AnyPrefix>("an artifact URI", PhantomData);
        deserializer.deserialize_str(visitor).map(|uri| uri.0)
    }
}
