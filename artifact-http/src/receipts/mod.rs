//! Receipts of deposits, and the public log of them.

mod log;
mod read;

use artifact_audit::AuditField;
use artifact_store::Row;
use axum::response::Response;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::head::Head;
use crate::problem::Problem;
use crate::router::Service;

pub(crate) use self::log::{
    CHECKPOINT, CHECKPOINT_DOCS, TILE, TILE_DOCS, answer, is_of_log, paths,
};
pub(crate) use self::read::ReadReceipt;

pub(crate) const TAG: &str = "receipts";

/// The media type of notes and proofs, by C2SP.
pub(crate) const TEXT: &str = "text/plain; charset=utf-8";

/// In a request, whether the client wants the receipt of a deposit; in a response, the receipt.
const RECEIPT: HeaderName = HeaderName::from_static("artifact-receipt");

/// What the audit log says of a receipt that a response has.
const SIGNED: &str = "signed";

/// A deposit whose client may want the receipt.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WantedReceipt(bool);

impl WantedReceipt {
    /// Reads the field of a request, before its body. A router without receipts ignores it.
    pub(crate) fn of(service: &Service, headers: &HeaderMap) -> Result<Self, Problem> {
        if service.config.receipts.is_none() {
            return Ok(Self(false));
        }
        let mut values = headers.get_all(RECEIPT).iter();
        match (values.next().map(HeaderValue::as_bytes), values.next()) {
            (None, _) | (Some(b"?0"), None) => Ok(Self(false)),
            (Some(b"?1"), None) => Ok(Self(true)),
            _ => Err(Problem::bad_request("Artifact-Receipt must be ?1 or ?0")),
        }
    }

    /// Adds the signed receipt of a stored artifact to the response, and to the line of the audit log that there is one, if the client
    /// wants it.
    pub(crate) fn add(self, service: &Service, head: &Head, row: &Row, response: &mut Response) {
        let Some(log) = service.config.receipts.as_ref().filter(|_| self.0) else {
            return;
        };
        match log.sign(row) {
            Ok(receipt) => {
                let receipt = BASE64_STANDARD.encode(receipt.to_string());
                let value = HeaderValue::from_str(&format!(":{receipt}:"));
                let value = value.expect("base64 is visible ASCII");
                response.headers_mut().insert(RECEIPT, value);
                head.is_about(AuditField::Receipt, &SIGNED);
            }
            // The artifact is stored, and its receipt can be read later.
            Err(error) => tracing::error!(
                id = %row.id,
                error = &error as &dyn std::error::Error,
                "cannot sign the receipt of a deposit"
            ),
        }
    }
}
