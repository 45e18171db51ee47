//! Collections in memory.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;

use artifact_backend::ArtifactId;
use async_trait::async_trait;
use jiff::Timestamp;

use super::{Maps, MemoryDatabase};
use crate::catalog::clamped_limit;
use crate::collections::{
    Collection, CollectionCatalog, CollectionFile, CollectionId, CollectionPath,
    CollectionPosition, FileLocation, FileState, NameBound,
};
use crate::database::rejected::Rejected;
use crate::database::subject::Subject;
use crate::digests::ChunkDigests;
use crate::dump::DumpRecord;
use crate::error::{Operation, Result};
use crate::experiment::ExperimentId;
use crate::principal::PrincipalId;
use crate::row::Row;
use crate::time::{Deadline, truncate_to_micros};

/// The collections, and the names of artifacts in them.
#[derive(Debug, Default)]
pub(super) struct Collections {
    all: BTreeMap<CollectionId, Entry>,
    names: HashMap<ArtifactId, (CollectionId, CollectionPath)>,
}

#[derive(Debug)]
struct Entry {
    collection: Collection,
    files: BTreeMap<String, CollectionFile>,
}

impl Entry {
    fn is_held(&self, is_held: impl Fn(ArtifactId) -> bool) -> bool {
        self.present().any(|file| is_held(file.id))
    }

    fn present(&self) -> impl Iterator<Item = &CollectionFile> {
        let files = self.files.values();
        files.filter(|file| file.state == FileState::Present)
    }
}

impl Collections {
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Returns why a name cannot be given, if it cannot.
    pub(super) fn check(
        &self,
        id: CollectionId,
        path: &CollectionPath,
        experiment: &ExperimentId,
    ) -> Result<(), Rejected> {
        let entry = self.all.get(&id);
        let entry = entry.filter(|entry| entry.collection.experiment == *experiment);
        let entry = entry.ok_or(Rejected::NO_COLLECTION)?;
        if !entry.collection.is_open() {
            return Err(Rejected::COLLECTION_SEALED);
        }
        if entry.files.contains_key(path.as_str()) {
            return Err(Rejected::NAME_TAKEN);
        }
        let folder = format!("{path}/");
        let below = entry.files.range(folder.clone()..).next();
        if below.is_some_and(|(name, _)| name.starts_with(&folder)) {
            return Err(Rejected::NAME_IS_FOLDER);
        }
        if path
            .folders()
            .any(|folder| entry.files.contains_key(folder))
        {
            return Err(Rejected::NAME_BELOW_FILE);
        }
        Ok(())
    }

    /// Gives a name that was checked. Does nothing without the collection.
    pub(super) fn insert(&mut self, id: CollectionId, file: CollectionFile) {
        let Some(entry) = self.all.get_mut(&id) else {
            return;
        };
        if file.state == FileState::Present {
            entry.collection.files += 1;
            entry.collection.bytes = entry.collection.bytes.saturating_add(file.size);
        }
        self.names.insert(file.id, (id, file.path.clone()));
        entry.files.insert(file.path.as_str().to_owned(), file);
    }

    /// Marks the name of an artifact as removed, if it has one.
    pub(super) fn remove_artifact(&mut self, artifact: ArtifactId) {
        let Some((id, path)) = self.names.get(&artifact) else {
            return;
        };
        let Some(entry) = self.all.get_mut(id) else {
            return;
        };
        if let Some(file) = entry.files.get_mut(path.as_str())
            && file.state == FileState::Present
        {
            let collection = &mut entry.collection;
            file.state = match collection.sealed_at {
                None => FileState::Removed,
                Some(_) => FileState::Expired,
            };
            collection.files -= 1;
            collection.bytes = collection.bytes.saturating_sub(file.size);
        }
    }

    pub(super) fn get(&self, id: CollectionId) -> Option<&Collection> {
        self.all.get(&id).map(|entry| &entry.collection)
    }

