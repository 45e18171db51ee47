//! The types and parsers of values that clients and the server have.
//!
//! An error continues a sentence that starts with the setting's name: "--retries must be a whole number".

use std::str::FromStr;
use std::time::Duration;

type Result<T> = std::result::Result<T, String>;

/// A size in bytes: digits, optionally with a binary unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ByteSize(pub(crate) u64);

impl FromStr for ByteSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self> {
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == ' ');
        let factor = match text[digits.len()..].trim() {
            "" | "B" => Some(1),
            "KiB" => Some(1 << 10),
            "MiB" => Some(1 << 20),
            "GiB" => Some(1 << 30),
            "TiB" => Some(1 << 40),
            _ => None,
        };
        let bytes = factor.and_then(|factor| digits.parse::<u64>().ok()?.checked_mul(factor));
        bytes.map(Self).ok_or_else(|| {
            let text = text.escape_debug();
            format!("must be a number of bytes, such as 104857600 or 100MiB, not '{text}'")
        })
    }
}

impl ByteSize {
    /// Returns the size for memory of this machine; a larger number means "no limit" there.
    pub(crate) fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

/// Accepts any text that is not empty.
pub(crate) fn text(text: &str) -> Result<String> {
    if text.is_empty() {
        return Err("must not be empty".into());
    }
    Ok(text.to_owned())
}

pub(super) fn whole_number(text: &str) -> Result<u64> {
    text.parse()
        .map_err(|_| format!("must be a whole number, not '{}'", text.escape_debug()))
}

/// Parses a time in whole seconds: at least 1, at most a year.
pub(super) fn seconds(text: &str) -> Result<Duration> {
    let seconds = whole_number(text)?;
    if (1..=31_536_000).contains(&seconds) {
        Ok(Duration::from_secs(seconds))
    } else {
        Err(format!("must be from 1 to 31536000 seconds, not {seconds}"))
    }
}

/// Parses a number of retries. A number that is too large for the type means the largest.
pub(super) fn retries(text: &str) -> Result<u32> {
    whole_number(text).map(|number| u32::try_from(number).unwrap_or(u32::MAX))
}
