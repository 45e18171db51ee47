//! The response to a deposit, compared with what was sent.

use artifact_backend::Sha256Digest;
use serde::Deserialize;

use super::{Deposited, ReceivedReceipt};
use crate::error::{Error, ErrorKind, Operation, Result};

/// The body of a 201 response.
#[derive(Deserialize)]
pub(crate) struct DepositResponse {
    artifacts_uri: String,
    size_bytes: u64,
    content_type: String,
    /// Only in responses of management.
    pub(crate) sha256: Option<String>,
}

impl DepositResponse {
    /// Returns the URI, which is not checked.
    pub(crate) fn uri(&self) -> &str {
        &self.artifacts_uri
    }
}

/// Compares a 201 response, and the digest in its `Repr-Digest`, with what was sent: this many bytes with this SHA-256.
pub(crate) fn check_response(
    response: DepositResponse,
    stored: Option<Result<Option<Sha256Digest>, ()>>,
    receipt: Option<ReceivedReceipt>,
    (count, sha256): (u64, Sha256Digest),
) -> Result<Deposited> {
    let DepositResponse {
        artifacts_uri: uri,
        size_bytes,
        content_type,
        sha256: _,
    } = response;
    // The URI goes on to scripts and terminals, so it must not contain invisible characters.
    if !uri.bytes().all(|b| b.is_ascii_graphic()) || !(1..=512).contains(&uri.len()) {
        return Err(Error::new(ErrorKind::Protocol, Operation::Deposit)
            .with_response(201, None)
            .with_detail("the URI in the response is not 1 to 512 bytes of visible ASCII"));
    }
    if size_bytes != count {
        let detail = format!(
            "{count} bytes were sent, the server counted {size_bytes}; do not use {uri}, and deposit \
             again"
        );
        return Err(Error::new(ErrorKind::DigestMismatch, Operation::Deposit).with_detail(detail));
    }
    let stored = stored.transpose().map_err(|()| {
        Error::new(ErrorKind::Protocol, Operation::Deposit)
            .with_response(201, None)
            .with_detail(format!(
                "the response's Repr-Digest is not a SHA-256, so {uri} is not verified"
            ))
    })?;
    let stored = stored.flatten();
    if let Some(stored) = stored.filter(|stored| *stored != sha256) {
        let detail = format!(
            "the artifact {uri} differs from the bytes that were sent: sent SHA-256 {sha256}, stored \
             SHA-256 {stored}; something between client and server changed the bytes: do not use \
             this artifact, and deposit again"
        );
        return Err(Error::new(ErrorKind::DigestMismatch, Operation::Deposit).with_detail(detail));
    }
    let receipt = receipt.transpose().map_err(|()| {
        Error::new(ErrorKind::Protocol, Operation::Deposit)
            .with_response(201, None)
            .with_detail(format!(
                "the artifact is stored as {uri}, but the response's Artifact-Receipt is not a receipt"
            ))
    })?;
    Ok(Deposited {
        uri,
        size_bytes,
        content_type,
        sha256,
        verified: stored.is_some(),
        receipt,
    })
}
