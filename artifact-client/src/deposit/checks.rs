//! Keys, content types and periods of deposits, checked before anything is sent.

use std::time::Duration;

use artifact_backend::{Sha256Digest, random};
use sha2::{Digest, Sha256};

use crate::error::{Error, Operation, Result};

/// The longest time that an artifact can be kept, unless it is kept for ever: 100 years of 365 days.
const MAX_EXPIRES_IN: Duration = Duration::from_hours(100 * 365 * 24);

/// Returns a new key of 128 random bits, quoted.
pub(super) fn random_key() -> String {
    format!("\"{:032x}\"", u128::from_ne_bytes(random::bytes()))
}

/// Returns a key as a string of a structured field (RFC 9651, section 3.3.3).
pub(super) fn quoted(key: &str) -> Result<String> {
    let is_printable = key.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if !is_printable || !(1..=255).contains(&key.len()) {
        let detail = "an idempotency key has 1 to 255 printable ASCII characters";
        return Err(Error::invalid_input(detail).with_operation(Operation::Deposit));
    }
    let escaped = key.replace('\\', r"\\").replace('"', "\\\"");
    Ok(format!("\"{escaped}\""))
}

pub(super) fn cannot_resume() -> Error {
    let detail = "an upload goes on only with a file whose size is known, that can be read again, that is no form and has no key";
    Error::invalid_input(detail).with_operation(Operation::Deposit)
}

pub(super) fn no_keys() -> Error {
    let detail = "a deposit by a form has no idempotency key: the server has none, or the content type is that of a form";
    Error::invalid_input(detail).with_operation(Operation::Deposit)
}

/// Returns whether the server would not record this type of a body.
pub(super) fn is_form_type(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    ["multipart/form-data", "application/x-www-form-urlencoded"]
        .iter()
        .any(|form| essence.eq_ignore_ascii_case(form))
}

pub(super) fn sha256_of(bytes: &[u8]) -> Sha256Digest {
    Sha256Digest::from_bytes(Sha256::digest(bytes).into())
}

pub(super) fn check_expires_in(period: Option<Duration>) -> Result<()> {
    if period.is_none_or(|period| (Duration::from_secs(1)..=MAX_EXPIRES_IN).contains(&period)) {
        return Ok(());
    }
    Err(
        Error::invalid_input("an artifact is kept for 1 second to 100 years")
            .with_operation(Operation::Deposit),
    )
}

pub(super) fn check_content_type(text: &str) -> Result<()> {
    let valid = text.bytes().all(|b| matches!(b, b' '..=b'~'));
    if valid && (1..=255).contains(&text.len()) {
        Ok(())
    } else {
        Err(Error::invalid_input(
            "a content type has 1 to 255 bytes, which are visible ASCII and spaces",
        )
        .with_operation(Operation::Deposit))
    }
}
