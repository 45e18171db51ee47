//! Statements on a connection to SQLite.

use std::collections::HashSet;
use std::future::ready;

use artifact_backend::ArtifactId;
use futures_util::FutureExt as _;
use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, params_from_iter};

use super::digests;
use super::error::failed;
use super::removal;
use super::sharing;
use crate::database::rejected::Rejected;
use crate::database::sql::{
    Columns, NewRow, Param, Record, Records, SharingStatements, Transaction, insert_row,
};
use crate::database::subject::Subject;
use crate::digests::ChunkDigests;
use crate::error::Error;
use crate::experiment::ExperimentId;
use crate::identity::{GroupId, MemberId};

const LAST_POSITION: &str = "SELECT coalesce(max(position), 0) FROM members WHERE group_id = $1";
const INSERT_MEMBER: &str = "\
    INSERT INTO members (group_id, member, experiment, position) VALUES ($1, $2, $3, $4) \
    ON CONFLICT (group_id, member) DO NOTHING";
/// Returns the ids of group $1 and of the groups that it is in, directly or through others.
const SELECT_ABOVE: &str = "\
    WITH RECURSIVE above (id) AS (\
        VALUES ($1) \
        UNION \
        SELECT members.group_id FROM above \
            JOIN members ON members.member = above.id AND members.experiment = $2\
    ) \
    SELECT id FROM above";

/// The reason why one command of a transaction failed.
#[derive(Debug)]
pub(super) enum WriteError {
    Sql(rusqlite::Error),
    Rejected(Rejected),
}

impl From<rusqlite::Error> for WriteError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<Rejected> for WriteError {
    fn from(rejected: Rejected) -> Self {
        Self::Rejected(rejected)
    }
}

impl WriteError {
    pub(super) fn into_error(self, subject: Subject) -> Error {
        match self {
            Self::Sql(error) => failed(subject, error),
            Self::Rejected(rejected) => rejected.into_error(subject),
        }
    }
}

/// An open transaction. It holds the write lock of the file, so nothing else changes.
pub(super) struct SqliteTransaction<'c>(pub(super) &'c Connection);

