//! The trait of collections, by statements of a SQL database.

use artifact_backend::ArtifactId;
use async_trait::async_trait;
use jiff::Timestamp;

use super::command::{CollectionCommand, NewFile};
use super::records::{CollectionRecord, FileRecord};
use super::statements::{
    SELECT, SELECT_FILE, SELECT_FILES, SELECT_MANIFEST, SELECT_OWN_PAGE, SELECT_PAGE,
};
use crate::catalog::clamped_limit;
use crate::collections::{
    Collection, CollectionCatalog, CollectionFile, CollectionId, CollectionPath,
    CollectionPosition, FileLocation, NameBound,
};
use crate::database::sql::catalog::new_row;
use crate::database::sql::locations::{self, LocationRecord};
use crate::database::sql::records::FlagRecord;
use crate::database::sql::{Command, Lane, SqlDatabase, params};
use crate::digests::ChunkDigests;
use crate::error::{Operation, Result};
use crate::experiment::ExperimentId;
use crate::principal::PrincipalId;
use crate::row::Row;
use crate::time::Deadline;

#[async_trait]
impl<D: SqlDatabase> CollectionCatalog for D {
    async fn create_collection(&self, collection: &Collection) -> Result<()> {
        let command = CollectionCommand::Create(Box::new(collection.clone()));
        self.write(Command::Collection(command)).await
    }

    async fn collection(&self, id: CollectionId) -> Result<Option<Collection>> {
        let params = params![id.as_bytes().as_slice()];
        let record = self.query_one(Operation::Collection, SELECT, params);
        record.await?.map(CollectionRecord::decode).transpose()
    }

    async fn collections(
        &self,
        experiment: &ExperimentId,
        owner: Option<&PrincipalId>,
        after: CollectionPosition,
        limit: u32,
    ) -> Result<Vec<Collection>> {
        let limit = stored_limit(limit);
        let (experiment, time) = (experiment.as_str(), after.created_at);
        let id = after.id.as_bytes().as_slice();
        let (statement, params) = match owner {
            None => (SELECT_PAGE, params![experiment, time, id, limit].to_vec()),
            Some(owner) => (
                SELECT_OWN_PAGE,
                params![experiment, owner.as_str(), time, id, limit].to_vec(),
            ),
        };
        let records = self.query_in(Lane::List, Operation::Collection, statement, params);
        let records = records.await?.into_iter();
        records.map(CollectionRecord::decode).collect()
    }

    async fn insert_file(
        &self,
        collection: CollectionId,
        path: &CollectionPath,
        row: &Row,
        digests: Option<&ChunkDigests>,
        deadline: Option<&Deadline>,
    ) -> Result<()> {
        let file = NewFile {
            new: new_row(row, digests, deadline)?,
            collection,
            path: path.clone(),
            deadline: deadline.cloned(),
        };
        let command = CollectionCommand::InsertFile(Box::new(file));
        self.write(Command::Collection(command)).await
    }

    async fn find_file(
        &self,
        collection: CollectionId,
        path: &CollectionPath,
    ) -> Result<Option<CollectionFile>> {
        let params = params![collection.as_bytes().as_slice(), path.as_str()];
        let record = self.query_one(Operation::Collection, SELECT_FILE, params);
        record.await?.map(FileRecord::decode).transpose()
    }

    async fn files(
        &self,
        collection: CollectionId,
        from: &NameBound,
        of_manifest: bool,
        limit: u32,
    ) -> Result<Vec<CollectionFile>> {
        let statements = if of_manifest {
            SELECT_MANIFEST
        } else {
            SELECT_FILES
        };
        let [from_name, after_name] = statements;
        let statement = match from {
            NameBound::From(_) => from_name,
            NameBound::After(_) => after_name,
        };
        let (id, limit) = (collection.as_bytes().as_slice(), stored_limit(limit));
        let params = params![id, from.as_str(), limit];
        let records = self.query_in(Lane::List, Operation::Collection, statement, params);
        records.await?.into_iter().map(FileRecord::decode).collect()
    }

    async fn locations(&self, artifacts: &[ArtifactId]) -> Result<Vec<FileLocation>> {
        let mut lane = Lane::Lookup;
        if artifacts.len() > 1 {
            // Most stores have no collections. Then the ids need not become a parameter.
            let any = self.query_one(Operation::Collection, locations::ANY, params![]);
            if !matches!(any.await?, Some(FlagRecord(true))) {
                return Ok(Vec::new());
            }
            lane = Lane::List;
        }
        let params = [locations::param(artifacts)];
        let records = self.query_in(lane, Operation::Collection, D::SELECT_LOCATIONS, params);
        let records = records.await?.into_iter();
        records.map(LocationRecord::decode).collect()
    }

    async fn seal_collection(&self, id: CollectionId, at: Timestamp) -> Result<()> {
        let command = CollectionCommand::Seal(id, at);
        self.write(Command::Collection(command)).await
    }

    async fn begin_deletion(&self, id: CollectionId, at: Timestamp) -> Result<()> {
        let command = CollectionCommand::BeginDeletion(id, at);
        self.write(Command::Collection(command)).await
    }

    async fn end_deletion(&self, id: CollectionId) -> Result<()> {
        let command = CollectionCommand::EndDeletion(id);
        self.write(Command::Collection(command)).await
    }
}

fn stored_limit(limit: u32) -> i64 {
    i64::try_from(clamped_limit(limit)).unwrap_or(i64::MAX)
}
