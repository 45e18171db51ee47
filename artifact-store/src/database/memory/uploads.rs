//! The upload sessions in memory.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use artifact_backend::ArtifactId;
use async_trait::async_trait;
use jiff::Timestamp;

use super::MemoryDatabase;
use crate::catalog::{check_number_of_ids, clamped_limit};
use crate::database::rejected::Rejected;
use crate::error::{Operation, Result};
use crate::time::{Deadline, truncate_to_micros};
use crate::uploads::{UploadId, UploadOptions, UploadPart, UploadRecords, UploadSession};

/// The sessions and their parts.
#[derive(Debug, Default)]
pub(super) struct UploadMaps {
    sessions: BTreeMap<UploadId, Session>,
    /// The sessions of the parts.
    owners: HashMap<ArtifactId, UploadId>,
}

#[derive(Debug)]
struct Session {
    record: UploadSession,
    is_ended: bool,
    /// By offset.
    parts: BTreeMap<u64, UploadPart>,
}

impl Session {
    fn is_over(&self, now: Timestamp, fence: u64) -> bool {
        let is_left = self.record.artifact.is_none() && self.record.placement < fence;
        self.is_ended || self.record.expires_at <= now || is_left
    }

    fn is_open(&self, now: Timestamp, fence: u64) -> bool {
        self.record.artifact.is_none() && !self.is_over(now, fence)
    }

    fn renew(&mut self, now: Timestamp, lifetime: Duration) {
        let is_open_and_whole = self.record.is_whole() && self.record.artifact.is_none();
        let lifetime = if is_open_and_whole {
            lifetime.min(UploadOptions::WHOLE_LIFETIME)
        } else {
            lifetime
        };
        let until = now.checked_add(lifetime).unwrap_or(Timestamp::MAX);
        self.record.expires_at = truncate_to_micros(until);
    }
}

impl UploadMaps {
    /// Returns whether the id is recorded as a part.
    pub(super) fn has_part(&self, id: ArtifactId) -> bool {
        self.owners.contains_key(&id)
    }
}

#[async_trait]
impl UploadRecords for MemoryDatabase {
    async fn create_upload(
        &self,
        session: &UploadSession,
        lifetime: Duration,
        max_open: u32,
    ) -> Result<bool> {
        let now = self.now();
        let mut maps = self.writable(Operation::Upload)?;
        let fence = maps.fence();
        let open = maps.uploads.sessions.values().filter(|other| {
            other.record.experiment == session.experiment
                && other.record.created_by == session.created_by
                && other.is_open(now, fence)
        });
        if open.count() as u64 >= u64::from(max_open) {
            return Ok(false);
        }
        let mut new = Session {
            record: UploadSession {
                offset: 0,
                parts: 0,
                artifact: None,
                ..session.clone()
            },
            is_ended: false,
            parts: BTreeMap::new(),
        };
        new.renew(now, lifetime);
        maps.uploads.sessions.insert(session.id, new);
        Ok(true)
    }

    async fn find_upload(&self, id: UploadId) -> Result<Option<UploadSession>> {
        let now = self.now();
        let maps = self.maps();
        let found = maps.uploads.sessions.get(&id);
        let found = found.filter(|session| !session.is_over(now, maps.fence()));
        Ok(found.map(|session| session.record.clone()))
    }

    async fn append_part(
        &self,
        id: UploadId,
        part: &UploadPart,
        lifetime: Duration,
        deadline: &Deadline,
    ) -> Result<bool> {
        let now = self.now();
        let mut maps = self.writable(Operation::Upload)?;
        if deadline.has_passed() {
            return Err(Rejected::LATE.into_error(Operation::Upload));
        }
        let fence = maps.fence();
        let is_taken = maps.rows.is_taken(part.id) || maps.uploads.has_part(part.id);
        let Some(session) = maps.uploads.sessions.get_mut(&id) else {
            return Ok(false);
        };
        let end = part.offset.saturating_add(part.size);
        let fits = session.record.length.is_none_or(|length| end <= length);
        let is_left = deadline.placement() < fence;
        let is_next = session.record.offset == part.offset;
        if is_taken || is_left || !fits || !is_next || !session.is_open(now, fence) {
            return Ok(false);
        }
        let record = &mut session.record;
        record.offset = end;
        record.parts += 1;
        record.placement = record.placement.min(deadline.placement());
        session.renew(now, lifetime);
        session.parts.insert(part.offset, *part);
        maps.uploads.owners.insert(part.id, id);
        Ok(true)
    }

