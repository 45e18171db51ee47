//! Copies of a database in memory.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use artifact_backend::StoreId;
use async_trait::async_trait;

use super::{Maps, MemoryDatabase};
use crate::database::portable::{DatabaseLoad, DatabaseSnapshot, PortableDatabase, not_empty};
use crate::database::rejected::Rejected;
use crate::dump::DumpRecord;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::identity::Group;
use crate::placement::Placement;
use crate::principal::PrincipalId;
use crate::sharing::GrantSubject;

/// How many records one call returns.
const BATCH: usize = 1_000;

#[async_trait]
impl PortableDatabase for MemoryDatabase {
    /// Copies the records under the lock, so the snapshot needs as much memory as the database.
    async fn snapshot(&self) -> Result<Box<dyn DatabaseSnapshot>> {
        let maps = self.maps();
        Ok(Box::new(Snapshot {
            store_id: maps.store_ids.confirmed(),
            records: maps.records(),
        }))
    }

    async fn begin_load(&self) -> Result<Box<dyn DatabaseLoad>> {
        if !self.maps().is_empty() {
            return Err(not_empty());
        }
        Ok(Box::new(Load {
            target: Arc::clone(&self.maps),
            loaded: Maps::default(),
        }))
    }

    async fn moved_to(&self) -> Result<Option<String>> {
        Ok(self.maps().moved_to.clone())
    }

    async fn mark_moved(&self, to: &str) -> Result<()> {
        self.maps().moved_to = Some(to.to_owned());
        Ok(())
    }

    async fn clear_moved(&self) -> Result<()> {
        self.maps().moved_to = None;
        Ok(())
    }
}

#[derive(Debug)]
struct Snapshot {
    store_id: Option<StoreId>,
    records: VecDeque<DumpRecord>,
}

#[async_trait]
impl DatabaseSnapshot for Snapshot {
    fn store_id(&self) -> Option<StoreId> {
        self.store_id
    }

    async fn next(&mut self) -> Result<Option<Vec<DumpRecord>>> {
        let batch = self.records.len().min(BATCH);
        let batch: Vec<_> = self.records.drain(..batch).collect();
        Ok(Some(batch).filter(|batch| !batch.is_empty()))
    }

    fn unreadable(&self) -> u64 {
        0
    }
}

struct Load {
    target: Arc<std::sync::Mutex<Maps>>,
    loaded: Maps,
}

#[async_trait]
impl DatabaseLoad for Load {
    async fn write(&mut self, records: Vec<DumpRecord>) -> Result<()> {
        for record in records {
            self.loaded.load(record)?;
        }
        Ok(())
    }

    async fn place(&mut self, placement: &Placement) -> Result<()> {
        self.loaded.placement = Some(placement.clone());
        Ok(())
    }

    async fn commit(self: Box<Self>, store_id: Option<StoreId>) -> Result<()> {
        let mut loaded = self.loaded;
        loaded.store_ids.confirm(store_id);
        let mut target = super::lock(&self.target);
        if !target.is_empty() {
            return Err(not_empty());
        }
        *target = loaded;
        Ok(())
    }
}

impl Maps {
    fn is_empty(&self) -> bool {
        self.experiments.is_empty()
            && self.rows.is_empty()
            && self.workers.is_empty()
            && self.groups.is_empty()
            && self.administrators.is_empty()
            && self.store_ids.is_empty()
            && self.placement.is_none()
    }

    fn records(&self) -> VecDeque<DumpRecord> {
        let mut records = VecDeque::new();
        for experiment in self.experiments.values() {
            let keep = self.rows.retention(&experiment.id);
            records.push_back(DumpRecord::Experiment {
                experiment: experiment.clone(),
                keep: keep.map(whole_micros),
            });
        }
        for (worker, credential) in self.workers.in_order() {
            records.push_back(DumpRecord::Worker {
                worker: worker.clone(),
                credential: credential.clone(),
            });
        }
        let groups = self.groups.in_order();
        for group in &groups {
            let mut group = Group::clone(group);
            group.members.clear();
            records.push_back(DumpRecord::Group(group));
        }
        for group in &groups {
            records.extend(group.members.iter().map(|member| DumpRecord::Member {
                group: group.id,
                member: *member,
            }));
        }
        self.rows.add_records(&mut records);
        let administrators = self.administrators.in_order().into_iter();
        records.extend(administrators.cloned().map(DumpRecord::Administrator));
        records.extend(self.rows.collections.records());
        self.rows.shares.add_records(&mut records);
        records.extend(self.quotas.records());
        self.rows.receipts.add_records(&mut records);
        records
    }

