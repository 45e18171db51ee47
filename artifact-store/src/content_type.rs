//! A content type that is safe in a response header.

use std::fmt;
use std::sync::Arc;

/// The content type that a depositor declared, made safe for a header field.
///
/// It is the declared text without control and non-ASCII characters, trimmed: visible ASCII and inner
/// spaces, 1 to 255 bytes. It need not be a valid media type, because it is only sent back.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ContentType(Arc<str>);

impl ContentType {
    /// The content type if no usable one was declared.
    pub const DEFAULT: &'static str = "application/octet-stream";
    /// The maximum length in bytes. A longer declaration is ignored: truncated, it would name another
    /// type.
    pub const MAX_LEN: usize = 255;

    /// Removes control and non-ASCII characters from a declared type and trims it. If the result is
    /// empty or longer than [`MAX_LEN`](Self::MAX_LEN), it is [`DEFAULT`](Self::DEFAULT).
    ///
    /// ```
    /// use artifact_store::ContentType;
    ///
    /// assert_eq!(ContentType::clean(" text/plain\r\n").as_str(), "text/plain");
    /// assert_eq!(ContentType::clean("").as_str(), "application/octet-stream");
    /// ```
    pub fn clean(declared: &str) -> Self {
        let kept: String = declared
            .chars()
            .filter(|c| c.is_ascii() && !c.is_ascii_control())
            .collect();
        match kept.trim() {
            trimmed if trimmed.is_empty() || trimmed.len() > Self::MAX_LEN => Self::default(),
            trimmed => Self(trimmed.into()),
        }
    }

    /// Returns the type as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for ContentType {
    fn default() -> Self {
        Self(Self::DEFAULT.into())
    }
}

impl fmt::Display for ContentType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for ContentType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ContentType({self})")
    }
}
