//! Statements on a connection to SQLite.

use std::future::ready;

use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, params_from_iter};

use super::error::failed;
use crate::database::rejected::Rejected;
use crate::database::sql::{Columns, Param, Record, Transaction, params};
use crate::database::subject::Subject;
use crate::error::Error;
use crate::experiment::ExperimentId;
use crate::identity::{GroupId, MemberId};

const INSERT_MEMBER: &str = "\
    INSERT INTO members (group_id, member, experiment, position) \
    VALUES ($1, $2, $3, \
        (SELECT coalesce(max(position), 0) + 1 FROM members WHERE group_id = $1)) \
    ON CONFLICT (group_id, member) DO NOTHING";
/// Returns whether group $1 is group $2, or is in it directly or through others.
const IS_IN: &str = "\
    WITH RECURSIVE above (id) AS (\
        VALUES ($1) \
        UNION \
        SELECT members.group_id FROM above \
            JOIN members ON members.member = above.id AND members.experiment = $2\
    ) \
    SELECT EXISTS (SELECT 1 FROM above WHERE id = $3)";

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

    fn append_member(
        &self,
        experiment: &ExperimentId,
        group: GroupId,
        member: MemberId,
    ) -> Result<(), WriteError> {
        if let MemberId::Group(inner) = member {
            let closes_cycle: bool = self.0.prepare_cached(IS_IN)?.query_row(
                [group.as_str(), experiment.as_str(), inner.as_str()],
                |row| row.get(0),
            )?;
            if closes_cycle {
                return Err(Rejected::CYCLE.into());
            }
        }
        let params = params![group.as_str(), member.as_str(), experiment.as_str()];
        self.execute_now(INSERT_MEMBER, &params)?;
        Ok(())
    }
}

/// Every future is complete at once, because SQLite blocks the thread that writes.
impl Transaction for SqliteTransaction<'_> {
    type Error = WriteError;

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
    ) -> impl Future<Output = Result<(), WriteError>> + Send {
        let mut members = members.iter();
        ready(members.try_for_each(|member| self.append_member(experiment, group, *member)))
    }
}

/// Runs a query, and reads a record from each row of the result.
pub(super) fn query<R: Record>(
    connection: &Connection,
    statement: &str,
    params: &[Param],
) -> rusqlite::Result<Vec<R>> {
    let mut statement = connection.prepare_cached(statement)?;
    let records = statement.query_map(params_from_iter(params), |row| R::read(row))?;
    records.collect()
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

    fn boolean(&self, column: usize) -> rusqlite::Result<bool> {
        self.get(column)
    }

    fn bytes(&self, column: usize) -> rusqlite::Result<Vec<u8>> {
        self.get(column)
    }
}

impl ToSql for Param {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::OptionalText(Some(text)) => ValueRef::Text(text.as_bytes()),
            Self::OptionalText(None) => ValueRef::Null,
            Self::Integer(number) => ValueRef::Integer(*number),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}
