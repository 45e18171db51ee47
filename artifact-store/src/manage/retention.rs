//! How long the artifacts of an experiment are kept.

use std::time::Duration;

use super::{ManagedStore, check_admin};
use crate::error::{Operation, Result};
use crate::experiment::ExperimentId;
use crate::principal::Principal;

impl ManagedStore {
    /// Sets how long the artifacts of an experiment are kept after their creation; `None`, the default, is for ever. When
    /// this returns, the setting is durable.
    ///
    /// It counts for artifacts that are there already. It does not count for those whose depositor set
    /// [a period of its own](crate::NewArtifact::with_expires_in), shorter or longer. A collector removes what has expired;
    /// until then it can be read. If the future is dropped, the retention is set or not.
    ///
    /// # Errors
    ///
    /// `Forbidden` for all but the administrator; `NotFound` if the experiment does not exist; `Unavailable`, `OutOfSpace`
    /// and the kinds that an operator must resolve.
    pub async fn set_retention(
        &self,
        principal: &Principal,
        experiment: &ExperimentId,
        keep: Option<Duration>,
    ) -> Result<()> {
        let refusal = "only the administrator may set the retention";
        check_admin(Operation::Retention, principal, refusal)?;
        self.catalog.set_retention(experiment, keep).await
    }

    /// Returns how long the artifacts of an experiment are kept; `None` is for ever.
    ///
    /// # Errors
    ///
    /// `NotFound` if the experiment does not exist or is not the principal's; `Unavailable` and the kinds that an operator
    /// must resolve.
    pub async fn retention(
        &self,
        principal: &Principal,
        experiment: &ExperimentId,
    ) -> Result<Option<Duration>> {
        self.check_experiment(Operation::Retention, principal, experiment)
            .await?;
        self.catalog.retention(experiment).await
    }
}
