//! A content type that is safe to send back.

use std::fmt;
use std::sync::Arc;

/// What a depositor declared its artifact to be, made safe to stand in a header field.
///
/// It is what was declared, less control and non-ASCII characters, trimmed: visible ASCII and inner
/// spaces, 1 to 255 bytes. It is not checked to be a media type, since it is only ever given back.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ContentType(Arc<str>);

impl ContentType {
    /// What stands where nothing usable was declared.
    pub const DEFAULT: &'static str = "application/octet-stream";
    /// The greatest length, in bytes. A longer declaration counts as none: cut short, it would name
    /// another type.
    pub const MAX_LEN: usize = 255;

    /// Cleans a declared type: control and non-ASCII characters removed, then trimmed. What is then
    /// empty or longer than [`MAX_LEN`](Self::MAX_LEN) becomes [`DEFAULT`](Self::DEFAULT).
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

    /// The type as text.
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