    fn load(&mut self, record: DumpRecord) -> Result<()> {
        let taken = || Err(Rejected::ID_TAKEN.into_error(Operation::Dump));
        match record {
            DumpRecord::Experiment { experiment, keep } => {
                if self.experiments.contains_key(&experiment.id) {
                    return taken();
                }
                self.rows.set_retention(&experiment.id, keep);
                self.experiments.insert(experiment.id.clone(), experiment);
            }
            DumpRecord::Worker { worker, credential } => {
                if !self.workers.insert(worker, credential) {
                    return taken();
                }
            }
            DumpRecord::Group(group) => {
                if self.groups.contains(group.id) {
                    return taken();
                }
                self.groups.insert(group);
            }
            DumpRecord::Member { group, member } => self.groups.append(group, member),
            DumpRecord::Artifact { position, row } => {
                let id = row.id;
                if !self.rows.insert_at(position.number(), row) {
                    return Err(Rejected::ROW_EXISTS.into_error(Operation::Dump).with_id(id));
                }
            }
            DumpRecord::ChunkDigests { id, digests } => {
                // Without its row it is left out.
                if !self.rows.add_chunk_digests(id, &digests) && self.rows.get(id).is_some() {
                    return Err(Rejected::ROW_EXISTS.into_error(Operation::Dump).with_id(id));
                }
            }
            DumpRecord::Hold(hold) => self.rows.insert_hold(hold),
            DumpRecord::AccessGrant(grant) => {
                // Without its subject or its grantee it is left out.
                if self.has_subject(&grant.subject) && self.has_identity(grant.grantee) {
                    self.rows.shares.insert_grant(grant);
                }
            }
            DumpRecord::AccessLink { link, digest } => {
                let has_maker = match link.created_by {
                    PrincipalId::Worker(id) => self.has_identity(id.into()),
                    _ => true,
                };
                if self.has_subject(&GrantSubject::Artifact(link.artifact)) && has_maker {
                    self.rows.shares.insert_link(link, digest);
                }
            }
            DumpRecord::Removed(id) => {
                if self.rows.is_taken(id) {
                    return Err(Rejected::ROW_EXISTS.into_error(Operation::Dump).with_id(id));
                }
                self.rows.delete(id);
            }
            DumpRecord::Administrator(administrator) => {
                if !self.administrators.insert(administrator) {
                    return taken();
                }
            }
            DumpRecord::Collection(collection) => {
                if !self.rows.collections.insert_collection(collection) {
                    return taken();
                }
            }
            DumpRecord::CollectionFile { collection, file } => {
                if !self.load_file(collection, file) {
                    return taken();
                }
            }
            DumpRecord::Quota { scope, quota } => {
                if !self.quotas.insert(scope, quota) {
                    return taken();
                }
            }
            DumpRecord::ReceiptLog { origin, secret } => {
                if !self.rows.receipts.load_log(origin, secret) {
                    return taken();
                }
            }
            DumpRecord::Receipt {
                index,
                artifact,
                hash,
            } => self.rows.receipts.load(index, artifact, hash)?,
            DumpRecord::QueuedReceipt(queued) => self.rows.receipts.load_queued(queued),
        }
        Ok(())
    }

    /// Fails if the database was moved.
    pub(super) fn check_accepts_writes(&self, operation: Operation) -> Result<()> {
        match &self.moved_to {
            None => Ok(()),
            Some(to) => Err(
                Error::new(ErrorKind::Misconfigured, operation).with_detail(format!(
                    "this database was moved to {to}, and accepts no writes"
                )),
            ),
        }
    }
}

/// Drops what is less than a microsecond.
fn whole_micros(keep: Duration) -> Duration {
    Duration::from_micros(u64::try_from(keep.as_micros()).unwrap_or(u64::MAX))
}
