//! Grants and links in memory.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound::{Excluded, Unbounded};

use artifact_backend::{ArtifactId, Sha256Digest};
use async_trait::async_trait;
use jiff::Timestamp;

use super::{Maps, MemoryDatabase};
use crate::catalog::clamped_limit;
use crate::collections::CollectionId;
use crate::database::rejected::Rejected;
use crate::dump::DumpRecord;
use crate::error::{Operation, Result};
use crate::experiment::ExperimentId;
use crate::identity::{GrantId, LinkId, MemberId, WorkerId};
use crate::principal::PrincipalId;
use crate::sharing::{AccessGrant, AccessLink, GrantSubject, MAX_SHARES, SharingRecord};

/// The grants of each subject, and the links of each artifact, by id.
#[derive(Debug, Default)]
pub(super) struct Shares {
    grants: BTreeMap<GrantSubject, BTreeMap<GrantId, AccessGrant>>,
    links: BTreeMap<ArtifactId, BTreeMap<LinkId, (AccessLink, Sha256Digest)>>,
    by_digest: HashMap<Sha256Digest, (ArtifactId, LinkId)>,
}

fn counts(grant: &AccessGrant, now: Timestamp) -> bool {
    grant.expires_at.is_none_or(|until| until > now)
}

fn works(link: &AccessLink, now: Timestamp) -> bool {
    let is_left = |max: std::num::NonZeroU32| link.downloads < max.get();
    link.expires_at > now && link.max_downloads.is_none_or(is_left)
}

impl Shares {
    /// Keeps the grants and links that the function returns `true` for, at most `limit` of each are removed. Returns how many
    /// were removed.
    fn retain(
        &mut self,
        limit: usize,
        grants: impl Fn(&AccessGrant) -> bool,
        links: impl Fn(&AccessLink) -> bool,
    ) -> u64 {
        let (mut removed, mut ended) = (0, Vec::new());
        for some in self.grants.values_mut() {
            some.retain(|_, grant| {
                let keeps = removed == limit || grants(grant);
                removed += usize::from(!keeps);
                keeps
            });
        }
        self.grants.retain(|_, some| !some.is_empty());
        for some in self.links.values_mut() {
            some.retain(|_, (link, digest)| {
                let keeps = ended.len() == limit || links(link);
                ended.extend((!keeps).then_some(*digest));
                keeps
            });
        }
        self.links.retain(|_, some| !some.is_empty());
        for digest in &ended {
            self.by_digest.remove(digest);
        }
        (removed + ended.len()) as u64
    }

    /// Removes what belongs to an artifact.
    pub(super) fn remove_artifact(&mut self, id: ArtifactId) {
        self.grants.remove(&GrantSubject::Artifact(id));
        for (_, digest) in self.links.remove(&id).unwrap_or_default().values() {
            self.by_digest.remove(digest);
        }
    }

    /// Removes the grants of a collection.
    pub(super) fn remove_collection(&mut self, id: CollectionId) {
        self.grants.remove(&GrantSubject::Collection(id));
    }

    /// Removes the grants to a worker or a group.
    pub(super) fn remove_grantee(&mut self, id: MemberId) {
        self.retain(usize::MAX, |grant| grant.grantee != id, |_| true);
    }

    /// Removes the links that a worker or an administrator made.
    pub(super) fn remove_links_of(&mut self, maker: &PrincipalId) {
        self.retain(usize::MAX, |_| true, |link| link.created_by != *maker);
    }

    /// Inserts a grant, which takes the place of another one to the same grantee.
    pub(super) fn insert_grant(&mut self, grant: AccessGrant) {
        let grants = self.grants.entry(grant.subject).or_default();
        grants.retain(|_, other| other.grantee != grant.grantee);
        grants.insert(grant.id, grant);
    }

    pub(super) fn insert_link(&mut self, link: AccessLink, digest: Sha256Digest) {
        self.by_digest.insert(digest, (link.artifact, link.id));
        let links = self.links.entry(link.artifact).or_default();
        links.insert(link.id, (link, digest));
    }

    /// Appends the grants and the links, those that have ended too.
    pub(super) fn add_records(&self, records: &mut std::collections::VecDeque<DumpRecord>) {
        let grants = self.grants.values().flat_map(BTreeMap::values);
        records.extend(grants.cloned().map(DumpRecord::AccessGrant));
        let links = self.links.values().flat_map(BTreeMap::values).cloned();
        records.extend(links.map(|(link, digest)| DumpRecord::AccessLink { link, digest }));
    }

    fn grants(&self, subject: &GrantSubject, now: Timestamp) -> impl Iterator<Item = &AccessGrant> {
        let grants = self.grants.get(subject).into_iter();
        let grants = grants.flat_map(BTreeMap::values);
        grants.filter(move |grant| counts(grant, now))
    }

