//! Workers and groups in memory.

use std::collections::HashMap;

use async_trait::async_trait;

use super::MemoryDatabase;
use super::in_order::InOrder;
use crate::database::rejected::Rejected;
use crate::error::{Error, Operation, Result};
use crate::experiment::ExperimentId;
use crate::identity::{
    CredentialHash, DisplayName, Group, GroupId, IdentityStore, Labels, ListPosition, MemberId,
    Page, StoredCredential, Worker, WorkerId,
};
use crate::principal::PrincipalId;

/// Workers by id.
#[derive(Debug, Default)]
pub(super) struct Workers {
    by_id: HashMap<WorkerId, (Worker, CredentialHash)>,
    in_order: InOrder<WorkerId>,
}

impl Workers {
    pub(super) fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Inserts a worker. Returns whether its id was not taken.
    pub(super) fn insert(&mut self, worker: Worker, credential: CredentialHash) -> bool {
        if self.by_id.contains_key(&worker.id) {
            return false;
        }
        let position = ListPosition::new(worker.registered_at.as_microsecond(), worker.id.as_str());
        let id = worker.id;
        self.in_order.insert(&worker.experiment, position, id);
        self.by_id.insert(id, (worker, credential));
        true
    }

    /// Removes a worker, if there is one.
    fn remove(&mut self, id: WorkerId) {
        if let Some((worker, _)) = self.by_id.remove(&id) {
            let position =
                ListPosition::new(worker.registered_at.as_microsecond(), worker.id.as_str());
            self.in_order.remove(&worker.experiment, position);
        }
    }

    pub(super) fn contains(&self, id: WorkerId) -> bool {
        self.by_id.contains_key(&id)
    }

    /// Returns whether the worker is in this experiment.
    pub(super) fn is_in(&self, experiment: &ExperimentId, id: WorkerId) -> bool {
        let found = self.by_id.get(&id);
        found.is_some_and(|(worker, _)| worker.experiment == *experiment)
    }

    /// Returns whether the worker is in this experiment, and its token was not revoked.
    pub(super) fn has_token(&self, experiment: &ExperimentId, id: WorkerId) -> bool {
        let found = self.by_id.get(&id);
        found.is_some_and(|(worker, hash)| worker.experiment == *experiment && !hash.is_revoked())
    }

    /// Returns the workers in the order of their ids.
    pub(super) fn in_order(&self) -> Vec<&(Worker, CredentialHash)> {
        let mut workers: Vec<_> = self.by_id.values().collect();
        workers.sort_unstable_by_key(|(worker, _)| worker.id);
        workers
    }
}

fn write_group(rejected: Rejected) -> Error {
    rejected.into_error(Operation::WriteGroup)
}

#[async_trait]
impl IdentityStore for MemoryDatabase {
    async fn register_worker(&self, worker: &Worker, credential: &CredentialHash) -> Result<()> {
        let reject = |rejected: Rejected| Err(rejected.into_error(Operation::WriteWorker));
        let reserved = DisplayName::is_reserved_for_workers;
        if worker.name.as_ref().is_some_and(reserved) {
            return reject(Rejected::RESERVED_NAME);
        }
        let mut maps = self.writable(Operation::WriteWorker)?;
        if maps.workers.by_id.contains_key(&worker.id) {
            return reject(Rejected::ID_TAKEN);
        }
        if !maps.experiments.contains_key(&worker.experiment) {
            return reject(Rejected::NO_EXPERIMENT);
        }
        maps.workers.insert(worker.clone(), credential.clone());
        Ok(())
    }

    async fn worker(&self, experiment: &ExperimentId, id: WorkerId) -> Result<Option<Worker>> {
        let maps = self.maps();
        let found = maps.workers.by_id.get(&id);
        let found = found.map(|(worker, _)| worker);
        Ok(found
            .filter(|worker| worker.experiment == *experiment)
            .cloned())
    }

