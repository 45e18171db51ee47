//! Lists, totals, and the state of one artifact.

use std::sync::Arc;

use super::ManagedStore;
use crate::authorize::ReadGrant;
use crate::catalog::{Hold, PrincipalUsage, RowFilter, RowPage, RowPosition};
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::experiment::ExperimentId;
use crate::principal::Principal;
use crate::row::Row;

/// An artifact and the hold on it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ArtifactInfo {
    /// The row of the artifact.
    pub row: Arc<Row>,
    /// The hold, if there is one.
    pub hold: Option<Hold>,
}

impl ManagedStore {
    /// Lists rows in the order of their deposits; see [`scan`](crate::CatalogInventory::scan) for the pages.
    ///
    /// A worker or an external principal lists its own experiment, whether the filter names it or not. Without the admin
    /// class it lists only what it deposited itself. The administrator lists all experiments, unless the filter names one.
    ///
    /// # Errors
    ///
    /// `NotFound` if the filter names an experiment that does not exist or is not the principal's; `Forbidden` if it
    /// names another depositor, and the principal is not of the admin class; `Unavailable` and the kinds that an operator
    /// must resolve.
    pub async fn list(
        &self,
        principal: &Principal,
        mut filter: RowFilter,
        after: RowPosition,
        limit: u32,
    ) -> Result<RowPage> {
        let experiment = filter.experiment.as_ref().or(principal.experiment());
        if let Some(experiment) = experiment {
            self.check_experiment(Operation::ListRows, principal, experiment)
                .await?;
        }
        filter.experiment = experiment.cloned();
        if !principal.is_admin_class() {
            let own = principal.id();
            if filter
                .created_by
                .as_ref()
                .is_some_and(|other| *other != own)
            {
                return Err(Error::new(ErrorKind::Forbidden, Operation::ListRows)
                    .with_detail("only administrators may list what others deposited"));
            }
            filter.created_by = Some(own);
        }
        self.catalog.scan(&filter, after, limit).await
    }

    /// Returns how much each principal has stored in an experiment, ordered by the bytes of the principal's id. Without the
    /// admin class, a principal gets only its own usage, or nothing if it has stored nothing.
    ///
    /// # Errors
    ///
    /// `NotFound` if the experiment does not exist or is not the principal's; `Unavailable` and the kinds that an operator
    /// must resolve.
    pub async fn usage(
        &self,
        principal: &Principal,
        experiment: &ExperimentId,
    ) -> Result<Vec<PrincipalUsage>> {
        self.check_experiment(Operation::ListRows, principal, experiment)
            .await?;
        let own = (!principal.is_admin_class()).then(|| principal.id());
        self.catalog.usage(experiment, own.as_ref()).await
    }

    /// Returns the row of an artifact and the hold on it.
    ///
    /// # Errors
    ///
    /// `Corrupt` if the stored hold cannot be read; it is then still in force. `Unavailable` and the kinds that an operator
    /// must resolve.
    pub async fn info(&self, grant: &ReadGrant) -> Result<ArtifactInfo> {
        let row = Arc::clone(grant.shared_row());
        let hold = self.catalog.find_hold(row.id).await?;
        Ok(ArtifactInfo { row, hold })
    }
}