    fn link_mut(
        &mut self,
        artifact: ArtifactId,
        id: LinkId,
        now: Timestamp,
    ) -> Result<&mut AccessLink, Rejected> {
        let links = self.links.get_mut(&artifact);
        let link = links.and_then(|links| links.get_mut(&id));
        link.map(|(link, _)| link)
            .filter(|link| works(link, now))
            .ok_or(Rejected::NO_LINK)
    }
}

impl Maps {
    /// Returns whether there is such a subject, in any experiment.
    pub(super) fn has_subject(&self, subject: &GrantSubject) -> bool {
        match subject {
            GrantSubject::Artifact(id) => self.rows.get(*id).is_some(),
            GrantSubject::Collection(id) => self.rows.collections.get(*id).is_some(),
        }
    }

    /// Returns whether there is such a worker or group, in any experiment.
    pub(super) fn has_identity(&self, id: MemberId) -> bool {
        match id {
            MemberId::Worker(id) => self.workers.contains(id),
            MemberId::Group(id) => self.groups.contains(id),
        }
    }

    fn check_subject(
        &self,
        experiment: &ExperimentId,
        subject: &GrantSubject,
    ) -> Result<(), Rejected> {
        let (home, otherwise) = match subject {
            GrantSubject::Artifact(id) => (
                self.rows.get(*id).map(|row| &row.experiment),
                Rejected::NO_ARTIFACT,
            ),
            GrantSubject::Collection(id) => (
                self.rows
                    .collections
                    .get(*id)
                    .map(|found| &found.experiment),
                Rejected::NO_COLLECTION,
            ),
        };
        let is_there = home == Some(experiment);
        is_there.then_some(()).ok_or(otherwise)
    }

    fn check_grantee(&self, experiment: &ExperimentId, id: MemberId) -> Result<(), Rejected> {
        let (is_there, otherwise) = match id {
            MemberId::Worker(id) => (self.workers.is_in(experiment, id), Rejected::NO_WORKER),
            MemberId::Group(id) => (
                self.groups.get(experiment, id).is_some(),
                Rejected::NO_GROUP,
            ),
        };
        is_there.then_some(()).ok_or(otherwise)
    }

    fn insert_grant(&mut self, grant: &AccessGrant, now: Timestamp) -> Result<(), Rejected> {
        self.check_subject(&grant.experiment, &grant.subject)?;
        self.check_grantee(&grant.experiment, grant.grantee)?;
        let shares = &self.rows.shares;
        let others = shares.grants(&grant.subject, now);
        let others = others.filter(|other| other.grantee != grant.grantee);
        if others.count() >= MAX_SHARES {
            return Err(Rejected::TOO_MANY_SHARES);
        }
        self.rows.shares.insert_grant(grant.clone());
        Ok(())
    }

    fn insert_link(
        &mut self,
        link: &AccessLink,
        digest: &Sha256Digest,
        now: Timestamp,
    ) -> Result<(), Rejected> {
        self.check_subject(&link.experiment, &GrantSubject::Artifact(link.artifact))?;
        match link.created_by {
            PrincipalId::Worker(maker) if !self.workers.has_token(&link.experiment, maker) => {
                return Err(Rejected::NO_WORKER);
            }
            PrincipalId::Administrator(maker) if !self.administrators.has_token(maker) => {
                return Err(Rejected::NO_ADMINISTRATOR);
            }
            _ => {}
        }
        let shares = &mut self.rows.shares;
        let links = shares.links.get(&link.artifact).into_iter();
        let links = links.flat_map(BTreeMap::values);
        if links.filter(|(link, _)| works(link, now)).count() >= MAX_SHARES {
            return Err(Rejected::TOO_MANY_SHARES);
        }
        shares.insert_link(link.clone(), *digest);
        Ok(())
    }

    /// Returns whether the maker of a link could make it now.
    fn may_be_made(&self, link: &AccessLink) -> bool {
        let Some(row) = self.rows.get(link.artifact) else {
            return false;
        };
        match link.created_by {
            PrincipalId::Worker(maker) => {
                row.created_by == link.created_by
                    || self.groups.are_admins_above(&link.experiment, maker)
            }
            _ => true,
        }
    }
}

fn failed(rejected: Rejected) -> crate::error::Error {
    rejected.into_error(Operation::Share)
}

#[async_trait]
impl SharingRecord for MemoryDatabase {
    async fn insert_grant(&self, grant: &AccessGrant) -> Result<()> {
        let now = self.now();
        let mut maps = self.writable(Operation::Share)?;
        maps.insert_grant(grant, now).map_err(failed)
    }

