//! The name of a key and of a log.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::error::{ReceiptError, ReceiptErrorKind};

/// The name of a key, which is also the origin of its log, such as `example.com/store`.
///
/// 1 to 255 bytes of UTF-8 without white space, control characters and `+`, by [signed-note](https://c2sp.org/signed-note). C2SP
/// recommends a URL without its scheme; nothing need be there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyName(Arc<str>);

impl KeyName {
    /// The maximum length in bytes.
    pub const MAX_LEN: usize = 255;

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for KeyName {
    type Err = ReceiptError;

    fn from_str(text: &str) -> Result<Self, ReceiptError> {
        let is_excluded = |c: char| c.is_whitespace() || c.is_control() || c == '+';
        if text.is_empty() || text.len() > Self::MAX_LEN || text.contains(is_excluded) {
            let detail = "the name of a key must have 1 to 255 bytes, and no white space, control character or +";
            return Err(ReceiptError::new(ReceiptErrorKind::InvalidValue, detail));
        }
        Ok(Self(text.into()))
    }
}
