//! Conversions of ids, digests and prefixes from and to other types.

use crate::digest::{ParseDigestError, Sha256Digest};
use crate::id::{ArtifactId, ParseIdError};
use crate::store_id::{ParseStoreIdError, StoreId};
use crate::uri::{ArtifactUri, InvalidUriPrefix, ParseUriError, UriPrefix};

/// Implements the conversions of a type that is an array of bytes.
macro_rules! byte_array {
    ($name:ident, $error:ident) => {
        impl From<[u8; $name::BYTES]> for $name {
            fn from(bytes: [u8; $name::BYTES]) -> Self {
                Self::from_bytes(bytes)
            }
        }

        impl From<$name> for [u8; $name::BYTES] {
            fn from(value: $name) -> Self {
                *value.as_bytes()
            }
        }

        impl AsRef<[u8]> for $name {
            fn as_ref(&self) -> &[u8] {
                self.as_bytes()
            }
        }

        text!($name, $error);
    };
}

/// Implements the conversion from the text form, as `FromStr` does.
macro_rules! text {
    ($name:ident, $error:ident) => {
        impl TryFrom<&str> for $name {
            type Error = $error;

            fn try_from(text: &str) -> Result<Self, $error> {
                text.parse()
            }
        }
    };
}

/// Implements the conversions of an id from and to numbers. The text form of the id is the number with 32 hexadecimal
/// digits.
macro_rules! number {
    ($name:ident) => {
        impl From<u128> for $name {
            fn from(number: u128) -> Self {
                Self::from_bytes(number.to_be_bytes())
            }
        }

        impl From<$name> for u128 {
            fn from(id: $name) -> Self {
                Self::from_be_bytes(*id.as_bytes())
            }
        }

        #[cfg(feature = "uuid")]
        impl From<uuid::Uuid> for $name {
            fn from(uuid: uuid::Uuid) -> Self {
                Self::from_bytes(uuid.into_bytes())
            }
        }

        #[cfg(feature = "uuid")]
        impl From<$name> for uuid::Uuid {
            fn from(id: $name) -> Self {
                Self::from_bytes(*id.as_bytes())
            }
        }
    };
}

byte_array!(ArtifactId, ParseIdError);
byte_array!(StoreId, ParseStoreIdError);
byte_array!(Sha256Digest, ParseDigestError);
number!(ArtifactId);
number!(StoreId);
text!(ArtifactUri, ParseUriError);
text!(UriPrefix, InvalidUriPrefix);

impl AsRef<str> for UriPrefix {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}
