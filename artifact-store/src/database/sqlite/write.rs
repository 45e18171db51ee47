//! What the thread that writes can be asked for.

use artifact_backend::ArtifactId;
use rusqlite::Connection;

use super::error::failed;
use super::{codec, identity};
use crate::error::{Error, ErrorKind, Operation};
use crate::experiment::{Experiment, ExperimentId};
use crate::identity::{CredentialHash, Group, GroupId, MemberId, Worker, WorkerId};
use crate::row::Row;

/// One change. Where it fails it undoes just itself, and the transaction's others stay.
#[derive(Debug)]
pub(super) enum Write {
    Experiment(Experiment),
    Row(Box<Row>),
    Delete(ArtifactId),
    Worker(Box<Worker>, CredentialHash),
    Credential(ExperimentId, WorkerId, CredentialHash),
    Group(Box<Group>),
    AddMember(ExperimentId, GroupId, MemberId),
    RemoveMember(ExperimentId, GroupId, MemberId),
    DeleteGroup(ExperimentId, GroupId),
}

/// Why one change was not made.
#[derive(Debug)]
pub(super) enum Refused {
    Sql(rusqlite::Error),
    /// What no constraint of the schema can say.
    Rule(ErrorKind, &'static str),
}

impl From<rusqlite::Error> for Refused {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl Write {
    pub(super) fn operation(&self) -> Operation {
        match self {
            Self::Experiment(_) => Operation::Experiment,
            Self::Row(_) => Operation::InsertRow,
            Self::Delete(_) => Operation::DeleteRow,
            Self::Worker(..) | Self::Credential(..) => Operation::WriteWorker,
            Self::Group(_)
            | Self::AddMember(..)
            | Self::RemoveMember(..)
            | Self::DeleteGroup(..) => Operation::WriteGroup,
        }
    }

    fn id(&self) -> Option<ArtifactId> {
        match self {
            Self::Row(row) => Some(row.id),
            Self::Delete(id) => Some(*id),
            _ => None,
        }
    }

    pub(super) fn apply(&self, connection: &Connection) -> Result<(), Refused> {
        match self {
            // One statement that fails undoes just itself (`ABORT`, the default of
            // <https://sqlite.org/lang_conflict.html>).
            Self::Row(row) => Ok(codec::insert_row(connection, row)?),
            Self::Delete(id) => Ok(codec::delete_row(connection, *id)?),
            _ => whole(connection, || self.apply_statements(connection)),
        }
    }

    fn apply_statements(&self, connection: &Connection) -> Result<(), Refused> {
        match self {
            Self::Experiment(experiment) => {
                if codec::insert_experiment(connection, experiment)? {
                    for group in Group::founding(experiment) {
                        identity::insert_group(connection, &group)?;
                    }
                }
                Ok(())
            }
            Self::Row(row) => Ok(codec::insert_row(connection, row)?),
            Self::Delete(id) => Ok(codec::delete_row(connection, *id)?),
            Self::Worker(worker, credential) => {
                identity::register_worker(connection, worker, credential)
            }
            Self::Credential(experiment, id, credential) => {
                identity::replace_credential(connection, experiment, *id, credential)
            }
            Self::Group(group) => identity::create_group(connection, group),
            Self::AddMember(experiment, group, member) => {
                identity::add_member(connection, experiment, *group, *member)
            }
            Self::RemoveMember(experiment, group, member) => {
                identity::remove_member(connection, experiment, *group, *member)
            }
            Self::DeleteGroup(experiment, group) => {
                identity::delete_group(connection, experiment, *group)
            }
        }
    }

    pub(super) fn fail(&self, kind: ErrorKind, detail: &'static str) -> Error {
        let error = Error::new(kind, self.operation()).with_detail(detail);
        match self.id() {
            Some(id) => error.with_id(id),
            None => error,
        }
    }

    pub(super) fn refused(&self, refused: Refused) -> Error {
        match refused {
            Refused::Sql(error) => failed(self.operation(), self.id(), error),
            Refused::Rule(kind, detail) => self.fail(kind, detail),
        }
    }
}

/// Makes several statements one: all of them are done, or none.
fn whole(
    connection: &Connection,
    statements: impl FnOnce() -> Result<(), Refused>,
) -> Result<(), Refused> {
    connection.execute_batch("SAVEPOINT change")?;
    let done = statements();
    // A failure such as a full disk ended the whole transaction, and the savepoint with it.
    if connection.is_autocommit() {
        return done;
    }
    if done.is_err() {
        connection.execute_batch("ROLLBACK TO change")?;
    }
    connection.execute_batch("RELEASE change")?;
    done
}
