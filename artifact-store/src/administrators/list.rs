//! The whole list of administrators.

use async_trait::async_trait;

use super::{Administrator, AdministratorStore};
use crate::error::Result;
use crate::identity::ListPosition;

/// Reads the whole list of an [`AdministratorStore`] into memory, page by page.
#[async_trait]
pub trait AdministratorStoreExt: AdministratorStore {
    /// Returns all administrators, ordered by time, then by id. Leaves out those that cannot be read. Memory use grows
    /// with the list.
    ///
    /// # Errors
    ///
    /// As [`administrator_page`](AdministratorStore::administrator_page).
    async fn administrators(&self) -> Result<Vec<Administrator>> {
        let mut all = Vec::new();
        let mut next = Some(ListPosition::START);
        while let Some(after) = next {
            let mut page = self.administrator_page(&after, usize::MAX).await?;
            all.append(&mut page.records);
            next = page.next;
        }
        Ok(all)
    }
}

impl<S: AdministratorStore + ?Sized> AdministratorStoreExt for S {}