    async fn worker_page(
        &self,
        experiment: &ExperimentId,
        name: Option<&DisplayName>,
        after: &ListPosition,
    ) -> Result<Page<Worker>> {
        let maps = self.maps();
        let Workers { by_id, in_order } = &maps.workers;
        Ok(in_order.page(experiment, after, |id| {
            let (worker, _) = by_id.get(&id)?;
            let is_listed = name.is_none() || worker.name.as_ref() == name;
            is_listed.then(|| {
                (
                    worker.clone(),
                    worker.labels.as_ref().map_or(0, Labels::bytes),
                )
            })
        }))
    }

    async fn replace_credential(
        &self,
        experiment: &ExperimentId,
        id: WorkerId,
        credential: &CredentialHash,
    ) -> Result<()> {
        let mut maps = self.writable(Operation::WriteWorker)?;
        match maps.workers.by_id.get_mut(&id) {
            Some((worker, hash)) if worker.experiment == *experiment => {
                *hash = credential.clone();
            }
            _ => return Err(Rejected::NO_WORKER.into_error(Operation::WriteWorker)),
        }
        if credential.is_revoked() {
            maps.rows.shares.remove_links_of(&PrincipalId::Worker(id));
        }
        Ok(())
    }

    async fn delete_worker(&self, experiment: &ExperimentId, id: WorkerId) -> Result<()> {
        let mut maps = self.writable(Operation::WriteWorker)?;
        match maps.workers.by_id.get(&id) {
            Some((worker, _)) if worker.experiment == *experiment => {
                maps.workers.remove(id);
                maps.rows.shares.remove_grantee(id.into());
                maps.rows.shares.remove_links_of(&PrincipalId::Worker(id));
                Ok(())
            }
            _ => Err(Rejected::NO_WORKER.into_error(Operation::WriteWorker)),
        }
    }

    async fn credential(&self, id: WorkerId) -> Result<Option<StoredCredential>> {
        Ok(self.cached_credential(id))
    }

    fn cached_credential(&self, id: WorkerId) -> Option<StoredCredential> {
        let maps = self.maps();
        maps.workers.by_id.get(&id).map(|(worker, hash)| {
            let experiment = &worker.experiment;
            let in_admins = maps.groups.are_admins_above(experiment, id);
            StoredCredential::new(experiment.clone(), hash.clone(), in_admins)
        })
    }

    async fn create_group(&self, group: &Group) -> Result<()> {
        if group.members.len() > Group::MAX_MEMBERS {
            return Err(write_group(Rejected::TOO_MANY_MEMBERS));
        }
        let reserved = DisplayName::is_reserved_for_groups;
        if group.name.as_ref().is_some_and(reserved) {
            return Err(write_group(Rejected::RESERVED_NAME));
        }
        let mut maps = self.writable(Operation::WriteGroup)?;
        if maps.groups.contains(group.id) {
            return Err(write_group(Rejected::ID_TAKEN));
        }
        if !maps.experiments.contains_key(&group.experiment) {
            return Err(write_group(Rejected::NO_EXPERIMENT));
        }
        maps.groups.create(group).map_err(write_group)
    }

    async fn group(&self, experiment: &ExperimentId, id: GroupId) -> Result<Option<Group>> {
        Ok(self.maps().groups.get(experiment, id).cloned())
    }

    async fn group_page(
        &self,
        experiment: &ExperimentId,
        name: Option<&DisplayName>,
        after: &ListPosition,
    ) -> Result<Page<Group>> {
        Ok(self.maps().groups.page(experiment, name, after))
    }

    async fn add_member(
        &self,
        experiment: &ExperimentId,
        group: GroupId,
        member: MemberId,
    ) -> Result<()> {
        let mut maps = self.writable(Operation::WriteGroup)?;
        let added = maps.groups.add(experiment, group, member);
        added.map_err(write_group)
    }

    async fn remove_member(
        &self,
        experiment: &ExperimentId,
        group: GroupId,
        member: MemberId,
    ) -> Result<()> {
        let mut maps = self.writable(Operation::WriteGroup)?;
        let removed = maps.groups.remove(experiment, group, member);
        removed.map_err(write_group)
    }

    async fn delete_group(&self, experiment: &ExperimentId, id: GroupId) -> Result<()> {
        let mut maps = self.writable(Operation::WriteGroup)?;
        maps.groups.delete(experiment, id).map_err(write_group)?;
        maps.rows.shares.remove_grantee(id.into());
        Ok(())
    }
}
