//! Why a quota refuses a deposit.

use std::fmt;

use super::QuotaStatus;
use crate::error::{Error, ErrorKind, Operation};
use crate::principal::PrincipalId;

/// A limit of a quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum QuotaLimit {
    /// The bytes of the artifacts.
    Bytes,
    /// The number of artifacts.
    Artifacts,
    /// The number of deposits in progress.
    InFlight,
}

/// What is used of a quota that refused a deposit. It is the source of an error of the kind
/// [`QuotaExceeded`](ErrorKind::QuotaExceeded), and was read just after the refusal, so it can be newer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct QuotaShortage {
    /// What the artifacts use: bytes, or their number.
    pub stored: u64,
    /// What other deposits in progress have reserved, in the same unit.
    pub reserved: u64,
    /// Whether the deposit fits once the others have ended without a new artifact.
    pub may_fit_later: bool,
}

impl QuotaShortage {
    /// Returns what is used of a quota, apart from what the refused deposit has reserved itself: `own` bytes.
    pub(super) fn new(
        refusal: &QuotaRefusal,
        status: &QuotaStatus,
        own: Option<u64>,
        least_bytes: u64,
    ) -> Self {
        let (stored, reserved, own, least) = match refusal.limit {
            QuotaLimit::Bytes => (
                status.bytes,
                status.reserved_bytes,
                own.unwrap_or(0),
                least_bytes,
            ),
            _ => (
                status.artifacts,
                status.in_flight,
                u64::from(own.is_some()),
                1,
            ),
        };
        Self {
            stored,
            reserved: reserved.saturating_sub(own),
            may_fit_later: stored.saturating_add(least) <= refusal.maximum,
        }
    }

    /// Returns the end of the text of a refusal.
    fn text(self, limit: QuotaLimit) -> String {
        let unit = if limit == QuotaLimit::Bytes {
            " bytes"
        } else {
            ""
        };
        let advice = if self.may_fit_later {
            "; try again when those have ended"
        } else {
            ""
        };
        let (stored, reserved) = (grouped(self.stored), grouped(self.reserved));
        format!(
            "; stored: {stored}{unit}, reserved by other deposits in progress: {reserved}{unit}{advice}"
        )
    }
}

impl fmt::Display for QuotaShortage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (stored, reserved) = (self.stored, self.reserved);
        write!(f, "{stored} stored, {reserved} reserved by other deposits")
    }
}

impl std::error::Error for QuotaShortage {}

/// Why a quota refuses a deposit.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct QuotaRefusal {
    /// The principal whose quota it is, or `None` for that of the whole experiment.
    pub principal: Option<PrincipalId>,
    /// The limit that would be exceeded.
    pub limit: QuotaLimit,
    /// What the quota allows.
    pub maximum: u64,
    /// What is left of it.
    pub left: u64,
}

impl QuotaRefusal {
    /// Creates a refusal.
    pub fn new(principal: Option<PrincipalId>, limit: QuotaLimit, maximum: u64, left: u64) -> Self {
        Self {
            principal,
            limit,
            maximum,
            left,
        }
    }

    /// Returns the error of a deposit of at least this number of bytes. `shortage` says what is used of the quota, if it is known.
    pub(super) fn into_error(self, least_bytes: u64, shortage: Option<QuotaShortage>) -> Error {
        let (maximum, left) = (grouped(self.maximum), grouped(self.left));
        let whose = match &self.principal {
            Some(principal) => format!("the quota of {principal}"),
            None => "the quota of the experiment".to_owned(),
        };
        let others = shortage.filter(|shortage| shortage.reserved > 0);
        let others = others.map_or_else(String::new, |shortage| shortage.text(self.limit));
        let (kind, detail) = match self.limit {
            QuotaLimit::Bytes => (
                ErrorKind::QuotaExceeded,
                format!(
                    "{whose} is {maximum} bytes; {left} bytes are left, and this deposit needs at least {}{others}",
                    grouped(least_bytes)
                ),
            ),
            QuotaLimit::Artifacts => (
                ErrorKind::QuotaExceeded,
                format!("{whose} is {maximum} artifacts; {left} are left{others}"),
            ),
            QuotaLimit::InFlight => (
                ErrorKind::TooManyInFlight,
                format!("{whose} is {maximum} deposits at the same time; wait until one has ended"),
            ),
        };
        let error = Error::new(kind, Operation::Deposit).with_detail(detail);
        match shortage {
            Some(shortage) if kind == ErrorKind::QuotaExceeded => error.with_source(shortage),
            _ => error,
        }
    }
}

/// Writes a number with a comma before each three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.char_indices() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_three_digits() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (12_345, "12,345"),
            (123_456, "123,456"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(grouped(number), text);
        }
    }
}
