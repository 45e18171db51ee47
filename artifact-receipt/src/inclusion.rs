//! The text of a proof that an entry is in a log.

use std::fmt;

use crate::base64;
use crate::checkpoint::Checkpoint;
use crate::error::ReceiptError;
use crate::hash::TreeHash;
use crate::key::VerifierKey;
use crate::note::SignedNote;
use crate::proofs::{inclusion_proof, verify_inclusion};
use crate::tile_set::TileSet;

/// The first line of a proof.
pub(crate) const FIRST_LINE: &str = "c2sp.org/tlog-proof@v1\n";

/// The proof that an entry is in the tree of a checkpoint, by [tlog-proof](https://c2sp.org/tlog-proof). Prints as its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InclusionProof {
    /// Not authenticated, and not used.
    extra: Option<Vec<u8>>,
    index: u64,
    hashes: Vec<TreeHash>,
    checkpoint: SignedNote,
}

/// A proof that still lacks its checkpoint.
#[derive(Debug)]
#[must_use = "a proof needs a checkpoint"]
pub struct UnsignedProof {
    index: u64,
    hashes: Vec<TreeHash>,
}

impl UnsignedProof {
    /// Adds the signed checkpoint of the tree that the proof was computed for.
    pub fn with_checkpoint(self, checkpoint: SignedNote) -> InclusionProof {
        InclusionProof {
            extra: None,
            index: self.index,
            hashes: self.hashes,
            checkpoint,
        }
    }
}

impl InclusionProof {
    /// The maximum number of hashes in a proof.
    pub const MAX_HASHES: usize = 64;

    /// Computes the proof of the leaf `index` in the tree of `size` leaves.
    ///
    /// # Errors
    ///
    /// As [`inclusion_proof`].
    pub fn of(tiles: &TileSet, index: u64, size: u64) -> Result<UnsignedProof, ReceiptError> {
        let hashes = inclusion_proof(tiles, index, size)?;
        Ok(UnsignedProof { index, hashes })
    }

    /// Parses the text of a proof. Verifies nothing.
    ///
    /// # Errors
    ///
    /// `Malformed`.
    pub fn parse(text: &str) -> Result<Self, ReceiptError> {
        let malformed = || ReceiptError::malformed("it is not a proof by c2sp.org/tlog-proof@v1");
        let rest = text.strip_prefix(FIRST_LINE).ok_or_else(malformed)?;
        let (lines, checkpoint) = rest.split_once("\n\n").ok_or_else(malformed)?;
        let mut lines = lines.split('\n').peekable();
        let extra = lines.next_if(|line| line.starts_with("extra "));
        let extra = extra.map(|line| base64::decode(&line["extra ".len()..]).ok_or_else(malformed));
        let index_text = lines.next().and_then(|line| line.strip_prefix("index "));
        let index_text = index_text.ok_or_else(malformed)?;
        let index: u64 = index_text.parse().map_err(|_| malformed())?;
        let hashes: Option<Vec<_>> = lines.map(TreeHash::parse).collect();
        let hashes = hashes.ok_or_else(malformed)?;
        if index.to_string() != index_text || hashes.len() > Self::MAX_HASHES {
            return Err(malformed());
        }
        Ok(Self {
            extra: extra.transpose()?,
            index,
            hashes,
            checkpoint: SignedNote::parse(checkpoint)?,
        })
    }

    /// Returns the index of the entry, which is not verified.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// Verifies that a leaf with this hash is in the tree of the checkpoint, which one of the keys signed. Returns the checkpoint.
    ///
    /// # Errors
    ///
    /// Those of [`Checkpoint::verify`], and `WrongProof`.
    pub fn verify(&self, leaf: TreeHash, keys: &[VerifierKey]) -> Result<Checkpoint, ReceiptError> {
        let checkpoint = Checkpoint::verify(&self.checkpoint, keys)?;
        verify_inclusion(
            leaf,
            self.index,
            checkpoint.size,
            &self.hashes,
            checkpoint.root,
        )?;
        Ok(checkpoint)
    }
}

impl fmt::Display for InclusionProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(FIRST_LINE)?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", base64::encode(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        for hash in &self.hashes {
            writeln!(f, "{hash}")?;
        }
        write!(f, "\n{}", self.checkpoint)
    }
}
