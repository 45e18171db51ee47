//! A deposit with the key of an earlier one.

use std::sync::Arc;

use artifact_backend::Sha256Digest;

use super::check_digest;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::idempotency::{Repeated, check_repeat, find_earlier};
use crate::new_artifact::NewArtifact;
use crate::row::Row;
use crate::shared::Shared;

/// Finds the earlier deposit with the same key, if this one has a key.
pub(super) async fn find_repeated(shared: &Shared, new: &NewArtifact) -> Result<Option<Repeated>> {
    let Some(key) = &new.idempotency_key else {
        return Ok(None);
    };
    let earlier = Box::pin(find_earlier(&*shared.catalog, new, key)).await?;
    Ok(earlier.map(Repeated::new))
}

/// Returns the row of the earlier deposit with the same key, if the two are equal.
pub(super) fn repeat(
    earlier: Row,
    new: &NewArtifact,
    size: u64,
    sha256: Sha256Digest,
) -> Result<Arc<Row>> {
    check_digest(sha256, new.sha256)?;
    check_repeat(&earlier, new, size, sha256)?;
    Ok(Arc::new(earlier))
}

/// Returns the row of the deposit of another process that has written the same key since this one looked for it. The bytes of
/// this one are an orphan.
pub(super) async fn lost_turn(
    shared: &Shared,
    new: &NewArtifact,
    size: u64,
    sha256: Sha256Digest,
) -> Result<Arc<Row>> {
    match find_repeated(shared, new).await? {
        Some(repeated) => repeat(repeated.finish().0, new, size, sha256),
        None => Err(
            Error::new(ErrorKind::Unavailable, Operation::Deposit).with_detail(
                "the idempotency key was in use and has become free since; repeat the deposit",
            ),
        ),
    }
}
