//! The read rule, and the proof that it was applied.

use std::sync::Arc;

use crate::error::{Error, ErrorKind, Operation, Result};
use crate::principal::Principal;
use crate::read_policy::{BuiltInRule, ReadPolicy, is_in_experiment};
use crate::row::Row;
use crate::sharing::{AccessLink, LinkSecret, Sharing, SharingRecord};

/// Proof that [`authorize`], [`authorize_shared`] or [`authorize_with`] allowed a principal to read one artifact, or that
/// [`authorize_link`] verified a link to it.
///
/// [`ArtifactStore::read`](crate::ArtifactStore::read) requires it, and only these functions create it, so
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
///     ReadGrant { row, counted: None }
/// }
/// ```
///
/// It is not `Clone`, so that it does not outlive its request by accident.
#[derive(Debug)]
#[must_use = "a grant has no effect by itself; pass it to ArtifactStore::read"]
pub struct ReadGrant {
    row: Arc<Row>,
    /// The link whose downloads are counted.
    counted: Option<Box<CountedLink>>,
}

/// A link, and where its downloads are counted.
#[derive(Debug)]
pub(crate) struct CountedLink {
    link: AccessLink,
    records: Arc<dyn SharingRecord>,
}

impl CountedLink {
    /// Counts a download. Fails with `NotFound` if the link has ended.
    pub(crate) async fn count(&self) -> Result<()> {
        let AccessLink { artifact, id, .. } = self.link;
        let counted = self.records.use_link(artifact, id).await;
        counted.map_err(|error| match error.kind() {
            ErrorKind::NotFound => no_link(),
            _ => error,
        })
    }
}

impl ReadGrant {
    /// Returns the row of the artifact.
    pub fn row(&self) -> &Row {
        &self.row
    }

    /// Returns the link, if [`authorize_link`] made this grant.
    pub fn link(&self) -> Option<&AccessLink> {
        self.counted.as_ref().map(|counted| &counted.link)
    }

    pub(crate) fn shared_row(&self) -> &Arc<Row> {
        &self.row
    }

    pub(crate) fn counted_link(&self) -> Option<&CountedLink> {
        self.counted.as_deref()
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

/// Decides whether `principal` may read the artifact of `row`, by its own right or by a grant of [`Sharing`].
///
/// First applies the rule of [`authorize`], which costs no I/O. Only if that does not allow the read, looks into the
/// database, in one query, for a grant to the worker, or to a group that it is a direct or nested member of: a grant of the
/// artifact, or of the collection that it is in. Nothing is cached, so a revoked grant counts no more from the answer to its
/// revocation on, in every process.
///
/// # Errors
///
/// [`Forbidden`](ErrorKind::Forbidden) if neither allows it; `Unavailable` and the kinds that an operator must resolve if
/// the grants cannot be read.
pub async fn authorize_shared(
    sharing: &Sharing,
    principal: &Principal,
    row: Arc<Row>,
) -> Result<ReadGrant> {
    let allowed =
        BuiltInRule.allows(principal, &row) || sharing.is_granted(principal, &row).await?;
    grant(
        row,
        allowed,
        "only its depositor, administrators and those that a grant names may read it",
    )
}

/// Verifies the secret of a link, and returns the grant to read the artifact of the link.
///
/// If the downloads of the link are limited, each [`ArtifactStore::read`](crate::ArtifactStore::read) with the grant
/// counts as one, in the database, before its first byte. It fails with `NotFound` if the link has ended by then.
///
/// Reads the database, in one query, and the row, which may come from a cache.
///
/// # Errors
///
/// [`NotFound`](ErrorKind::NotFound) if no link has this secret, or the link has expired, has no downloads left, was
/// revoked, or its artifact was removed, or if its maker may not make it any more. The caller cannot tell these apart.
/// `Unavailable` and the kinds that an operator must resolve.
pub async fn authorize_link(sharing: &Sharing, secret: &LinkSecret) -> Result<ReadGrant> {
    let records = sharing.records();
    let link = records.find_link(&secret.digest()).await?;
    let link = link.ok_or_else(no_link)?;
    let found = sharing.store().row(&link.experiment, link.artifact).await;
    let row = found.map_err(|error| match error.kind() {
        ErrorKind::NotFound => no_link(),
        _ => error,
    })?;
    let records = Arc::clone(records);
    Ok(ReadGrant {
        row,
        counted: Some(Box::new(CountedLink { link, records })),
    })
}

/// Returns the one error for a link that does not work, whatever the reason is.
fn no_link() -> Error {
    Error::new(ErrorKind::NotFound, Operation::Authorize).with_detail("there is no such link")
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
        return Ok(ReadGrant { row, counted: None });
    }
    Err(Error::new(ErrorKind::Forbidden, Operation::Authorize)
        .with_id(row.id)
        .with_detail(refusal))
}
