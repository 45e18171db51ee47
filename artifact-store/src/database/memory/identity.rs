//! Workers and groups in memory.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;

use super::MemoryDatabase;
use crate::database::rejected::Rejected;
use crate::error::{Error, Operation, Result};
use crate::experiment::ExperimentId;
use crate::identity::{
    CredentialHash, DisplayName, Group, GroupId, IdentityStore, MemberId, StoredCredential, Worker,
    WorkerId,
};

/// Groups by id.
#[derive(Debug, Default)]
pub(super) struct Groups(HashMap<GroupId, Group>);

impl Groups {
    pub(super) fn insert(&mut self, group: Group) {
        self.0.insert(group.id, group);
    }

    fn get(&self, experiment: &ExperimentId, id: GroupId) -> Option<&Group> {
        let found = self.0.get(&id);
        found.filter(|group| group.experiment == *experiment)
    }

    fn get_mut(&mut self, experiment: &ExperimentId, id: GroupId) -> Result<&mut Group> {
        let found = self.0.get_mut(&id);
        found
            .filter(|group| group.experiment == *experiment)
            .ok_or_else(|| write_group(Rejected::NO_GROUP))
    }

    /// Returns whether a member is in one of these groups of this experiment, directly or through
    /// others.
    fn is_in(&self, experiment: &ExperimentId, member: MemberId, groups: Vec<GroupId>) -> bool {
        let mut seen: HashSet<_> = groups.iter().copied().collect();
        let mut remaining = groups;
        while let Some(id) = remaining.pop() {
            let members = self.get(experiment, id).map(|group| &group.members);
            for found in members.into_iter().flatten() {
                if *found == member {
                    return true;
                }
                remaining.extend(found.group().filter(|id| seen.insert(*id)));
            }
        }
        false
    }

    /// Returns whether a group with this member would be its own member.
    fn closes_cycle(&self, experiment: &ExperimentId, group: GroupId, member: MemberId) -> bool {
        member.group().is_some_and(|inner| {
            inner == group || self.is_in(experiment, MemberId::Group(group), vec![inner])
        })
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
        let mut maps = self.maps();
        if maps.workers.contains_key(&worker.id) {
            return reject(Rejected::ID_TAKEN);
        }
        if !maps.experiments.contains_key(&worker.experiment) {
            return reject(Rejected::NO_EXPERIMENT);
        }
        let both = (worker.clone(), credential.clone());
        maps.workers.insert(worker.id, both);
        Ok(())
    }

    async fn worker(&self, experiment: &ExperimentId, id: WorkerId) -> Result<Option<Worker>> {
        let maps = self.maps();
        let found = maps.workers.get(&id).map(|(worker, _)| worker.clone());
        Ok(found.filter(|worker| worker.experiment == *experiment))
    }

    async fn workers(
        &self,
        experiment: &ExperimentId,
        name: Option<&DisplayName>,
    ) -> Result<Vec<Worker>> {
        let maps = self.maps();
        let all = maps.workers.values().map(|(worker, _)| worker);
        let mut found: Vec<_> = all
            .filter(|worker| worker.experiment == *experiment)
            .filter(|worker| name.is_none() || worker.name.as_ref() == name)
            .cloned()
            .collect();
        found.sort_by_key(|worker| (worker.registered_at, worker.id));
        Ok(found)
    }

    async fn replace_credential(
        &self,
        experiment: &ExperimentId,
        id: WorkerId,
        credential: &CredentialHash,
    ) -> Result<()> {
        match self.maps().workers.get_mut(&id) {
            Some((worker, hash)) if worker.experiment == *experiment => {
                *hash = credential.clone();
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
        maps.workers.get(&id).map(|(worker, hash)| {
            let experiment = &worker.experiment;
            let admins = maps.groups.0.values().filter(|group| {
                let name = group.name.as_ref().map(DisplayName::as_str);
                name == Some(DisplayName::ADMINS) && group.experiment == *experiment
            });
            let admins = admins.map(|group| group.id).collect();
            let in_admins = maps.groups.is_in(experiment, id.into(), admins);
            StoredCredential::new(experiment.clone(), hash.clone(), in_admins)
        })
    }

    async fn create_group(&self, group: &Group) -> Result<()> {
        let reserved = DisplayName::is_reserved_for_groups;
        if group.name.as_ref().is_some_and(reserved) {
            return Err(write_group(Rejected::RESERVED_NAME));
        }
        let mut maps = self.maps();
        if maps.groups.0.contains_key(&group.id) {
            return Err(write_group(Rejected::ID_TAKEN));
        }
        if !maps.experiments.contains_key(&group.experiment) {
            return Err(write_group(Rejected::NO_EXPERIMENT));
        }
        let mut members = group.members.iter();
        if members.any(|member| {
            maps.groups
                .closes_cycle(&group.experiment, group.id, *member)
        }) {
            return Err(write_group(Rejected::CYCLE));
        }
        let members = group.members.clone();
        maps.groups.insert(group.clone().with_members(members));
        Ok(())
    }

    async fn group(&self, experiment: &ExperimentId, id: GroupId) -> Result<Option<Group>> {
        Ok(self.maps().groups.get(experiment, id).cloned())
    }

    async fn groups(
        &self,
        experiment: &ExperimentId,
        name: Option<&DisplayName>,
    ) -> Result<Vec<Group>> {
        let maps = self.maps();
        let all = maps.groups.0.values();
        let mut found: Vec<_> = all
            .filter(|group| group.experiment == *experiment)
            .filter(|group| name.is_none() || group.name.as_ref() == name)
            .cloned()
            .collect();
        found.sort_by_key(|group| (group.created_at, group.id));
        Ok(found)
    }

    async fn add_member(
        &self,
        experiment: &ExperimentId,
        group: GroupId,
        member: MemberId,
    ) -> Result<()> {
        let mut maps = self.maps();
        let closes_cycle = maps.groups.closes_cycle(experiment, group, member);
        let found = maps.groups.get_mut(experiment, group)?;
        if closes_cycle {
            return Err(write_group(Rejected::CYCLE));
        }
        if !found.members.contains(&member) {
            found.members.push(member);
        }
        Ok(())
    }

    async fn remove_member(
        &self,
        experiment: &ExperimentId,
        group: GroupId,
        member: MemberId,
    ) -> Result<()> {
        let mut maps = self.maps();
        let found = maps.groups.get_mut(experiment, group)?;
        found.members.retain(|existing| *existing != member);
        Ok(())
    }

    async fn delete_group(&self, experiment: &ExperimentId, id: GroupId) -> Result<()> {
        let mut maps = self.maps();
        let found = maps.groups.get_mut(experiment, id)?;
        let reserved = DisplayName::is_reserved_for_groups;
        if found.name.as_ref().is_some_and(reserved) {
            return Err(write_group(Rejected::RESERVED_NAME));
        }
        maps.groups.0.remove(&id);
        Ok(())
    }
}
