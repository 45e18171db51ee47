//! Workers and groups read back, by the grammars that they were written by.

use jiff::Timestamp;
use tokio_postgres::Row;

use super::super::error::Failure;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::experiment::ExperimentId;
use crate::identity::{DisplayName, Group, InvalidDisplayName, Labels, StoredCredential, Worker};

pub(super) fn worker(experiment: &ExperimentId, stored: &Row) -> Result<Worker> {
    let corrupt = |column| corrupt(Operation::FindWorker, column);
    let failed = |error| Failure::of(error).into_error(Operation::FindWorker, None);
    let text = |at: usize| stored.try_get::<_, Option<&str>>(at).map_err(failed);

    let id = stored.try_get::<_, &str>(0).map_err(failed)?.parse();
    let id = id.map_err(|error| corrupt("id").with_source(error))?;
    let name = display_name(text(1)?).map_err(|error| corrupt("name").with_source(error))?;
    let labels = text(2)?.map(Labels::from_json).transpose();
    let labels = labels.map_err(|error| corrupt("labels").with_source(error))?;
    let registered_at = Timestamp::from_microsecond(stored.try_get(3).map_err(failed)?)
        .map_err(|error| corrupt("registered_at").with_source(error))?;
    let registered_by = stored.try_get::<_, &str>(4).map_err(failed)?.parse();
    let registered_by =
        registered_by.map_err(|error| corrupt("registered_by").with_source(error))?;
    Ok(
        Worker::new(id, experiment.clone(), registered_at, registered_by)
            .with_name(name)
            .with_labels(labels),
    )
}

pub(super) fn credential(stored: &Row) -> Result<StoredCredential> {
    let corrupt = |column| corrupt(Operation::FindCredential, column);
    let failed = |error| Failure::of(error).into_error(Operation::FindCredential, None);

    let experiment = stored.try_get::<_, &str>(0).map_err(failed)?.parse();
    let experiment = experiment.map_err(|error| corrupt("experiment").with_source(error))?;
    let hash = stored.try_get::<_, &str>(1).map_err(failed)?.parse();
    let hash = hash.map_err(|error| corrupt("credential").with_source(error))?;
    let in_admins = stored.try_get(2).map_err(failed)?;
    Ok(StoredCredential::new(experiment, hash, in_admins))
}

/// The groups of these rows: each is a group with one of its members, or with none, and they come
/// group by group.
pub(super) fn groups(experiment: &ExperimentId, stored: &[Row]) -> Result<Vec<Group>> {
    let corrupt = |column| corrupt(Operation::FindGroup, column);
    let failed = |error| Failure::of(error).into_error(Operation::FindGroup, None);
    let mut groups: Vec<Group> = Vec::new();
    for row in stored {
        let text = |at: usize| row.try_get::<_, Option<&str>>(at).map_err(failed);
        let id = row.try_get::<_, &str>(0).map_err(failed)?;
        if groups.last().is_none_or(|last| last.id.as_str() != id) {
            let id = id
                .parse()
                .map_err(|error| corrupt("id").with_source(error))?;
            let name =
                display_name(text(1)?).map_err(|error| corrupt("name").with_source(error))?;
            let created_at = Timestamp::from_microsecond(row.try_get(2).map_err(failed)?)
                .map_err(|error| corrupt("created_at").with_source(error))?;
            let created_by = row.try_get::<_, &str>(3).map_err(failed)?.parse();
            let created_by =
                created_by.map_err(|error| corrupt("created_by").with_source(error))?;
            let group = Group::new(id, experiment.clone(), created_at, created_by);
            groups.push(group.with_name(name));
        }
        if let (Some(group), Some(member)) = (groups.last_mut(), text(4)?) {
            let member = member
                .parse()
                .map_err(|error| corrupt("member").with_source(error))?;
            group.members.push(member);
        }
    }
    Ok(groups)
}

fn display_name(stored: Option<&str>) -> Result<Option<DisplayName>, InvalidDisplayName> {
    stored.map(str::parse).transpose()
}

fn corrupt(operation: Operation, column: &str) -> Error {
    Error::new(ErrorKind::Corrupt, operation)
        .with_detail(format!("column {column} is not what this store writes"))
}
