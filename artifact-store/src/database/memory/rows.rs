//! The rows, removed ids, holds and retention periods in memory.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use artifact_backend::ArtifactId;
use jiff::Timestamp;

use super::collections::Collections;
use super::receipts::Receipts;
use super::sharing::Shares;
use super::staged::Staged;
use crate::catalog::{
    ExpiredPage, ExpiryPosition, Hold, PrincipalUsage, Removal, RemovalPage, RowFilter, RowPage,
    RowPosition, ScrubRecord,
};
use crate::digests::ChunkDigests;
use crate::dump::DumpRecord;
use crate::experiment::ExperimentId;
use crate::idempotency::IdempotencyKey;
use crate::principal::PrincipalId;
use crate::row::Row;

/// How many rows one page looks at.
const LOOKED_AT: usize = 10_000;

/// A lease that is longer ends after this period.
const MAX_LEASE: Duration = Duration::from_hours(1_000 * 365 * 24);

/// The rows and what belongs to them.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// The number of rows and removals so far.
    last: u64,
    in_order: BTreeMap<u64, Arc<Row>>,
    positions: HashMap<ArtifactId, Position>,
    digests: HashMap<ArtifactId, ChunkDigests>,
    removed: BTreeMap<u64, ArtifactId>,
    pub(super) holds: HashMap<ArtifactId, Hold>,
    retention: HashMap<ExperimentId, Duration>,
    leases: HashMap<String, ([u8; 16], SystemTime)>,
    /// The rows of the deposits with these keys, and until when each key is kept.
    keys: HashMap<KeyScope, (ArtifactId, SystemTime)>,
    /// The newest scrub, and when it began.
    scrub: Option<(ScrubRecord, SystemTime)>,
    /// What [`ScrubRecord::known_damaged`] says.
    known_damaged: u64,
    pub(super) staged: Staged,
    pub(super) shares: Shares,
    pub(super) collections: Collections,
    pub(super) receipts: Receipts,
}

/// What a key belongs to, and the key.
pub(super) type KeyScope = (ExperimentId, PrincipalId, IdempotencyKey);

/// Where an id is.
#[derive(Debug, Clone, Copy)]
enum Position {
    Row(u64),
    Removed,
}

impl Rows {
    /// Returns whether the id has or had a row, or is condemned.
    pub(super) fn is_taken(&self, id: ArtifactId) -> bool {
        self.positions.contains_key(&id)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.positions.is_empty()
            && self.holds.is_empty()
            && self.collections.is_empty()
            && self.receipts.is_empty()
    }

    /// Inserts a row of a copy. Returns whether neither its id nor its position was taken.
    pub(super) fn insert_at(&mut self, position: u64, row: Row) -> bool {
        if self.is_taken(row.id) || position <= self.last {
            return false;
        }
        self.last = position;
        self.positions.insert(row.id, Position::Row(position));
        self.in_order.insert(position, Arc::new(row));
        true
    }

    /// Inserts a hold of a copy, also if there is no row.
    pub(super) fn insert_hold(&mut self, hold: Hold) {
        self.holds.insert(hold.id, hold);
    }

    /// Appends the rows, the chunk digests, the holds and the removed ids.
    pub(super) fn add_records(&self, records: &mut VecDeque<DumpRecord>) {
        for (position, row) in &self.in_order {
            records.push_back(DumpRecord::Artifact {
                position: RowPosition::from_number(*position),
                row: Row::clone(row),
            });
        }
        let digests = self.in_order.values().filter_map(|row| {
            let digests = self.digests.get(&row.id)?.clone();
            Some(DumpRecord::ChunkDigests {
                id: row.id,
                digests,
            })
        });
        records.extend(digests);
        let mut holds: Vec<_> = self.holds.values().cloned().collect();
        holds.sort_unstable_by_key(|hold| hold.id);
        records.extend(holds.into_iter().map(DumpRecord::Hold));
        records.extend(self.removed.values().copied().map(DumpRecord::Removed));
    }

    /// Inserts a row whose id is not taken.
    pub(super) fn insert(&mut self, row: Row, digests: Option<ChunkDigests>) {
        self.receipts.enqueue(&row);
        self.last += 1;
        self.digests
            .extend(digests.map(|digests| (row.id, digests)));
        self.positions.insert(row.id, Position::Row(self.last));
        self.in_order.insert(self.last, Arc::new(row));
    }

    /// Returns the id that was deposited with a key, if the key is still kept.
    pub(super) fn find_key(&self, scope: &KeyScope, now: SystemTime) -> Option<ArtifactId> {
        let (id, until) = self.keys.get(scope)?;
        (*until > now).then_some(*id)
    }

