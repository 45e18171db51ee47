//! What the clients know: which artifacts were acknowledged, and which were deleted.

use std::collections::{BTreeMap, BTreeSet};

use artifact_backend::Sha256Digest;
use artifact_client::{Error, ErrorKind};
use sha2::{Digest as _, Sha256};

/// An artifact whose deposit was acknowledged.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kept {
    pub(crate) sha256: Sha256Digest,
    pub(crate) size: u64,
    /// The number of the task that deposited it.
    pub(crate) task: usize,
}

impl Kept {
    pub(crate) fn new(bytes: &[u8], task: usize) -> Self {
        Self {
            sha256: sha256(bytes),
            size: bytes.len() as u64,
            task,
        }
    }
}

/// What all clients know together.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// The artifacts that were acknowledged and not deleted, by URI.
    pub(crate) kept: BTreeMap<String, Kept>,
    /// The URIs of deleted artifacts.
    pub(crate) deleted: BTreeSet<String>,
    /// The deposits whose response was lost. Each may have created an artifact.
    pub(crate) lost_responses: u64,
    /// The requests that failed, by operation and kind.
    pub(crate) failures: BTreeMap<String, u64>,
}

impl Ledger {
    /// Records a failure that a client may see while servers are killed. Panics for any other.
    pub(crate) fn fail(&mut self, error: &Error) {
        assert!(error.is_retryable(), "{error:?}");
        let name = format!("{}: {}", error.operation(), error.kind());
        *self.failures.entry(name).or_default() += 1;
    }

    /// Records a deposit that failed.
    pub(crate) fn fail_deposit(&mut self, error: &Error) {
        self.fail(error);
        if error.kind() == ErrorKind::Interrupted {
            self.lost_responses += 1;
        }
    }

    /// Returns a sentence about what happened.
    pub(crate) fn summary(&self) -> String {
        format!(
            "{} artifacts of {} bytes, {} deleted, {} responses lost; failures: {:?}",
            self.kept.len(),
            self.bytes(),
            self.deleted.len(),
            self.lost_responses,
            self.failures
        )
    }

    /// Returns the sum of the sizes of all artifacts.
    fn bytes(&self) -> u64 {
        self.kept.values().map(|kept| kept.size).sum()
    }

    /// Returns the URI of an artifact of a task, chosen by a number.
    pub(crate) fn one_of(&self, task: usize, number: u64) -> Option<String> {
        let mine = || self.kept.iter().filter(|(_, kept)| kept.task == task);
        let at = usize::try_from(number).unwrap_or(0) % mine().count().max(1);
        mine().nth(at).map(|(uri, _)| uri.clone())
    }
}

pub(super) fn sha256(bytes: &[u8]) -> Sha256Digest {
    Sha256Digest::from_bytes(Sha256::digest(bytes).into())
}
