//! Whole lists.

use async_trait::async_trait;

use super::{DisplayName, Group, IdentityStore, ListPosition, Worker};
use crate::error::Result;
use crate::experiment::ExperimentId;

/// Reads whole lists of an [`IdentityStore`] into memory, page by page.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> artifact_store::Result<()> {
/// use artifact_store::{Database, Experiment, IdentityStoreExt, ListPosition, Timestamp};
///
/// let database = Database::from_url("mem:").await?;
/// let experiment = Experiment::new("trial-7".parse().unwrap(), Timestamp::UNIX_EPOCH);
/// database.catalog.create_experiment(&experiment).await?;
///
/// // A new experiment has the groups `admins` and `orchestrators`.
/// let groups = database.identities.groups(&experiment.id, None).await?;
/// assert_eq!(groups.len(), 2);
///
/// // In bounded memory, page by page:
/// let mut next = Some(ListPosition::START);
/// let mut seen = 0;
/// while let Some(after) = next {
///     let page = database.identities.group_page(&experiment.id, None, &after).await?;
///     seen += page.records.len();
///     next = page.next;
/// }
/// assert_eq!(seen, 2);
/// # Ok(())
/// # }
/// ```
#[async_trait]
pub trait IdentityStoreExt: IdentityStore {
    /// Returns all workers of this experiment, or those with exactly this name, ordered by time, then by
    /// id. Leaves out those that cannot be read. Memory use grows with the list.
    ///
    /// # Errors
    ///
    /// As [`worker_page`](IdentityStore::worker_page).
    async fn workers(
        &self,
        experiment: &ExperimentId,
        name: Option<&DisplayName>,
    ) -> Result<Vec<Worker>> {
        let mut all = Vec::new();
        let mut next = Some(ListPosition::START);
        while let Some(after) = next {
            let mut page = self.worker_page(experiment, name, &after).await?;
            all.append(&mut page.records);
            next = page.next;
        }
        Ok(all)
    }

    /// Returns all groups of this experiment, or those with exactly this name, with their members,
    /// ordered by time, then by id. Leaves out those that cannot be read. Memory use grows with the list.
    ///
    /// # Errors
    ///
    /// As [`group_page`](IdentityStore::group_page).
    async fn groups(
        &self,
        experiment: &ExperimentId,
        name: Option<&DisplayName>,
    ) -> Result<Vec<Group>> {
        let mut all = Vec::new();
        let mut next = Some(ListPosition::START);
        while let Some(after) = next {
            let mut page = self.group_page(experiment, name, &after).await?;
            all.append(&mut page.records);
            next = page.next;
        }
        Ok(all)
    }
}

impl<S: IdentityStore + ?Sized> IdentityStoreExt for S {}
