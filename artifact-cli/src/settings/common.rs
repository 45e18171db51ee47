//! The types and parsers of values that clients and the server have.
//!
//! An error continues a sentence that starts with the setting's name: "--retries must be a whole number".

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

type Result<T> = std::result::Result<T, String>;

/// A size in bytes: digits, optionally with a binary unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ByteSize(pub(crate) u64);

impl FromStr for ByteSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self> {
        let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == ' ');
        let factor = match text[number.len()..].trim() {
            "" | "B" => Some(1),
            "KiB" => Some(1 << 10),
            "MiB" => Some(1 << 20),
            "GiB" => Some(1 << 30),
            "TiB" => Some(1 << 40),
            _ => None,
        };
        let bytes = factor.and_then(|factor| digits(number)?.checked_mul(factor));
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

/// Parses a number of downloads: at least 1.
pub(crate) fn downloads(text: &str) -> Result<NonZeroU32> {
    let number = whole_number(text)?;
    let downloads = u32::try_from(number).ok().and_then(NonZeroU32::new);
    downloads.ok_or_else(|| format!("must be from 1 to {}, not {number}", u32::MAX))
}

/// Parses digits.
pub(crate) fn whole_number(text: &str) -> Result<u64> {
    digits(text).ok_or_else(|| {
        let expected = if text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty() {
            format!("a whole number of at most {}", u64::MAX)
        } else {
            "a whole number".to_owned()
        };
        format!("must be {expected}, not '{}'", text.escape_debug())
    })
}

/// Parses a number without a sign, which `parse` would accept.
fn digits(text: &str) -> Option<u64> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
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

/// A time from a second to 100 years: digits, optionally with a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Period(pub(crate) Duration);

/// The units of a period, the longest first, with their seconds.
const UNITS: [(&str, u64); 4] = [("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)];

impl FromStr for Period {
    type Err = String;

    fn from_str(text: &str) -> Result<Self> {
        let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == ' ');
        let factor = match text[number.len()..].trim() {
            "" => Some(1),
            unit => UNITS
                .iter()
                .find(|(name, _)| *name == unit)
                .map(|(_, seconds)| *seconds),
        };
        let seconds = factor.and_then(|factor| digits(number)?.checked_mul(factor));
        let seconds = seconds.ok_or_else(|| {
            let text = text.escape_debug();
            format!("must be a time, such as 30d, 12h, 45min or 90s, not '{text}'")
        })?;
        if (1..=100 * 365 * 86_400).contains(&seconds) {
            Ok(Self(Duration::from_secs(seconds)))
        } else {
            Err("must be from 1s to 36500d".into())
        }
    }
}

impl fmt::Display for Period {
    /// Writes it with the longest unit that gives a whole number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let fits = |(_, unit): &(&str, u64)| seconds.is_multiple_of(*unit);
        let (name, unit) = UNITS.into_iter().find(fits).unwrap_or(("s", 1));
        write!(f, "{}{name}", seconds / unit)
    }
}

/// Parses a number of retries. A number that is too large for the type means the largest.
pub(super) fn retries(text: &str) -> Result<u32> {
    whole_number(text).map(|number| u32::try_from(number).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_sizes_are_digits() {
        for (text, number) in [
            ("0", Some(0)),
            ("007", Some(7)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("+1", None),
            ("-1", None),
            ("1.0", None),
            (" 1", None),
            ("", None),
            ("\u{661}", None),
        ] {
            assert_eq!(whole_number(text).ok(), number, "{text}");
            let size = text.parse::<ByteSize>().ok();
            assert_eq!(size, number.map(ByteSize), "{text}");
        }
        let large = whole_number("18446744073709551616").unwrap_err();
        assert!(large.contains("at most 18446744073709551615"), "{large}");
    }

    #[test]
    fn periods_are_digits_with_or_without_a_unit() {
        for (text, seconds, shown) in [
            ("30d", Some(2_592_000), "30d"),
            ("48h", Some(172_800), "2d"),
            ("45min", Some(2_700), "45min"),
            ("90 s", Some(90), "90s"),
            ("3600", Some(3_600), "1h"),
            ("36500d", Some(3_153_600_000), "36500d"),
            ("36501d", None, ""),
            ("0", None, ""),
            ("0d", None, ""),
            ("1.5h", None, ""),
            ("-1d", None, ""),
            ("+1d", None, ""),
            ("d", None, ""),
            ("", None, ""),
            ("1m", None, ""),
            ("1D", None, ""),
            ("99999999999999999999", None, ""),
            ("9999999999999999d", None, ""),
        ] {
            let period = text.parse::<Period>().ok();
            let expected = seconds.map(|seconds| Period(Duration::from_secs(seconds)));
            assert_eq!(period, expected, "{text}");
            assert_eq!(
                period.map(|period| period.to_string()).unwrap_or_default(),
                shown
            );
        }
    }
}
