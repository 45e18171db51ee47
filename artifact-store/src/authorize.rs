//! The read rule, and the proof that it was asked.

use std::sync::Arc;

use crate::error::{Error, ErrorKind, Operation, Result};
use crate::principal::Principal;
use crate::row::Row;

/// Proof that [`authorize`] let somebody read one artifact.
///
/// [`ArtifactStore::read`](crate::ArtifactStore::read) takes nothing else, and nothing but
/// [`authorize`] makes one, so a new endpoint cannot forget the rule:
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
/// It is not `Clone`, so that it does not outlive the request by accident.
#[derive(Debug)]
#[must_use = "a grant is for reading with"]
pub struct ReadGrant {
    row: Arc<Row>,
}

impl ReadGrant {
    /// What may be read.
    pub fn row(&self) -> &Row {
        &self.row
    }

    pub(crate) fn shared_row(&self) -> &Arc<Row> {
        &self.row
    }
}

/// Decides whether `principal` may read the artifact of `row`.
///
/// It may if the artifact's experiment is its own (the administrator's are all of them) and it
/// either deposited the artifact or is of the admin class.
///
/// # Errors
///
/// [`Forbidden`](ErrorKind::Forbidden), in every other case.
pub fn authorize(principal: &Principal, row: Arc<Row>) -> Result<ReadGrant> {
    let at_home = principal
        .experiment()
        .is_none_or(|experiment| *experiment == row.experiment);
    let entitled = principal.is_admin_class() || principal.id() == row.created_by;
    if at_home && entitled {
        Ok(ReadGrant { row })
    } else {
        Err(Error::new(ErrorKind::Forbidden, Operation::Authorize)
            .with_id(row.id)
            .with_detail("only its depositor and administrators may read it"))
    }
}