    /// Returns the collection that an artifact is in.
    pub(super) fn home(&self, artifact: ArtifactId) -> Option<CollectionId> {
        let (id, path) = self.names.get(&artifact)?;
        let file = self.all.get(id)?.files.get(path.as_str())?;
        (file.state == FileState::Present).then_some(*id)
    }

    /// Returns whether an artifact is in a sealed collection that is not being deleted.
    pub(super) fn is_sealed(&self, artifact: ArtifactId) -> bool {
        let Some((id, _)) = self.names.get(&artifact) else {
            return false;
        };
        let collection = self.all.get(id).map(|entry| &entry.collection);
        collection.is_some_and(|found| found.sealed_at.is_some() && found.deleting_since.is_none())
    }

    /// Inserts a collection of a copy. Returns whether its id was free.
    pub(super) fn insert_collection(&mut self, mut collection: Collection) -> bool {
        if self.all.contains_key(&collection.id) {
            return false;
        }
        (collection.files, collection.bytes) = (0, 0);
        let id = collection.id;
        let files = BTreeMap::new();
        self.all.insert(id, Entry { collection, files });
        true
    }

    /// Returns the records of a snapshot.
    pub(super) fn records(&self) -> impl Iterator<Item = DumpRecord> {
        let collections = self.all.values().map(|entry| {
            let mut collection = entry.collection.clone();
            (collection.files, collection.bytes) = (0, 0);
            DumpRecord::Collection(collection)
        });
        let files = self.all.values().flat_map(|entry| {
            let collection = entry.collection.id;
            let files = entry.files.values().cloned();
            files.map(move |file| DumpRecord::CollectionFile { collection, file })
        });
        collections.chain(files)
    }
}

impl Maps {
    /// Inserts a file of a copy. Returns whether its name was free.
    pub(super) fn load_file(&mut self, id: CollectionId, mut file: CollectionFile) -> bool {
        if file.state == FileState::Present && self.rows.get(file.id).is_none() {
            let found = self.rows.collections.all.get(&id);
            let is_sealed = found.is_some_and(|entry| entry.collection.sealed_at.is_some());
            file.state = if is_sealed {
                FileState::Expired
            } else {
                FileState::Removed
            };
        }
        let collections = &mut self.rows.collections;
        let entry = collections.all.get(&id);
        if entry.is_some_and(|entry| entry.files.contains_key(file.path.as_str())) {
            return false;
        }
        collections.insert(id, file);
        true
    }
}

#[async_trait]
impl CollectionCatalog for MemoryDatabase {
    async fn create_collection(&self, collection: &Collection) -> Result<()> {
        let mut maps = self.writable(Operation::Collection)?;
        if !maps.experiments.contains_key(&collection.experiment) {
            return Err(Rejected::NO_EXPERIMENT.into_error(Operation::Collection));
        }
        if !maps.rows.collections.insert_collection(collection.clone()) {
            return Err(Rejected::ID_TAKEN.into_error(Operation::Collection));
        }
        Ok(())
    }

    async fn collection(&self, id: CollectionId) -> Result<Option<Collection>> {
        let maps = self.maps();
        let entry = maps.rows.collections.all.get(&id);
        Ok(entry.map(|entry| entry.collection.clone()))
    }

    async fn collections(
        &self,
        experiment: &ExperimentId,
        owner: Option<&PrincipalId>,
        after: CollectionPosition,
        limit: u32,
    ) -> Result<Vec<Collection>> {
        let maps = self.maps();
        let all = maps.rows.collections.all.values();
        let selected = all.map(|entry| &entry.collection).filter(|found| {
            found.experiment == *experiment
                && owner.is_none_or(|owner| found.owner == *owner)
                && found.position() > after
        });
        let mut selected: Vec<_> = selected.cloned().collect();
        selected.sort_unstable_by_key(Collection::position);
        selected.truncate(clamped_limit(limit));
        Ok(selected)
    }

