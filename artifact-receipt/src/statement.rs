//! What a receipt says.

use artifact_backend::{ArtifactId, Sha256Digest};
use jiff::Timestamp;

use crate::error::{ReceiptError, ReceiptErrorKind};
use crate::hash::TreeHash;
use crate::key::{SigningKey, VerifierKey};
use crate::key_name::KeyName;
use crate::note::SignedNote;
use crate::secret::Salt;

/// The first line. It has a space, so it is not the origin of any checkpoint: no receipt can be taken for a checkpoint.
const FIRST_LINE: &str = "artifact receipt v1";
/// How the URI of an artifact begins; its id follows.
const URI: &str = "eden://artifacts/";

/// What a receipt says about one artifact. Its text is also the leaf of the artifact in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "another member is another version of the text"
)]
pub struct Statement {
    /// The log that has the entry.
    pub log: KeyName,
    /// The id in the URI of the artifact.
    pub id: ArtifactId,
    /// The experiment that the artifact belongs to.
    pub experiment: String,
    /// Who deposited it.
    pub depositor: String,
    /// The size in bytes.
    pub size: u64,
    /// The SHA-256 of the bytes.
    pub sha256: Sha256Digest,
    /// When the store had it, durably, by the clock of the store. The text has whole microseconds.
    pub created_at: Timestamp,
    /// The salt of the entry.
    pub salt: Salt,
}

impl Statement {
    /// Returns the text: lines of a name, a space and a value, each ended by a line feed.
    ///
    /// # Errors
    ///
    /// `InvalidValue` if the experiment or the depositor is empty or has control characters.
    pub fn to_text(&self) -> Result<String, ReceiptError> {
        for value in [&self.experiment, &self.depositor] {
            if value.is_empty() || value.contains(char::is_control) {
                let detail = "a receipt cannot name an experiment or a depositor that is empty or has control characters";
                return Err(ReceiptError::new(ReceiptErrorKind::InvalidValue, detail));
            }
        }
        let Self {
            log,
            id,
            experiment,
            depositor,
            size,
            sha256,
            created_at,
            salt,
        } = self;
        Ok(format!(
            "{FIRST_LINE}\nlog {log}\nuri {URI}{id}\nexperiment {experiment}\ndepositor {depositor}\nsize {size}\n\
             sha256 {sha256}\ncreated {created_at:.6}\nsalt {salt}\n"
        ))
    }

    /// Parses a text. Only the one text of each statement is accepted.
    ///
    /// # Errors
    ///
    /// `Malformed`, also for another version.
    pub fn parse(text: &str) -> Result<Self, ReceiptError> {
        let malformed = || ReceiptError::malformed("the signed text is no receipt of version 1");
        let mut lines = text.split('\n');
        if lines.next() != Some(FIRST_LINE) {
            return Err(malformed());
        }
        let mut value = |name: &str| {
            let line = lines.next().and_then(|line| line.strip_prefix(name));
            line.and_then(|line| line.strip_prefix(' '))
                .ok_or_else(malformed)
        };
        let statement = Self {
            log: value("log")?.parse().map_err(|_| malformed())?,
            id: value("uri")?
                .strip_prefix(URI)
                .and_then(|id| id.parse().ok())
                .ok_or_else(malformed)?,
            experiment: value("experiment")?.to_owned(),
            depositor: value("depositor")?.to_owned(),
            size: value("size")?.parse().map_err(|_| malformed())?,
            sha256: value("sha256")?.parse().map_err(|_| malformed())?,
            created_at: value("created")?.parse().map_err(|_| malformed())?,
            salt: value("salt")?.parse().map_err(|_| malformed())?,
        };
        match statement.to_text() {
            Ok(canonical) if canonical == text => Ok(statement),
            _ => Err(malformed()),
        }
    }

    /// Returns the hash of the leaf.
    ///
    /// # Errors
    ///
    /// As [`to_text`](Self::to_text).
    pub fn leaf_hash(&self) -> Result<TreeHash, ReceiptError> {
        Ok(TreeHash::of_leaf(self.to_text()?.as_bytes()))
    }

    /// Signs the statement.
    ///
    /// # Errors
    ///
    /// As [`to_text`](Self::to_text), and `OtherLog` if the key has another name than the log.
    pub fn sign(&self, key: &SigningKey) -> Result<SignedNote, ReceiptError> {
        check_log(&self.log, key.name())?;
        Ok(SignedNote::sign(self.to_text()?, key))
    }

    /// Verifies a receipt without a proof.
    ///
    /// # Errors
    ///
    /// Those of [`SignedNote::verify`]; `Malformed` if the note is no receipt; `OtherLog` if the log is not the name of the key.
    pub fn verify(note: &SignedNote, keys: &[VerifierKey]) -> Result<Self, ReceiptError> {
        let (text, key) = note.verify(keys)?;
        let statement = Self::parse(text)?;
        check_log(&statement.log, key.name())?;
        Ok(statement)
    }
}

fn check_log(log: &KeyName, key: &KeyName) -> Result<(), ReceiptError> {
    if log == key {
        return Ok(());
    }
    let detail = format!("the receipt is of the log {log}, but the key is of {key}");
    Err(ReceiptError::new(ReceiptErrorKind::OtherLog, detail))
}
