//! The artifact that an earlier deposit with the same key has made.

use std::time::Duration;

use artifact_backend::Sha256Digest;
use bytes::Bytes;
use jiff::Timestamp;

use super::IdempotencyKey;
use crate::catalog::Catalog;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::hasher::Hasher;
use crate::new_artifact::NewArtifact;
use crate::row::Row;
use crate::time::truncate_to_micros;

/// The rest of a deposit whose key is known: its bytes are hashed and stored nowhere.
#[derive(Debug)]
pub(crate) struct Repeated {
    earlier: Row,
    hasher: Hasher,
}

impl Repeated {
    pub(crate) fn new(earlier: Row) -> Self {
        Self {
            earlier,
            hasher: Hasher::default(),
        }
    }

    pub(crate) async fn write(mut self, chunk: Bytes) -> Result<Self> {
        self.hasher = self.hasher.update(chunk).await?;
        Ok(self)
    }

    /// Returns the row of the earlier deposit, and the SHA-256 of the bytes of this one.
    pub(crate) fn finish(self) -> (Row, Sha256Digest) {
        (self.earlier, self.hasher.finish().sha256)
    }
}

/// Finds the row of the earlier deposit with the key of this one, if there was one.
///
/// # Errors
///
/// `KeyReused` if the row was removed since, and those of the catalog.
pub(crate) async fn find_earlier(
    catalog: &dyn Catalog,
    new: &NewArtifact,
    key: &IdempotencyKey,
) -> Result<Option<Row>> {
    let found = catalog.find_keyed(&new.experiment, &new.created_by, key);
    let Some(id) = found.await? else {
        return Ok(None);
    };
    // Not from the cache, which may still have a row that another process has removed.
    match catalog.get(id).await? {
        Some(row) => Ok(Some(row)),
        None => Err(reused(
            "the artifact that was deposited with this idempotency key was removed; use a new key to deposit it again",
        )),
    }
}

/// Fails if a deposit is another one than the earlier one with the same key: if the bytes, the type, the file name or the time
/// for which it is kept differ.
pub(crate) fn check_repeat(
    earlier: &Row,
    new: &NewArtifact,
    size: u64,
    sha256: Sha256Digest,
) -> Result<()> {
    let is_equal = earlier.size == size
        && earlier.sha256 == sha256
        && earlier.content_type == new.content_type
        && earlier.file_name == new.file_name
        && earlier.expires_at == expiry(earlier.created_at, new.expires_in);
    if is_equal {
        return Ok(());
    }
    Err(reused(
        "the idempotency key was used for another deposit: the bytes, the content type, the file name or the period for \
         which it is kept differ; use a new key for each deposit",
    ))
}

/// Returns when an artifact expires that was created at a time in whole microseconds, as its row has it. A time that no timestamp
/// can express becomes the last one that can be expressed: it never comes.
pub(crate) fn expiry(created_at: Timestamp, period: Option<Duration>) -> Option<Timestamp> {
    let period = period?;
    let time = created_at.checked_add(period).unwrap_or(Timestamp::MAX);
    Some(truncate_to_micros(time))
}

fn reused(detail: &'static str) -> Error {
    Error::new(ErrorKind::KeyReused, Operation::Deposit).with_detail(detail)
}
