//! The file that a depositor keeps: a receipt, and its proof.

use std::fmt;

use crate::checkpoint::Checkpoint;
use crate::error::{ReceiptError, ReceiptErrorKind};
use crate::inclusion::{FIRST_LINE, InclusionProof};
use crate::key::VerifierKey;
use crate::note::SignedNote;
use crate::statement::Statement;

/// A receipt, and the proof that the log has its entry, if there is one. Prints as its text: the signed note of the receipt, and after an
/// empty line the proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiptFile {
    receipt: SignedNote,
    proof: Option<InclusionProof>,
}

/// What a verified receipt shows.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifiedReceipt {
    /// What the store signed.
    pub statement: Statement,
    /// The index of the entry in the log, if there is a proof.
    pub index: Option<u64>,
    /// The checkpoint that the proof leads to.
    pub checkpoint: Option<Checkpoint>,
}

impl ReceiptFile {
    /// The maximum length in bytes.
    pub const MAX_LEN: usize = SignedNote::MAX_LEN;

    /// Makes a file of a receipt.
    pub fn new(receipt: SignedNote) -> Self {
        Self {
            receipt,
            proof: None,
        }
    }

    /// Adds the proof.
    #[must_use = "returns the changed file"]
    pub fn with_proof(mut self, proof: impl Into<Option<InclusionProof>>) -> Self {
        self.proof = proof.into();
        self
    }

    /// Returns whether there is a proof, which may be wrong.
    pub fn has_proof(&self) -> bool {
        self.proof.is_some()
    }

    /// Parses a file. Verifies nothing.
    ///
    /// # Errors
    ///
    /// `Malformed`.
    pub fn parse(text: &str) -> Result<Self, ReceiptError> {
        if text.len() > Self::MAX_LEN {
            return Err(ReceiptError::malformed("the receipt is longer than 1 MiB"));
        }
        // No line of a note is the first line of a proof: the text of a receipt has none, and signatures begin with a dash.
        let separator = format!("\n\n{FIRST_LINE}");
        let Some(position) = text.find(&separator) else {
            return Ok(Self::new(SignedNote::parse(text)?));
        };
        Ok(Self {
            receipt: SignedNote::parse(&text[..=position])?,
            proof: Some(InclusionProof::parse(&text[position + 2..])?),
        })
    }

    /// Verifies the receipt, and the proof if there is one, by public keys that the caller trusts. Needs no server.
    ///
    /// # Errors
    ///
    /// Those of [`Statement::verify`] and [`InclusionProof::verify`]; `OtherLog` if receipt and checkpoint are of two logs.
    pub fn verify(&self, keys: &[VerifierKey]) -> Result<VerifiedReceipt, ReceiptError> {
        let statement = Statement::verify(&self.receipt, keys)?;
        let Some(proof) = &self.proof else {
            return Ok(VerifiedReceipt {
                statement,
                index: None,
                checkpoint: None,
            });
        };
        let checkpoint = proof.verify(statement.leaf_hash()?, keys)?;
        if checkpoint.origin != statement.log {
            let detail = format!(
                "the receipt is of the log {}, its proof is of {}",
                statement.log, checkpoint.origin
            );
            return Err(ReceiptError::new(ReceiptErrorKind::OtherLog, detail));
        }
        Ok(VerifiedReceipt {
            statement,
            index: Some(proof.index()),
            checkpoint: Some(checkpoint),
        })
    }
}

impl fmt::Display for ReceiptFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.receipt)?;
        if let Some(proof) = &self.proof {
            write!(f, "\n{proof}")?;
        }
        Ok(())
    }
}
