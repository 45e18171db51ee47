//! Workers and groups read back, by the grammars that they were written by.

use jiff::Timestamp;

use crate::error::{Error, ErrorKind, Operation, Result};
use crate::experiment::ExperimentId;
use crate::identity::{DisplayName, Group, Labels, StoredCredential, Worker};

/// A worker as it is in the file, not yet parsed.
#[derive(Debug)]
pub(super) struct StoredWorker {
    id: String,
    name: Option<String>,
    labels: Option<String>,
    registered_at: i64,
    registered_by: String,
}

pub(super) fn stored_worker(row: &rusqlite::Row<'_>) -> rusqlite::Result<StoredWorker> {
    Ok(StoredWorker {
        id: row.get(0)?,
        name: row.get(1)?,
        labels: row.get(2)?,
        registered_at: row.get(3)?,
        registered_by: row.get(4)?,
    })
}

pub(super) fn worker(experiment: &ExperimentId, stored: StoredWorker) -> Result<Worker> {
    let corrupt = |column| corrupt(Operation::FindWorker, column);
    let StoredWorker {
        id,
        name,
        labels,
        registered_at,
        registered_by,
    } = stored;
    let id = id
        .parse()
        .map_err(|error| corrupt("id").with_source(error))?;
    let registered_at = Timestamp::from_microsecond(registered_at)
        .map_err(|error| corrupt("registered_at").with_source(error))?;
    let registered_by = registered_by
        .parse()
        .map_err(|error| corrupt("registered_by").with_source(error))?;
    let labels = labels.as_deref().map(Labels::from_json).transpose();
    let labels = labels.map_err(|error| corrupt("labels").with_source(error))?;
    let name = display_name(name).map_err(|error| corrupt("name").with_source(error))?;
    Ok(
        Worker::new(id, experiment.clone(), registered_at, registered_by)
            .with_name(name)
            .with_labels(labels),
    )
}

/// A credential as it is in the file, not yet parsed.
pub(super) type RawCredential = (String, String, bool);

pub(super) fn raw_credential(row: &rusqlite::Row<'_>) -> rusqlite::Result<RawCredential> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
}

pub(super) fn credential(stored: RawCredential) -> Result<StoredCredential> {
    let corrupt = |column| corrupt(Operation::FindCredential, column);
    let (experiment, hash, in_admins) = stored;
    let experiment = experiment
        .parse()
        .map_err(|error| corrupt("experiment").with_source(error))?;
    let hash = hash
        .parse()
        .map_err(|error| corrupt("credential").with_source(error))?;
    Ok(StoredCredential::new(experiment, hash, in_admins))
}

/// A group with one of its members, or with none, as it is in the file.
#[derive(Debug)]
pub(super) struct StoredMembership {
    id: String,
    name: Option<String>,
    created_at: i64,
    created_by: String,
    member: Option<String>,
}

pub(super) fn stored_membership(row: &rusqlite::Row<'_>) -> rusqlite::Result<StoredMembership> {
    Ok(StoredMembership {
        id: row.get(0)?,
        name: row.get(1)?,
        created_at: row.get(2)?,
        created_by: row.get(3)?,
        member: row.get(4)?,
    })
}

/// The groups of these memberships, which come group by group.
pub(super) fn groups(
    experiment: &ExperimentId,
    stored: Vec<StoredMembership>,
) -> Result<Vec<Group>> {
    let corrupt = |column| corrupt(Operation::FindGroup, column);
    let mut groups: Vec<Group> = Vec::new();
    for membership in stored {
        let StoredMembership {
            id,
            name,
            created_at,
            created_by,
            member,
        } = membership;
        if groups.last().is_none_or(|last| last.id.as_str() != id) {
            let id = id
                .parse()
                .map_err(|error| corrupt("id").with_source(error))?;
            let created_at = Timestamp::from_microsecond(created_at)
                .map_err(|error| corrupt("created_at").with_source(error))?;
            let created_by = created_by
                .parse()
                .map_err(|error| corrupt("created_by").with_source(error))?;
            let name = display_name(name).map_err(|error| corrupt("name").with_source(error))?;
            let group = Group::new(id, experiment.clone(), created_at, created_by);
            groups.push(group.with_name(name));
        }
        if let (Some(group), Some(member)) = (groups.last_mut(), member) {
            let member = member
                .parse()
                .map_err(|error| corrupt("member").with_source(error))?;
            group.members.push(member);
        }
    }
    Ok(groups)
}

fn display_name(
    stored: Option<String>,
) -> Result<Option<DisplayName>, crate::identity::InvalidDisplayName> {
    stored.map(|name| name.parse()).transpose()
}

fn corrupt(operation: Operation, column: &str) -> Error {
    Error::new(ErrorKind::Corrupt, operation)
        .with_detail(format!("column {column} is not what this store writes"))
}
