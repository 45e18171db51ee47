//! Named administrators in memory.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;

use async_trait::async_trait;

use super::MemoryDatabase;
use crate::administrators::{Administrator, AdministratorStore};
use crate::database::MAX_ADMINISTRATORS;
use crate::database::rejected::Rejected;
use crate::error::{Operation, Result};
use crate::identity::{AdministratorId, CredentialHash, DisplayName, ListPosition, Page};
use crate::principal::PrincipalId;

/// Administrators by id.
#[derive(Debug, Default)]
pub(super) struct Administrators {
    by_id: HashMap<AdministratorId, Administrator>,
    in_order: BTreeMap<ListPosition, AdministratorId>,
}

fn position(administrator: &Administrator) -> ListPosition {
    let micros = administrator.created_at.as_microsecond();
    ListPosition::new(micros, administrator.id.as_str())
}

impl Administrators {
    pub(super) fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Inserts an administrator. Returns whether its id was not taken.
    pub(super) fn insert(&mut self, administrator: Administrator) -> bool {
        let id = administrator.id;
        if self.by_id.contains_key(&id) {
            return false;
        }
        self.in_order.insert(position(&administrator), id);
        self.by_id.insert(id, administrator);
        true
    }

    /// Returns whether there is such an administrator, and its token was not revoked.
    pub(super) fn has_token(&self, id: AdministratorId) -> bool {
        let found = self.by_id.get(&id);
        found.is_some_and(|administrator| !administrator.credential.is_revoked())
    }

    /// Removes an administrator. Returns whether there was one.
    fn remove(&mut self, id: AdministratorId) -> bool {
        let removed = self.by_id.remove(&id);
        if let Some(administrator) = &removed {
            self.in_order.remove(&position(administrator));
        }
        removed.is_some()
    }

    fn page(&self, after: &ListPosition, limit: usize) -> Page<Administrator> {
        let limit = limit.clamp(1, MAX_ADMINISTRATORS);
        let mut rest = self
            .in_order
            .range((Bound::Excluded(after), Bound::Unbounded));
        let records: Vec<_> = rest
            .by_ref()
            .take(limit)
            .filter_map(|(_, id)| self.by_id.get(id).cloned())
            .collect();
        let more = rest.next().is_some();
        let next = records.last().filter(|_| more).map(position);
        Page::new(records, next)
    }

    /// Returns the administrators in the order of their ids.
    pub(super) fn in_order(&self) -> Vec<&Administrator> {
        let mut all: Vec<_> = self.by_id.values().collect();
        all.sort_unstable_by_key(|administrator| administrator.id);
        all
    }
}

#[async_trait]
impl AdministratorStore for MemoryDatabase {
    async fn register_administrator(&self, administrator: &Administrator) -> Result<()> {
        let reject = |rejected: Rejected| Err(rejected.into_error(Operation::WriteAdministrator));
        if DisplayName::is_reserved_for_workers(&administrator.name) {
            return reject(Rejected::RESERVED_NAME);
        }
        let mut maps = self.writable(Operation::WriteAdministrator)?;
        if maps.administrators.insert(administrator.clone()) {
            Ok(())
        } else {
            reject(Rejected::ID_TAKEN)
        }
    }

    async fn administrator(&self, id: AdministratorId) -> Result<Option<Administrator>> {
        Ok(self.maps().administrators.by_id.get(&id).cloned())
    }

    async fn administrator_page(
        &self,
        after: &ListPosition,
        limit: usize,
    ) -> Result<Page<Administrator>> {
        Ok(self.maps().administrators.page(after, limit))
    }

    async fn replace_administrator_credential(
        &self,
        id: AdministratorId,
        credential: &CredentialHash,
    ) -> Result<()> {
        let mut maps = self.writable(Operation::WriteAdministrator)?;
        match maps.administrators.by_id.get_mut(&id) {
            Some(administrator) => {
                administrator.credential = credential.clone();
                if credential.is_revoked() {
                    let maker = PrincipalId::Administrator(id);
                    maps.rows.shares.remove_links_of(&maker);
                }
                Ok(())
            }
            None => Err(Rejected::NO_ADMINISTRATOR.into_error(Operation::WriteAdministrator)),
        }
    }

    async fn delete_administrator(&self, id: AdministratorId) -> Result<()> {
        let mut maps = self.writable(Operation::WriteAdministrator)?;
        if maps.administrators.remove(id) {
            let maker = PrincipalId::Administrator(id);
            maps.rows.shares.remove_links_of(&maker);
            Ok(())
        } else {
            Err(Rejected::NO_ADMINISTRATOR.into_error(Operation::WriteAdministrator))
        }
    }

    async fn administrator_credential(
        &self,
        id: AdministratorId,
    ) -> Result<Option<CredentialHash>> {
        Ok(self.cached_administrator_credential(id))
    }

    fn cached_administrator_credential(&self, id: AdministratorId) -> Option<CredentialHash> {
        let maps = self.maps();
        let found = maps.administrators.by_id.get(&id);
        found.map(|administrator| administrator.credential.clone())
    }
}
