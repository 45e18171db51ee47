//! The catalog in a SQL database.

use artifact_backend::ArtifactId;
use async_trait::async_trait;

use super::digests::{ChunkDigestsRecord, NewRow};
use super::keys::KeyedRecord;
use super::records::{ArtifactRecord, Decoder, ExperimentRecord};
use super::{Command, SqlDatabase, Subject, params, statements};
use crate::catalog::{Catalog, ReplayCatalog, check_insert};
use crate::database::rejected::is_inserted;
use crate::digests::ChunkDigests;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::experiment::{Experiment, ExperimentId};
use crate::idempotency::IdempotencyKey;
use crate::principal::PrincipalId;
use crate::quota::QuotaStore;
use crate::row::Row;
use crate::time::Deadline;

#[async_trait]
impl<D: SqlDatabase> Catalog for D {
    async fn create_experiment(&self, experiment: &Experiment) -> Result<Experiment> {
        self.write(Command::CreateExperiment(experiment.clone()))
            .await?;
        let stored = self.experiment(&experiment.id).await?;
        stored.ok_or_else(|| {
            Error::new(ErrorKind::Unexpected, Operation::Experiment)
                .with_detail("the experiment was created but cannot be found")
        })
    }

    async fn experiment(&self, id: &ExperimentId) -> Result<Option<Experiment>> {
        let params = params![id.as_str()];
        let record = self.query_one(Operation::Experiment, statements::SELECT_EXPERIMENT, params);
        record.await?.map(ExperimentRecord::decode).transpose()
    }

    async fn experiments(&self) -> Result<Vec<Experiment>> {
        let records = self.query(Operation::Experiment, statements::SELECT_EXPERIMENTS, []);
        let records = records.await?.into_iter();
        records.map(ExperimentRecord::decode).collect()
    }

    async fn insert_with(
        &self,
        row: &Row,
        digests: Option<&ChunkDigests>,
        deadline: Option<&Deadline>,
    ) -> Result<()> {
        let new = new_row(row, digests, deadline)?;
        let command = Command::InsertRow(Box::new(new), deadline.cloned());
        self.write(command).await
    }

    async fn insert_keyed(
        &self,
        row: &Row,
        digests: Option<&ChunkDigests>,
        deadline: Option<&Deadline>,
        key: &IdempotencyKey,
    ) -> Result<bool> {
        let new = new_row(row, digests, deadline)?.with_key(key.clone());
        let command = Command::InsertRow(Box::new(new), deadline.cloned());
        is_inserted(self.write(command).await)
    }

    async fn find_keyed(
        &self,
        experiment: &ExperimentId,
        depositor: &PrincipalId,
        key: &IdempotencyKey,
    ) -> Result<Option<ArtifactId>> {
        let subject = Subject::from(Operation::FindRow);
        let params = params![experiment.as_str(), depositor.as_str(), key.as_str()];
        let record = self.query_one(subject, D::SELECT_KEY, params).await?;
        let id = record.map(|record: KeyedRecord| record.decode(Decoder(subject)));
        id.transpose()
    }

    async fn get(&self, id: ArtifactId) -> Result<Option<Row>> {
        let subject = Subject::with_id(Operation::FindRow, id);
        let params = params![id.as_bytes().as_slice()];
        let record = self.query_one(subject, statements::SELECT_ROW, params);
        record.await?.map(ArtifactRecord::decode).transpose()
    }

    async fn chunk_digests(&self, id: ArtifactId) -> Result<Option<ChunkDigests>> {
        let subject = Subject::with_id(Operation::FindRow, id);
        let params = params![id.as_bytes().as_slice()];
        let record = self.query_one(subject, D::SELECT_CHUNK_DIGESTS, params);
        let record: Option<ChunkDigestsRecord> = record.await?;
        let digests = record.map(|record| record.decode(Decoder(subject)));
        digests.transpose()
    }

    async fn delete(&self, id: ArtifactId) -> Result<()> {
        self.write(Command::DeleteRow(id)).await
    }

    fn quotas(&self) -> Option<&dyn QuotaStore> {
        Some(self)
    }

    fn replayed(&self) -> Option<&dyn ReplayCatalog> {
        self.as_replayed()
    }
}

/// Returns a row to insert, unless no database takes it.
pub(in crate::database) fn new_row(
    row: &Row,
    digests: Option<&ChunkDigests>,
    deadline: Option<&Deadline>,
) -> Result<NewRow> {
    let subject = Subject::with_id(Operation::InsertRow, row.id);
    check_insert(row, digests).map_err(|rejected| rejected.into_error(subject))?;
    Ok(NewRow::new(row.clone(), digests.cloned(), deadline))
}
