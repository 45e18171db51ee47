//! Groups in memory.

use std::collections::{HashMap, HashSet};

use super::in_order::InOrder;
use crate::database::rejected::Rejected;
use crate::error::Result;
use crate::experiment::ExperimentId;
use crate::identity::{DisplayName, Group, GroupId, ListPosition, MemberId, Page, WorkerId};

/// Groups by id, and for each member the groups that list it.
#[derive(Debug, Default)]
pub(super) struct Groups {
    by_id: HashMap<GroupId, Group>,
    in_order: InOrder<GroupId>,
    above: HashMap<MemberId, HashSet<GroupId>>,
}

fn position(group: &Group) -> ListPosition {
    ListPosition::new(group.created_at.as_microsecond(), group.id.as_str())
}

impl Groups {
    /// Inserts a group whose id is not taken. It may have the name of a founding group.
    pub(super) fn insert(&mut self, group: Group) {
        for member in &group.members {
            self.above.entry(*member).or_default().insert(group.id);
        }
        self.in_order
            .insert(&group.experiment, position(&group), group.id);
        self.by_id.insert(group.id, group);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Returns the groups in the order of their ids.
    pub(super) fn in_order(&self) -> Vec<&Group> {
        let mut groups: Vec<_> = self.by_id.values().collect();
        groups.sort_unstable_by_key(|group| group.id);
        groups
    }

    /// Appends a member of a copy, unless it is one.
    pub(super) fn append(&mut self, id: GroupId, member: MemberId) {
        if let Some(group) = self.by_id.get_mut(&id)
            && self.above.entry(member).or_default().insert(id)
        {
            group.members.push(member);
        }
    }

    pub(super) fn contains(&self, id: GroupId) -> bool {
        self.by_id.contains_key(&id)
    }

    /// Inserts a group that a caller created, and whose id is not taken.
    pub(super) fn create(&mut self, group: &Group) -> Result<(), Rejected> {
        if self.closes_cycle(&group.experiment, group.id, &group.members) {
            return Err(Rejected::CYCLE);
        }
        let members = group.members.iter().copied();
        self.insert(group.clone().with_members(members));
        Ok(())
    }

    pub(super) fn get(&self, experiment: &ExperimentId, id: GroupId) -> Option<&Group> {
        let found = self.by_id.get(&id);
        found.filter(|group| group.experiment == *experiment)
    }

    fn get_mut(&mut self, experiment: &ExperimentId, id: GroupId) -> Result<&mut Group, Rejected> {
        let found = self.by_id.get_mut(&id);
        found
            .filter(|group| group.experiment == *experiment)
            .ok_or(Rejected::NO_GROUP)
    }

    pub(super) fn page(
        &self,
        experiment: &ExperimentId,
        name: Option<&DisplayName>,
        after: &ListPosition,
    ) -> Page<Group> {
        self.in_order.page(experiment, after, |id| {
            let group = self.by_id.get(&id)?;
            let is_listed = name.is_none() || group.name.as_ref() == name;
            is_listed.then(|| (group.clone(), size_of_val(&*group.members)))
        })
    }

    pub(super) fn add(
        &mut self,
        experiment: &ExperimentId,
        id: GroupId,
        member: MemberId,
    ) -> Result<(), Rejected> {
        let closes_cycle = self.closes_cycle(experiment, id, &[member]);
        let group = self.get_mut(experiment, id)?;
        if closes_cycle {
            return Err(Rejected::CYCLE);
        }
        let is_full = group.members.len() >= Group::MAX_MEMBERS;
        let above = self.above.get(&member);
        if above.is_some_and(|above| above.contains(&id)) {
            return Ok(());
        }
        if is_full {
            return Err(Rejected::TOO_MANY_MEMBERS);
        }
        self.get_mut(experiment, id)?.members.push(member);
        self.above.entry(member).or_default().insert(id);
        Ok(())
    }

    pub(super) fn remove(
        &mut self,
        experiment: &ExperimentId,
        id: GroupId,
        member: MemberId,
    ) -> Result<(), Rejected> {
        let group = self.get_mut(experiment, id)?;
        group.members.retain(|existing| *existing != member);
        self.forget(id, member);
        Ok(())
    }

    pub(super) fn delete(
        &mut self,
        experiment: &ExperimentId,
        id: GroupId,
    ) -> Result<(), Rejected> {
        let found = self.get_mut(experiment, id)?;
        let reserved = DisplayName::is_reserved_for_groups;
        if found.name.as_ref().is_some_and(reserved) {
            return Err(Rejected::RESERVED_NAME);
        }
        if let Some(group) = self.by_id.remove(&id) {
            self.in_order.remove(experiment, position(&group));
            for member in &group.members {
                self.forget(id, *member);
            }
        }
        Ok(())
    }

    fn forget(&mut self, group: GroupId, member: MemberId) {
        if let Some(above) = self.above.get_mut(&member) {
            above.remove(&group);
            if above.is_empty() {
                self.above.remove(&member);
            }
        }
    }

    /// Returns whether a worker is in the group `admins` of this experiment, directly or through others.
    pub(super) fn are_admins_above(&self, experiment: &ExperimentId, worker: WorkerId) -> bool {
        let is_admins = |id: &GroupId| {
            let name = self
                .get(experiment, *id)
                .and_then(|group| group.name.as_ref());
            name.is_some_and(|name| name.as_str() == DisplayName::ADMINS)
        };
        self.above(experiment, worker.into()).iter().any(is_admins)
    }

    /// Returns whether a group with these members would be its own member.
    fn closes_cycle(
        &self,
        experiment: &ExperimentId,
        group: GroupId,
        members: &[MemberId],
    ) -> bool {
        let mut inner = members
            .iter()
            .filter_map(|member| member.group())
            .peekable();
        if inner.peek().is_none() {
            return false;
        }
        let above = self.above(experiment, group.into());
        inner.any(|inner| inner == group || above.contains(&inner))
    }

    /// Returns the groups of this experiment that a member is in, directly or through others.
    pub(super) fn above(&self, experiment: &ExperimentId, member: MemberId) -> HashSet<GroupId> {
        let mut seen = HashSet::new();
        let mut remaining = vec![member];
        while let Some(member) = remaining.pop() {
            for id in self.above.get(&member).into_iter().flatten() {
                if self.get(experiment, *id).is_some() && seen.insert(*id) {
                    remaining.push(MemberId::Group(*id));
                }
            }
        }
        seen
    }
}