    pub(super) fn keep_key(&mut self, scope: KeyScope, id: ArtifactId, now: SystemTime) {
        // Every clock can add as much.
        let until = now + IdempotencyKey::KEPT_FOR;
        self.keys.insert(scope, (id, until));
    }

    /// Forgets keys that are no longer kept, and returns how many.
    pub(super) fn forget_keys(&mut self, limit: usize, now: SystemTime) -> u64 {
        let old = self.keys.extract_if(|_, (_, until)| *until <= now);
        old.take(limit).count() as u64
    }

    pub(super) fn get(&self, id: ArtifactId) -> Option<&Arc<Row>> {
        match self.positions.get(&id)? {
            Position::Row(position) => self.in_order.get(position),
            Position::Removed => None,
        }
    }

    pub(super) fn chunk_digests(&self, id: ArtifactId) -> Option<&ChunkDigests> {
        self.digests.get(&id)
    }

    /// Adds digests to a row that has none. Returns whether it did.
    pub(super) fn add_chunk_digests(&mut self, id: ArtifactId, digests: &ChunkDigests) -> bool {
        let adds = self.get(id).is_some() && !self.digests.contains_key(&id);
        if adds {
            self.digests.insert(id, digests.clone());
        }
        adds
    }

    /// Returns the ids that have a row.
    pub(super) fn ids(&self) -> impl Iterator<Item = ArtifactId> {
        self.in_order.values().map(|row| row.id)
    }

    /// Removes the row, if there is one, and makes the id one that never gets a row.
    pub(super) fn delete(&mut self, id: ArtifactId) -> Removal {
        let before = self.positions.insert(id, Position::Removed);
        self.holds.remove(&id);
        self.digests.remove(&id);
        self.shares.remove_artifact(id);
        self.collections.remove_artifact(id);
        let removal = match before {
            Some(Position::Removed) => return Removal::Absent,
            Some(Position::Row(position)) => {
                self.in_order.remove(&position);
                Removal::Removed
            }
            None => Removal::Absent,
        };
        self.last += 1;
        self.removed.insert(self.last, id);
        removal
    }

    /// Removes a row that is not held and not in a sealed collection.
    pub(super) fn remove(&mut self, id: ArtifactId) -> Removal {
        if self.collections.is_sealed(id) && self.get(id).is_some() {
            return Removal::Sealed;
        }
        self.remove_unheld(id)
    }

    fn remove_unheld(&mut self, id: ArtifactId) -> Removal {
        if self.holds.contains_key(&id) {
            return Removal::Held;
        }
        self.delete(id)
    }

    pub(super) fn remove_expired(&mut self, id: ArtifactId, now: Timestamp) -> Option<Removal> {
        match self.get(id) {
            Some(row) if !self.is_expired(row, now) => None,
            _ => Some(self.remove_unheld(id)),
        }
    }

    /// Condemns the id, unless it has a row or is staged. Returns whether it never gets one.
    pub(super) fn condemn(&mut self, id: ArtifactId, now: SystemTime) -> bool {
        if self.is_removed(id) {
            return true;
        }
        let is_free = self.get(id).is_none() && !self.staged.keeps(id, now);
        if is_free {
            self.delete(id);
        }
        is_free
    }

    pub(super) fn is_removed(&self, id: ArtifactId) -> bool {
        matches!(self.positions.get(&id), Some(Position::Removed))
    }

    fn is_expired(&self, row: &Row, now: Timestamp) -> bool {
        let retention = self.retention.get(&row.experiment);
        let until = row.expires_at.or_else(|| {
            // A time that no timestamp can express never comes.
            retention.and_then(|keep| row.created_at.checked_add(*keep).ok())
        });
        until.is_some_and(|until| until <= now)
    }

    pub(super) fn scan(&self, filter: &RowFilter, after: RowPosition, limit: usize) -> RowPage {
        let mut page = RowPage::default();
        let mut after = after.number();
        let rows = self.in_order.range(after + 1..);
        for (looked_at, (position, row)) in rows.enumerate() {
            if page.rows.len() == limit || looked_at == LOOKED_AT {
                page.next = Some(RowPosition::from_number(after));
                break;
            }
            if filter.selects(row) {
                page.rows.push(Arc::clone(row));
            }
            after = *position;
        }
        page
    }

