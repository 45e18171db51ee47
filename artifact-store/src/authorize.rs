//! The read rule, and the proof that it was applied.

use std::sync::Arc;

use crate::error::{Error, ErrorKind, Operation, Result};
use crate::principal::Principal;
use crate::row::Row;

/// Proof that [`authorize`] allowed a principal to read one artifact.
///
/// [`ArtifactStore::read`](crate::ArtifactStore::read) requires it, and only [`authorize`] creates
/// it, so a new endpoint cannot forget the rule:
///
/// ```compile_fail,E0308
/// # use std::sync::Arc;
/// use artifact_store::{ArtifactStore, ByteRange, Row};
///
/// async fn forgets_the_rule(store: &ArtifactStore, row: Arc<Row>) {
///     store.read(&row, ByteRange::Full).await;
/// }
/// ```
///
/// ```compile_fail,E0451
/// # use std::sync::Arc;
/// use artifact_store::{ReadGrant, Row};
///
/// fn forges_a_grant(row: Arc<Row>) -> ReadGrant {
///     ReadGrant { row }
/// }
/// ```
///
/// It is not `Clone`, so that it does not outlive its request by accident.
#[derive(Debug)]
#[must_use = "a grant has no effect by itself; pass it to ArtifactStore::read"]
pub struct ReadGrant {
    row: Arc<Row>,
}

impl ReadGrant {
    /// Returns the row of the artifact.
    pub fn row(&self) -> &Row {
        &self.row
    }

    pub(crate) fn shared_row(&self) -> &Arc<Row> {
        &self.row
    }
}

/// Decides whether `principal` may read the artifact of `row`.
///
/// It may if it belongs to the artifact's experiment (the administrator belongs to all) and either
/// deposited the artifact or is of the admin class.
///
/// # Errors
///
/// [`Forbidden`](ErrorKind::Forbidden) in all other cases.
pub fn authorize(principal: &Principal, row: Arc<Row>) -> Result<ReadGrant> {
    let is_in_experiment = principal
        .experiment()
        .is_none_or(|experiment| *experiment == row.experiment);
    let is_entitled = principal.is_admin_class() || principal.id() == row.created_by;
    if is_in_experiment && is_entitled {
        Ok(ReadGrant { row })
    } else {
        Err(Error::new(ErrorKind::Forbidden, Operation::Authorize)
            .with_id(row.id)
            .with_detail("only its depositor and administrators may read it"))
    }
}