    async fn insert_file(
        &self,
        collection: CollectionId,
        path: &CollectionPath,
        row: &Row,
        digests: Option<&ChunkDigests>,
        deadline: Option<&Deadline>,
    ) -> Result<()> {
        self.insert_row(row, digests, deadline, None, Some((collection, path)))
    }

    async fn find_file(
        &self,
        collection: CollectionId,
        path: &CollectionPath,
    ) -> Result<Option<CollectionFile>> {
        let maps = self.maps();
        let entry = maps.rows.collections.all.get(&collection);
        Ok(entry.and_then(|entry| entry.files.get(path.as_str()).cloned()))
    }

    async fn files(
        &self,
        collection: CollectionId,
        from: &NameBound,
        of_manifest: bool,
        limit: u32,
    ) -> Result<Vec<CollectionFile>> {
        let maps = self.maps();
        let Some(entry) = maps.rows.collections.all.get(&collection) else {
            return Ok(Vec::new());
        };
        let from = match from {
            NameBound::From(text) => Bound::Included(text.as_str()),
            NameBound::After(text) => Bound::Excluded(text.as_str()),
        };
        let files = entry.files.range::<str, _>((from, Bound::Unbounded));
        let files = files.map(|(_, file)| file).filter(|file| {
            file.state == FileState::Present || (of_manifest && file.is_in_manifest())
        });
        Ok(files.take(clamped_limit(limit)).cloned().collect())
    }

    async fn locations(&self, artifacts: &[ArtifactId]) -> Result<Vec<FileLocation>> {
        let maps = self.maps();
        // A name stays when the artifact goes.
        let present = artifacts.iter().filter(|id| maps.rows.get(**id).is_some());
        let found = present.filter_map(|id| {
            let (collection, path) = maps.rows.collections.names.get(id)?;
            Some(FileLocation::new(*id, *collection, path.clone()))
        });
        Ok(found.collect())
    }

    async fn seal_collection(&self, id: CollectionId, at: Timestamp) -> Result<()> {
        let mut maps = self.writable(Operation::Collection)?;
        let entry = maps.rows.collections.all.get_mut(&id);
        let rejected = match entry.map(|entry| &mut entry.collection) {
            None => Rejected::NO_COLLECTION,
            Some(found) if found.deleting_since.is_some() => Rejected::COLLECTION_DELETING,
            Some(found) => {
                found.sealed_at.get_or_insert(truncate_to_micros(at));
                return Ok(());
            }
        };
        Err(rejected.into_error(Operation::Collection))
    }

    async fn begin_deletion(&self, id: CollectionId, at: Timestamp) -> Result<()> {
        let mut maps = self.writable(Operation::Collection)?;
        let rows = &mut maps.rows;
        let Some(entry) = rows.collections.all.get_mut(&id) else {
            return Err(Rejected::NO_COLLECTION.into_error(Operation::Collection));
        };
        if entry.is_held(|artifact| rows.holds.contains_key(&artifact)) {
            return Err(Rejected::FILE_HELD.into_error(Operation::Collection));
        }
        let since = &mut entry.collection.deleting_since;
        since.get_or_insert(truncate_to_micros(at));
        Ok(())
    }

    async fn end_deletion(&self, id: CollectionId) -> Result<()> {
        let reject =
            |rejected: Rejected| Err(rejected.into_error(Subject::from(Operation::Collection)));
        let mut maps = self.writable(Operation::Collection)?;
        let collections = &mut maps.rows.collections;
        let entry = collections.all.get(&id);
        let entry = entry.filter(|entry| entry.collection.deleting_since.is_some());
        let Some(entry) = entry else {
            return reject(Rejected::NO_COLLECTION);
        };
        if entry.present().next().is_some() {
            return reject(Rejected::FILES_LEFT);
        }
        collections.names.retain(|_, (home, _)| *home != id);
        collections.all.remove(&id);
        maps.rows.shares.remove_collection(id);
        Ok(())
    }
}