    async fn declare_length(&self, id: UploadId, length: u64, lifetime: Duration) -> Result<bool> {
        let now = self.now();
        let mut maps = self.writable(Operation::Upload)?;
        let fence = maps.fence();
        let Some(session) = maps.uploads.sessions.get_mut(&id) else {
            return Ok(false);
        };
        let fits = session.record.offset <= length;
        let is_same = session.record.length.is_none_or(|known| known == length);
        if !fits || !is_same || !session.is_open(now, fence) {
            return Ok(false);
        }
        session.record.length = Some(length);
        session.renew(now, lifetime);
        Ok(true)
    }

    async fn complete_upload(
        &self,
        id: UploadId,
        artifact: ArtifactId,
        lifetime: Duration,
    ) -> Result<()> {
        let now = self.now();
        let mut maps = self.writable(Operation::Upload)?;
        let found = maps.uploads.sessions.get_mut(&id);
        if let Some(session) = found.filter(|session| session.record.artifact.is_none()) {
            session.record.artifact = Some(artifact);
            session.renew(now, lifetime);
        }
        Ok(())
    }

    async fn end_upload(&self, id: UploadId, at_once: bool) -> Result<bool> {
        let now = self.now();
        let mut maps = self.writable(Operation::Upload)?;
        let fence = maps.fence();
        let Some(session) = maps.uploads.sessions.get_mut(&id) else {
            return Ok(true);
        };
        session.is_ended = at_once || session.is_over(now, fence);
        Ok(session.is_ended || session.record.artifact.is_some())
    }

    async fn ended_uploads(&self, limit: u32) -> Result<Vec<UploadId>> {
        let now = self.now();
        let maps = self.maps();
        let fence = maps.fence();
        let ended = maps.uploads.sessions.iter().filter(|(_, session)| {
            let has_parts = !session.parts.is_empty();
            session.is_over(now, fence) || (session.record.artifact.is_some() && has_parts)
        });
        Ok(ended
            .map(|(id, _)| *id)
            .take(clamped_limit(limit))
            .collect())
    }

    async fn list_parts(&self, id: UploadId, from: u64, limit: u32) -> Result<Vec<UploadPart>> {
        let maps = self.maps();
        let Some(session) = maps.uploads.sessions.get(&id) else {
            return Ok(Vec::new());
        };
        let parts = session.parts.range(from..).map(|(_, part)| *part);
        Ok(parts.take(clamped_limit(limit)).collect())
    }

    async fn parts_among(&self, ids: &[ArtifactId]) -> Result<Vec<ArtifactId>> {
        check_number_of_ids(Operation::Upload, ids)?;
        let maps = self.maps();
        let parts = ids.iter().copied().filter(|id| maps.uploads.has_part(*id));
        Ok(parts.collect())
    }

    async fn forget_parts(&self, ids: &[ArtifactId]) -> Result<()> {
        check_number_of_ids(Operation::Upload, ids)?;
        let mut maps = self.writable(Operation::Upload)?;
        let uploads = &mut maps.uploads;
        for id in ids {
            if let Some(owner) = uploads.owners.remove(id)
                && let Some(session) = uploads.sessions.get_mut(&owner)
            {
                session.parts.retain(|_, part| part.id != *id);
            }
        }
        Ok(())
    }

    async fn forget_upload(&self, id: UploadId) -> Result<()> {
        let mut maps = self.writable(Operation::Upload)?;
        let sessions = &mut maps.uploads.sessions;
        if sessions
            .get(&id)
            .is_some_and(|session| session.is_ended && session.parts.is_empty())
        {
            sessions.remove(&id);
        }
        Ok(())
    }
}
