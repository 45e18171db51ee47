//! A SHA-256 digest as a value, and the hexadecimal text that ids and digests share.

use std::fmt;
use std::str::FromStr;

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Writes `bytes` as lower-case hexadecimal digits into `buffer`, which is twice as long.
pub(crate) fn encode_hex<'b>(bytes: &[u8], buffer: &'b mut [u8]) -> &'b str {
    debug_assert_eq!(bytes.len() * 2, buffer.len());
    for (pair, byte) in buffer.chunks_exact_mut(2).zip(bytes) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 0xf)];
    }
    str::from_utf8(buffer).expect("hexadecimal digits are ASCII")
}

/// The SHA-256 of a blob (FIPS 180-4), as a value. What computes it is the caller's choice.
///
/// The text form is 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha256Digest([u8; Self::BYTES]);

impl Sha256Digest {
    /// Length of the binary form, in bytes.
    pub const BYTES: usize = 32;

    /// The digest with these bytes.
    pub const fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }
}

impl fmt::Display for Sha256Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(encode_hex(&self.0, &mut [0; Self::BYTES * 2]))
    }
}

impl fmt::Debug for Sha256Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sha256Digest({self})")
    }
}

impl FromStr for Sha256Digest {
    type Err = ParseDigestError;

    fn from_str(text: &str) -> Result<Self, ParseDigestError> {
        let text = text.as_bytes();
        if text.len() != Self::BYTES * 2 {
            return Err(ParseDigestError(()));
        }
        let mut bytes = [0; Self::BYTES];
        for (at, digit) in text.iter().enumerate() {
            let value = match digit {
                b'0'..=b'9' => digit - b'0',
                b'a'..=b'f' => digit - b'a' + 10,
                _ => return Err(ParseDigestError(())),
            };
            bytes[at / 2] = bytes[at / 2] << 4 | value;
        }
        Ok(Self(bytes))
    }
}

/// A text is not 64 lower-case hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a SHA-256 digest has exactly 64 lower-case hexadecimal digits")]
pub struct ParseDigestError(());

#[cfg(feature = "serde")]
mod serde_impl {
    use serde::de::{self, Deserialize, Deserializer, Visitor};
    use serde::ser::{Serialize, Serializer};

    use super::{Sha256Digest, fmt};

    impl Serialize for Sha256Digest {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_str(self)
        }
    }

    impl<'de> Deserialize<'de> for Sha256Digest {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Text;

            impl Visitor<'_> for Text {
                type Value = Sha256Digest;

                fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str("64 lower-case hexadecimal digits")
                }

                fn visit_str<E: de::Error>(self, text: &str) -> Result<Sha256Digest, E> {
                    text.parse().map_err(E::custom)
                }
            }

            deserializer.deserialize_str(Text)
        }
    }
}
