//! Errors of receipts, notes and proofs.

use std::fmt;

/// What is wrong with a receipt, a note, a key or a proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReceiptErrorKind {
    /// The text has not the form that its format requires.
    Malformed,
    /// No signature is by a key that the caller trusts.
    UnknownKey,
    /// A signature by a known key is wrong: the text was changed, or the signature was.
    BadSignature,
    /// The proof does not lead from the receipt to the checkpoint, or one checkpoint does not follow from the other.
    WrongProof,
    /// The signed checkpoint or receipt belongs to another log than the key.
    OtherLog,
    /// A hash of the tree is needed that the caller did not give.
    MissingHash,
    /// A value cannot be part of a receipt.
    InvalidValue,
}

/// An error of a receipt, a note, a key or a proof. Its text says what is wrong, and has no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiptError {
    kind: ReceiptErrorKind,
    detail: String,
}

impl ReceiptError {
    pub(crate) fn new(kind: ReceiptErrorKind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: detail.into(),
        }
    }

    pub(crate) fn malformed(detail: impl Into<String>) -> Self {
        Self::new(ReceiptErrorKind::Malformed, detail)
    }

    /// Returns what is wrong.
    pub fn kind(&self) -> ReceiptErrorKind {
        self.kind
    }
}

impl fmt::Display for ReceiptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for ReceiptError {}