    pub(super) fn usage(
        &self,
        experiment: &ExperimentId,
        created_by: Option<&PrincipalId>,
    ) -> Vec<PrincipalUsage> {
        let mut totals = BTreeMap::<&str, (&PrincipalId, u64, u64)>::new();
        for row in self.in_order.values() {
            let is_wanted = created_by.is_none_or(|wanted| row.created_by == *wanted);
            if row.experiment == *experiment && is_wanted {
                let total = totals.entry(row.created_by.as_str());
                let (_, artifacts, bytes) = total.or_insert((&row.created_by, 0, 0));
                *artifacts += 1;
                *bytes = bytes.saturating_add(row.size);
            }
        }
        let usage = |(created_by, artifacts, bytes): (&PrincipalId, _, _)| {
            PrincipalUsage::new(created_by.clone(), artifacts, bytes)
        };
        totals.into_values().map(usage).collect()
    }

    pub(super) fn removals(&self, after: RowPosition, limit: usize) -> RemovalPage {
        let after = after.number();
        let mut page = RemovalPage::new(Vec::new(), RowPosition::from_number(after));
        for (position, id) in self.removed.range(after + 1..).take(limit) {
            page.ids.push(*id);
            page.next = RowPosition::from_number(*position);
        }
        page
    }

    pub(super) fn last_removal(&self) -> RowPosition {
        let last = self.removed.last_key_value();
        RowPosition::from_number(last.map_or(0, |(position, _)| *position))
    }

    /// Places a hold. Returns whether there is a row.
    pub(super) fn place_hold(&mut self, hold: &Hold) -> bool {
        let has_row = self.get(hold.id).is_some();
        if has_row {
            self.holds.entry(hold.id).or_insert_with(|| hold.clone());
        }
        has_row
    }

    pub(super) fn release_hold(&mut self, id: ArtifactId) -> bool {
        self.holds.remove(&id).is_some()
    }

    pub(super) fn hold(&self, id: ArtifactId) -> Option<&Hold> {
        self.holds.get(&id)
    }

    pub(super) fn set_retention(&mut self, experiment: &ExperimentId, keep: Option<Duration>) {
        match keep {
            Some(keep) => self.retention.insert(experiment.clone(), keep),
            None => self.retention.remove(experiment),
        };
    }

    pub(super) fn retention(&self, experiment: &ExperimentId) -> Option<Duration> {
        self.retention.get(experiment).copied()
    }

    pub(super) fn expired(
        &self,
        after: &ExpiryPosition,
        limit: usize,
        now: Timestamp,
    ) -> ExpiredPage {
        let expired = self
            .in_order
            .iter()
            .filter(|(_, row)| self.is_expired(row, now) && !self.holds.contains_key(&row.id));
        let found = expired.map(|(position, row)| {
            let experiment = row.expires_at.is_none().then(|| row.experiment.clone());
            let time = row.expires_at.unwrap_or(row.created_at);
            let position = RowPosition::from_number(*position);
            let position = ExpiryPosition::new(experiment, time.as_microsecond(), position);
            (position, row.id)
        });
        let mut found: Vec<_> = found.filter(|(position, _)| position > after).collect();
        found.sort_unstable();
        let is_cut = found.len() > limit;
        found.truncate(limit);
        let last = found.last().filter(|_| is_cut);
        let next = last.map(|(position, _)| position.clone());
        ExpiredPage::new(found.into_iter().map(|(_, id)| id).collect(), next)
    }

    pub(super) fn take_lease(
        &mut self,
        name: &str,
        holder: [u8; 16],
        period: Duration,
        now: SystemTime,
    ) -> bool {
        let is_free = self
            .leases
            .get(name)
            .is_none_or(|(owner, until)| *owner == holder || *until <= now);
        if is_free {
            // Every clock can add as much.
            let until = now + period.min(MAX_LEASE);
            self.leases.insert(name.to_owned(), (holder, until));
        }
        is_free
    }

    pub(super) fn last_scrub(&self, now: SystemTime) -> Option<ScrubRecord> {
        let (record, began) = self.scrub?;
        let age = now.duration_since(began).unwrap_or_default();
        let known_damaged = self.known_damaged;
        Some(ScrubRecord {
            age,
            known_damaged,
            ..record
        })
    }

    pub(super) fn record_scrub(&mut self, record: &ScrubRecord, now: SystemTime) {
        match &mut self.scrub {
            Some((last, _)) if last.number > record.number => return,
            Some((last, _)) if last.number == record.number => {
                if last.is_finished {
                    return;
                }
                *last = *record;
            }
            scrub => *scrub = Some((*record, now)),
        }
        let is_complete = record.is_finished && record.unchecked == 0;
        let before = if is_complete { 0 } else { self.known_damaged };
        self.known_damaged = before.max(record.damaged());
    }
}