impl SqliteTransaction<'_> {
    fn execute_now(&self, statement: &str, params: &[Param]) -> Result<u64, WriteError> {
        let mut statement = self.0.prepare_cached(statement)?;
        Ok(statement.execute(params_from_iter(params))? as u64)
    }

    /// Returns whether one of these members is the group itself or contains it.
    fn closes_cycle(
        &self,
        experiment: &ExperimentId,
        group: GroupId,
        members: &[MemberId],
    ) -> Result<bool, WriteError> {
        let inner: HashSet<_> = members
            .iter()
            .filter(|member| member.group().is_some())
            .map(MemberId::as_str)
            .collect();
        if inner.is_empty() {
            return Ok(false);
        }
        let mut statement = self.0.prepare_cached(SELECT_ABOVE)?;
        let mut above = statement.query([group.as_str(), experiment.as_str()])?;
        while let Some(row) = above.next()? {
            if inner.contains(row.get_ref(0)?.as_str().unwrap_or_default()) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn append_now(
        &self,
        experiment: &ExperimentId,
        group: GroupId,
        members: &[MemberId],
    ) -> Result<u64, WriteError> {
        if self.closes_cycle(experiment, group, members)? {
            return Err(Rejected::CYCLE.into());
        }
        let (group, experiment) = (group.as_str(), experiment.as_str());
        let mut last = self.0.prepare_cached(LAST_POSITION)?;
        let last: i64 = last.query_row([group], |row| row.get(0))?;
        let mut insert = self.0.prepare_cached(INSERT_MEMBER)?;
        let mut added = 0;
        for (member, position) in members.iter().zip(last.saturating_add(1)..) {
            let row = (group, member.as_str(), experiment, position);
            added += insert.execute(row)? as u64;
        }
        Ok(added)
    }
}

/// Every future is complete at once, because SQLite blocks the thread that writes.
impl Transaction for SqliteTransaction<'_> {
    type Error = WriteError;

    const SHARING: &'static SharingStatements = sharing::STATEMENTS;

    fn execute(
        &self,
        statement: &'static str,
        params: &[Param],
    ) -> impl Future<Output = Result<u64, WriteError>> + Send {
        ready(self.execute_now(statement, params))
    }

    fn query_one<R: Record>(
        &self,
        statement: &'static str,
        params: &[Param],
    ) -> impl Future<Output = Result<Option<R>, WriteError>> + Send {
        let records = query(self.0, statement, params);
        ready(records.map(|mut records| records.pop()).map_err(Into::into))
    }

    fn add_digests(
        &self,
        id: ArtifactId,
        digests: &ChunkDigests,
    ) -> impl Future<Output = Result<bool, WriteError>> + Send {
        ready(digests::add(self.0, id, digests))
    }

    fn delete_row(&self, id: ArtifactId) -> impl Future<Output = Result<(), WriteError>> + Send {
        ready(removal::delete(self.0, id).map(drop))
    }

    /// Does nothing: the transaction holds the write lock of the whole file.
    fn fence_inserts(&self) -> impl Future<Output = Result<(), WriteError>> + Send {
        ready(Ok(()))
    }

    /// Does nothing: the transaction holds the write lock of the whole file.
    fn lock_groups(
        &self,
        _experiment: &ExperimentId,
    ) -> impl Future<Output = Result<(), WriteError>> + Send {
        ready(Ok(()))
    }

    fn append_members(
        &self,
        experiment: &ExperimentId,
        group: GroupId,
        members: &[MemberId],
    ) -> impl Future<Output = Result<u64, WriteError>> + Send {
        ready(self.append_now(experiment, group, members))
    }

    const HAS_ANY_NAME: &'static str = "\
        SELECT EXISTS (SELECT 1 FROM collection_files WHERE collection = $1 \
            AND name IN (SELECT value FROM json_each($2)))";

    fn insert_row(&self, new: &NewRow) -> impl Future<Output = Result<(), WriteError>> + Send {
        let inserted = insert_row(self, new).now_or_never();
        ready(inserted.expect("the futures of a SqliteTransaction are complete at once"))
    }
}

/// Runs a query, and reads a record from each row of the result.
pub(super) fn query<R: Record>(
    connection: &Connection,
    statement: &str,
    params: &[Param],
) -> rusqlite::Result<Vec<R>> {
    let mut statement = connection.prepare_cached(statement)?;
    let mut rows = statement.query(params_from_iter(params))?;
    let mut records = Records::new();
    while !records.is_full()
        && let Some(row) = rows.next()?
    {
        records.push(R::read(row)?);
    }
    Ok(records.into_vec())
}

impl Columns for rusqlite::Row<'_> {
    type Error = rusqlite::Error;

    fn text(&self, column: usize) -> rusqlite::Result<String> {
        self.get(column)
    }

    fn optional_text(&self, column: usize) -> rusqlite::Result<Option<String>> {
        self.get(column)
    }

    fn integer(&self, column: usize) -> rusqlite::Result<i64> {
        self.get(column)
    }

    fn optional_integer(&self, column: usize) -> rusqlite::Result<Option<i64>> {
        self.get(column)
    }

    fn boolean(&self, column: usize) -> rusqlite::Result<bool> {
        self.get(column)
    }

    fn bytes(&self, column: usize) -> rusqlite::Result<Vec<u8>> {
        self.get(column)
    }

    fn raw_text(&self, column: usize) -> rusqlite::Result<Vec<u8>> {
        Ok(self.get_ref(column)?.as_bytes()?.to_vec())
    }
}

impl ToSql for Param {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Text(text) | Self::OptionalText(Some(text)) => ValueRef::Text(text.as_bytes()),
            Self::OptionalText(None) | Self::OptionalInteger(None) => ValueRef::Null,
            Self::Integer(number) | Self::OptionalInteger(Some(number)) => {
                ValueRef::Integer(*number)
            }
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
            Self::RawText(bytes) => ValueRef::Text(bytes),
        }))
    }
}
