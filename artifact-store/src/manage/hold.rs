//! Holds.

use artifact_backend::ArtifactId;
use jiff::Timestamp;

use super::{ManagedStore, check_admin};
use crate::catalog::Hold;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::experiment::ExperimentId;
use crate::principal::Principal;

const REFUSAL: &str = "only the administrator may place and release holds";

impl ManagedStore {
    /// Places a hold on an artifact, so that nothing removes it: no request, no expiry and no retention. A hold that is
    /// there stays as it is, with its time and principal. When this returns, the hold is durable.
    ///
    /// If the future is dropped, the hold is placed or not.
    ///
    /// # Errors
    ///
    /// `Forbidden` for all but the administrator; `NotFound` if the artifact does not exist in this experiment;
    /// `Unavailable`, `OutOfSpace` and the kinds that an operator must resolve.
    pub async fn place_hold(
        &self,
        principal: &Principal,
        experiment: &ExperimentId,
        id: ArtifactId,
    ) -> Result<()> {
        check_admin(Operation::Hold, principal, REFUSAL)?;
        self.stored_row(Operation::Hold, principal, experiment, id)
            .await?;
        let now = self.store.config().clock().now();
        let placed_at = Timestamp::try_from(now).map_err(|error| {
            Error::new(ErrorKind::Misconfigured, Operation::Hold)
                .with_id(id)
                .with_detail("the system clock is thousands of years off; set it")
                .with_source(error)
        })?;
        let hold = Hold::new(id, principal.id(), placed_at);
        self.catalog.place_hold(&hold).await
    }

    /// Releases the hold on an artifact. Returns whether there was one. When this returns, the release is durable.
    ///
    /// A hold that cannot be read is released too. If the future is dropped, the hold is released or not.
    ///
    /// # Errors
    ///
    /// As [`place_hold`](Self::place_hold).
    pub async fn release_hold(
        &self,
        principal: &Principal,
        experiment: &ExperimentId,
        id: ArtifactId,
    ) -> Result<bool> {
        check_admin(Operation::Hold, principal, REFUSAL)?;
        self.stored_row(Operation::Hold, principal, experiment, id)
            .await?;
        self.catalog.release_hold(id).await
    }
}
