//! Experiments, while servers run.

use super::{ManagedStore, check_admin};
use crate::error::{Operation, Result};
use crate::experiment::Experiment;
use crate::principal::Principal;

impl ManagedStore {
    /// Creates an experiment, and returns the stored one: the given one, or the unchanged one that already has this id.
    /// When this returns, it is durable, and every process on the database finds it with its next request: a process
    /// remembers only experiments that exist. If the future is dropped, the experiment is created or not.
    ///
    /// # Errors
    ///
    /// `Forbidden` for all but the administrator; `Unavailable`, `OutOfSpace` and the kinds that an operator must resolve.
    pub async fn create_experiment(
        &self,
        principal: &Principal,
        experiment: &Experiment,
    ) -> Result<Experiment> {
        let refusal = "only the administrator may create experiments";
        check_admin(Operation::Experiment, principal, refusal)?;
        self.catalog.create_experiment(experiment).await
    }

    /// Returns all experiments, ordered by the bytes of their ids.
    ///
    /// # Errors
    ///
    /// `Forbidden` for all but the administrator; `Unavailable` and the kinds that an operator must resolve.
    pub async fn experiments(&self, principal: &Principal) -> Result<Vec<Experiment>> {
        let refusal = "only the administrator may list experiments";
        check_admin(Operation::Experiment, principal, refusal)?;
        self.catalog.experiments().await
    }
}
