//! Who may read and change a collection, and the errors for all others.

use super::CollectionStore;
use crate::collections::collection::Collection;
use crate::collections::id::CollectionId;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::experiment::ExperimentId;
use crate::manage::is_in;
use crate::principal::{Principal, PrincipalClass, PrincipalId};
use crate::sharing::GrantSubject;

impl CollectionStore {
    /// Reads a collection of this experiment.
    pub(super) async fn stored(
        &self,
        principal: &Principal,
        experiment: &ExperimentId,
        id: CollectionId,
    ) -> Result<Collection> {
        let found = if is_in(principal, experiment) {
            self.catalog.collection(id).await?
        } else {
            None
        };
        found
            .filter(|collection| collection.experiment == *experiment)
            .ok_or_else(|| fail(ErrorKind::NotFound).with_detail("there is no such collection"))
    }

    /// Returns whether the principal may read a collection of its experiment: by its own right, which costs no I/O, or by a
    /// grant, which costs a query.
    pub(super) async fn may_read(
        &self,
        principal: &Principal,
        collection: &Collection,
    ) -> Result<bool> {
        if principal.is_admin_class() || principal.has_id(&collection.owner) {
            return Ok(true);
        }
        let (Some(grants), PrincipalId::Worker(worker)) = (&self.grants, principal.id()) else {
            return Ok(false);
        };
        let subject = GrantSubject::Collection(collection.id);
        grants
            .is_granted(&collection.experiment, &subject, worker)
            .await
    }

    /// Reads a collection that the principal may change.
    pub(super) async fn writable(
        &self,
        principal: &Principal,
        experiment: &ExperimentId,
        id: CollectionId,
    ) -> Result<Collection> {
        let collection = self.stored(principal, experiment, id).await?;
        let is_admin = principal.class() == PrincipalClass::Admin;
        if is_admin || principal.has_id(&collection.owner) {
            return Ok(collection);
        }
        Err(forbidden(
            "only its owner and the administrator may change the collection",
        ))
    }
}

pub(super) fn fail(kind: ErrorKind) -> Error {
    Error::new(kind, Operation::Collection)
}

pub(super) fn forbidden(detail: &'static str) -> Error {
    fail(ErrorKind::Forbidden).with_detail(detail)
}

pub(super) fn refused_read() -> Error {
    forbidden("only its owner, administrators and those that a grant names may read the collection")
}

pub(super) fn sealed() -> Error {
    fail(ErrorKind::Sealed).with_detail("the collection is sealed; create another one")
}
