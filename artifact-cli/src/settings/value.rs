//! A setting's value as it was written, and where.

use std::fmt;
use std::path::PathBuf;

/// Where a value came from, nearest to the user last.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Source {
    Default,
    File(PathBuf),
    Env(&'static str),
    Flag(&'static str),
}

impl Source {
    /// How strong it is: flags over the environment over the file over defaults.
    pub(crate) fn rank(&self) -> u8 {
        match self {
            Self::Default => 0,
            Self::File(_) => 1,
            Self::Env(_) => 2,
            Self::Flag(_) => 3,
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Env(name) => write!(f, "environment {name}"),
            Self::Flag(name) => write!(f, "flag --{name}"),
        }
    }
}

/// What was written, and where. A list has several texts, everything else one.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Value {
    pub(crate) texts: Vec<String>,
    pub(crate) source: Source,
}

/// Only the source: the value may be a secret.
impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Value")
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

/// A number of bytes: digits, with a binary unit or without.
pub(crate) fn parse_bytes(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == ' ');
    let factor = match text[digits.len()..].trim() {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::parse_bytes;

    #[test]
    fn bytes_are_digits_with_a_binary_unit_or_without() {
        for (text, bytes) in [
            ("0", Some(0)),
            ("104857600", Some(104_857_600)),
            ("100MiB", Some(104_857_600)),
            ("1 GiB", Some(1 << 30)),
            ("5KiB", Some(5120)),
            ("100MB", None),
            ("-1", None),
            ("1.5GiB", None),
            ("MiB", None),
            ("", None),
            ("18446744073709551615", Some(u64::MAX)),
            ("16777216TiB", None),
        ] {
            assert_eq!(parse_bytes(text), bytes, "{text}");
        }
    }
}
