//! The read rule, and the proof that it was applied.

use std::sync::Arc;

use crate::error::{Error, ErrorKind, Operation, Result};
use crate::principal::Principal;
use crate::read_policy::{BuiltInRule, ReadPolicy, is_in_experiment};
use crate::row::Row;

/// Proof that [`authorize`] or [`authorize_with`] allowed a principal to read one artifact.
///
/// [`ArtifactStore::read`](crate::ArtifactStore::read) requires it, and only these two functions create it, so
/// a new endpoint cannot forget the rule. A [`ReadPolicy`] cannot create one either:
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
    let allowed = BuiltInRule.allows(principal, &row);
    grant(
        row,
        allowed,
        "only its depositor and administrators may read it",
    )
}

/// Decides by a policy of the embedding program whether `principal` may read the artifact of `row`.
///
/// The principal must belong to the artifact's experiment (the administrator belongs to all); the policy is
/// asked only then.
///
/// # Errors
///
/// [`Forbidden`](ErrorKind::Forbidden) if the policy does not allow it, or if the artifact belongs to another
/// experiment. An error of the policy is the source of an error of the same kind if that is `Forbidden`,
/// `NotFound` or `Unavailable`, and of the kind [`Unexpected`](ErrorKind::Unexpected) otherwise.
pub async fn authorize_with(
    policy: &dyn ReadPolicy,
    principal: &Principal,
    row: Arc<Row>,
) -> Result<ReadGrant> {
    let allowed = is_in_experiment(principal, &row) && {
        let answer = policy.may_read(principal, &row).await;
        answer.map_err(|error| failed(&row, error))?
    };
    grant(row, allowed, "the read policy does not allow it")
}

/// Returns the error of a read that the policy could not decide. Other kinds have a meaning of their own for
/// callers, such as an unsatisfiable range.
fn failed(row: &Row, error: Error) -> Error {
    let kind = match error.kind() {
        kind @ (ErrorKind::Forbidden | ErrorKind::NotFound | ErrorKind::Unavailable) => kind,
        _ => ErrorKind::Unexpected,
    };
    Error::new(kind, Operation::Authorize)
        .with_id(row.id)
        .with_detail("the read policy gave no answer")
        .with_source(error)
}

fn grant(row: Arc<Row>, allowed: bool, refusal: &'static str) -> Result<ReadGrant> {
    if allowed {
        return Ok(ReadGrant { row });
    }
    Err(Error::new(ErrorKind::Forbidden, Operation::Authorize)
        .with_id(row.id)
        .with_detail(refusal))
}