    async fn grants(
        &self,
        subject: &GrantSubject,
        after: Option<GrantId>,
        limit: u32,
    ) -> Result<Vec<AccessGrant>> {
        let (now, maps) = (self.now(), self.maps());
        let Some(grants) = maps.rows.shares.grants.get(subject) else {
            return Ok(Vec::new());
        };
        let grants = grants.range((after.map_or(Unbounded, Excluded), Unbounded));
        let grants = grants.map(|(_, grant)| grant);
        let grants = grants.filter(|grant| counts(grant, now));
        Ok(grants.take(clamped_limit(limit)).cloned().collect())
    }

    async fn delete_grant(&self, subject: &GrantSubject, id: GrantId) -> Result<()> {
        let now = self.now();
        let mut maps = self.writable(Operation::Share)?;
        let grants = maps.rows.shares.grants.get_mut(subject);
        let deleted = grants.and_then(|grants| grants.remove(&id));
        let deleted = deleted.filter(|grant| counts(grant, now));
        deleted.map(drop).ok_or_else(|| failed(Rejected::NO_GRANT))
    }

    async fn is_granted(
        &self,
        experiment: &ExperimentId,
        subject: &GrantSubject,
        worker: WorkerId,
    ) -> Result<bool> {
        let (now, maps) = (self.now(), self.maps());
        if !maps.workers.is_in(experiment, worker) {
            return Ok(false);
        }
        let above = maps.groups.above(experiment, worker.into());
        let names_it = |grant: &AccessGrant| match grant.grantee {
            MemberId::Worker(id) => id == worker,
            MemberId::Group(id) => above.contains(&id),
        };
        let home = match subject {
            GrantSubject::Artifact(id) => maps.rows.collections.home(*id),
            GrantSubject::Collection(_) => None,
        };
        let home = home.map(GrantSubject::Collection);
        let shares = &maps.rows.shares;
        let of_home = home.iter().flat_map(|home| shares.grants(home, now));
        Ok(shares.grants(subject, now).chain(of_home).any(names_it))
    }

    async fn insert_link(&self, link: &AccessLink, digest: &Sha256Digest) -> Result<()> {
        let now = self.now();
        let mut maps = self.writable(Operation::Share)?;
        maps.insert_link(link, digest, now).map_err(failed)
    }

    async fn links(
        &self,
        artifact: ArtifactId,
        after: Option<LinkId>,
        limit: u32,
    ) -> Result<Vec<AccessLink>> {
        let (now, maps) = (self.now(), self.maps());
        let Some(links) = maps.rows.shares.links.get(&artifact) else {
            return Ok(Vec::new());
        };
        let links = links.range((after.map_or(Unbounded, Excluded), Unbounded));
        let links = links.map(|(_, (link, _))| link);
        let links = links.filter(|link| works(link, now));
        Ok(links.take(clamped_limit(limit)).cloned().collect())
    }

    async fn delete_link(&self, artifact: ArtifactId, id: LinkId) -> Result<()> {
        let now = self.now();
        let mut maps = self.writable(Operation::Share)?;
        let shares = &mut maps.rows.shares;
        shares.link_mut(artifact, id, now).map_err(failed)?;
        let links = shares.links.get_mut(&artifact);
        if let Some((_, digest)) = links.and_then(|links| links.remove(&id)) {
            shares.by_digest.remove(&digest);
        }
        Ok(())
    }

    async fn find_link(&self, digest: &Sha256Digest) -> Result<Option<AccessLink>> {
        let (now, maps) = (self.now(), self.maps());
        let shares = &maps.rows.shares;
        let Some((artifact, id)) = shares.by_digest.get(digest) else {
            return Ok(None);
        };
        let links = shares.links.get(artifact);
        let link = links.and_then(|links| links.get(id));
        let link = link.map(|(link, _)| link);
        let link = link.filter(|link| works(link, now) && maps.may_be_made(link));
        Ok(link.cloned())
    }

    async fn use_link(&self, artifact: ArtifactId, id: LinkId) -> Result<()> {
        let now = self.now();
        let mut maps = self.writable(Operation::Share)?;
        let link = maps.rows.shares.link_mut(artifact, id, now);
        let link = link.map_err(failed)?;
        link.downloads += u32::from(link.max_downloads.is_some());
        Ok(())
    }

    async fn forget_shares(&self, limit: u32) -> Result<u64> {
        let now = self.now();
        let mut maps = self.writable(Operation::Share)?;
        let shares = &mut maps.rows.shares;
        Ok(shares.retain(
            clamped_limit(limit),
            |grant| counts(grant, now),
            |link| works(link, now),
        ))
    }
}
