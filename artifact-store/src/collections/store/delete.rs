//! The deletion of a collection.

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::CollectionStore;
use crate::collections::catalog::NameBound;
use crate::collections::id::CollectionId;
use crate::error::{ErrorKind, Result};
use crate::experiment::ExperimentId;
use crate::principal::Principal;

/// How many files a deletion removes at a time.
const REMOVED_AT_A_TIME: usize = 16;
/// How many files a deletion looks up at a time.
const DELETION_PAGE: u32 = 1_000;

impl CollectionStore {
    /// Deletes a collection, open or sealed, with its files and names. When this returns, all that is durable.
    ///
    /// The files are removed one after the other. If the call fails or is dropped, some may be gone; the collection then takes no
    /// more names, and another call goes on.
    ///
    /// # Errors
    ///
    /// `NotFound` and `Forbidden` as [`deposit`](Self::deposit). `Held` if a hold is on one of its files: usually nothing was
    /// deleted then, but a hold that was placed during the deletion ends it too. `Unavailable`, `OutOfSpace` and the kinds that an
    /// operator must resolve.
    pub async fn delete(
        &self,
        principal: &Principal,
        experiment: &ExperimentId,
        id: CollectionId,
    ) -> Result<()> {
        self.writable(principal, experiment, id).await?;
        self.catalog.begin_deletion(id, self.now()?).await?;
        loop {
            let all = NameBound::From(String::new());
            let files = self.catalog.files(id, &all, false, DELETION_PAGE).await?;
            if files.is_empty() {
                break;
            }
            let removals = stream::iter(files).map(|file| async move {
                match self.managed.remove_row(file.id).await {
                    // An expiry has removed it meanwhile.
                    Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
                    removed => removed,
                }
            });
            removals
                .buffer_unordered(REMOVED_AT_A_TIME)
                .try_collect::<()>()
                .await?;
        }
        self.catalog.end_deletion(id).await
    }
}
