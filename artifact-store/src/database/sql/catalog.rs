//! The catalog in a SQL database.

use artifact_backend::ArtifactId;
use async_trait::async_trait;

use super::records::{ArtifactRecord, ExperimentRecord};
use super::{Command, NewRow, SqlDatabase, Subject, params, statements};
use crate::catalog::Catalog;
use crate::database::rejected::Rejected;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::experiment::{Experiment, ExperimentId};
use crate::row::Row;
use crate::time::Deadline;

async fn insert(database: &impl SqlDatabase, row: &Row, deadline: Option<Deadline>) -> Result<()> {
    if i64::try_from(row.size).is_err() {
        return Err(Rejected::SIZE.into_error(Subject::with_id(Operation::InsertRow, row.id)));
    }
    let new = NewRow::new(row.clone(), deadline.as_ref());
    let command = Command::InsertRow(Box::new(new), deadline);
    database.write(command).await
}

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

    async fn insert(&self, row: &Row) -> Result<()> {
        insert(self, row, None).await
    }

    async fn insert_before(&self, row: &Row, deadline: &Deadline) -> Result<()> {
        insert(self, row, Some(deadline.clone())).await
    }

    async fn get(&self, id: ArtifactId) -> Result<Option<Row>> {
        let subject = Subject::with_id(Operation::FindRow, id);
        let params = params![id.as_bytes().as_slice()];
        let record = self.query_one(subject, statements::SELECT_ROW, params);
        record.await?.map(ArtifactRecord::decode).transpose()
    }

    async fn delete(&self, id: ArtifactId) -> Result<()> {
        self.write(Command::DeleteRow(id)).await
    }
}
