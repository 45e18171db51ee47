//! Why a quota refuses a deposit.

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

    /// Returns the error of a deposit of at least this number of bytes.
    pub(super) fn into_error(self, least_bytes: u64) -> Error {
        let (maximum, left) = (grouped(self.maximum), grouped(self.left));
        let whose = match &self.principal {
            Some(principal) => format!("the quota of {principal}"),
            None => "the quota of the experiment".to_owned(),
        };
        let (kind, detail) = match self.limit {
            QuotaLimit::Bytes => (
                ErrorKind::QuotaExceeded,
                format!(
                    "{whose} is {maximum} bytes; {left} bytes are left, and this deposit needs at least {}",
                    grouped(least_bytes)
                ),
            ),
            QuotaLimit::Artifacts => (
                ErrorKind::QuotaExceeded,
                format!("{whose} is {maximum} artifacts; {left} are left"),
            ),
            QuotaLimit::InFlight => (
                ErrorKind::TooManyInFlight,
                format!("{whose} is {maximum} deposits at the same time; wait until one has ended"),
            ),
        };
        Error::new(kind, Operation::Deposit).with_detail(detail)
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
