//! Statements in a transaction of PostgreSQL.

use std::error::Error as StdError;
use std::pin::pin;

use artifact_backend::ArtifactId;
use bytes::BytesMut;
use deadpool_postgres::Transaction as Inner;
use futures_util::TryStreamExt as _;
use tokio_postgres::RowStream;
use tokio_postgres::types::{IsNull, ToSql, Type};

use super::digests;
use super::error::Failure;
use super::insert::insert_one;
use super::sharing;
use crate::database::rejected::Rejected;
use crate::database::sql::{
    Columns, NewRow, Param, Record, Records, SharingStatements, Transaction, digest_params, params,
};
use crate::digests::ChunkDigests;
use crate::experiment::ExperimentId;
use crate::identity::{GroupId, MemberId};

/// Locks an experiment until the transaction ends. Every change of its groups takes this lock, so two
/// changes cannot close a cycle together. Row inserts do not wait for it.
const LOCK_EXPERIMENT: &str = "SELECT id FROM experiments WHERE id = $1 FOR NO KEY UPDATE";
const INSERT_MEMBERS: &str = "\
    INSERT INTO members (group_id, member, experiment, position) \
    SELECT $1, new.member, $3, new.at + \
        (SELECT coalesce(max(position), 0) FROM members WHERE group_id = $1) \
    FROM unnest($2::text[]) WITH ORDINALITY AS new (member, at) ORDER BY new.at \
    ON CONFLICT (group_id, member) DO NOTHING";
/// Returns whether group $1 is one of the groups $2, or a direct or indirect member of one.
const IS_IN: &str = "\
    WITH RECURSIVE above (id) AS (\
        SELECT $1::text COLLATE \"C\" \
        UNION \
        SELECT members.group_id FROM above \
            JOIN members ON members.member = above.id AND members.experiment = $3\
    ) \
    SELECT EXISTS (SELECT FROM above WHERE id = ANY ($2))";

/// An open transaction.
pub(super) struct PostgresTransaction<'c>(pub(super) &'c Inner<'c>);

impl Transaction for PostgresTransaction<'_> {
    type Error = Failure;

    const SHARING: &'static SharingStatements = sharing::STATEMENTS;

    async fn execute(&self, statement: &'static str, params: &[Param]) -> Result<u64, Failure> {
        let statement = self.0.prepare_cached(statement).await?;
        Ok(self.0.execute_raw(&statement, params).await?)
    }

    async fn query_one<R: Record>(
        &self,
        statement: &'static str,
        params: &[Param],
    ) -> Result<Option<R>, Failure> {
        let statement = self.0.prepare_cached(statement).await?;
        let rows = self.0.query_raw(&statement, params).await?;
        Ok(read_all(rows).await?.pop())
    }

    async fn add_digests(&self, id: ArtifactId, digests: &ChunkDigests) -> Result<bool, Failure> {
        let statement = self.0.prepare_cached(digests::ADD).await?;
        let mut params = Vec::from(params![id.as_bytes().as_slice()]);
        params.extend(digest_params(digests));
        Ok(self.0.execute_raw(&statement, params).await? == 1)
    }

    async fn delete_row(&self, id: ArtifactId) -> Result<(), Failure> {
        let params = params![id.as_bytes().as_slice()];
        self.execute("SELECT remove_row($1, false, true)", &params)
            .await?;
        Ok(())
    }

    async fn fence_inserts(&self) -> Result<(), Failure> {
        self.execute("SELECT fence_inserts()", &[]).await?;
        Ok(())
    }

    async fn lock_groups(&self, experiment: &ExperimentId) -> Result<(), Failure> {
        let statement = self.0.prepare_cached(LOCK_EXPERIMENT).await?;
        self.0
            .execute_raw(&statement, params![experiment.as_str()])
            .await?;
        Ok(())
    }

    async fn append_members(
        &self,
        experiment: &ExperimentId,
        group: GroupId,
        members: &[MemberId],
    ) -> Result<u64, Failure> {
        // The statement would count as a change of rights.
        if members.is_empty() {
            return Ok(0);
        }
        let (experiment, group) = (experiment.as_str(), group.as_str());
        let groups = members.iter().filter(|member| member.group().is_some());
        let groups: Vec<_> = groups.map(MemberId::as_str).collect();
        if !groups.is_empty() {
            let statement = self.0.prepare_cached(IS_IN).await?;
            let row = self
                .0
                .query_one(&statement, &[&group, &groups, &experiment])
                .await?;
            if row.try_get(0)? {
                return Err(Rejected::CYCLE.into());
            }
        }
        let members: Vec<_> = members.iter().map(MemberId::as_str).collect();
        let statement = self.0.prepare_cached(INSERT_MEMBERS).await?;
        Ok(self
            .0
            .execute(&statement, &[&group, &members, &experiment])
            .await?)
    }

    const HAS_ANY_NAME: &'static str = "\
        SELECT EXISTS (SELECT FROM collection_files WHERE collection = $1 \
            AND name = ANY (ARRAY(SELECT jsonb_array_elements_text($2::text::jsonb))))";

    async fn insert_row(&self, new: &NewRow) -> Result<(), Failure> {
        insert_one(self.0, new).await
    }
}

/// Reads a record from each row of a result, until the records are full.
pub(super) async fn read_all<R: Record>(rows: RowStream) -> Result<Vec<R>, tokio_postgres::Error> {
    let mut rows = pin!(rows);
    let mut records = Records::new();
    while !records.is_full()
        && let Some(row) = rows.try_next().await?
    {
        records.push(R::read(&row)?);
    }
    Ok(records.into_vec())
}

impl Columns for tokio_postgres::Row {
    type Error = tokio_postgres::Error;

    fn text(&self, column: usize) -> Result<String, tokio_postgres::Error> {
        self.try_get(column)
    }

    fn optional_text(&self, column: usize) -> Result<Option<String>, tokio_postgres::Error> {
        self.try_get(column)
    }

    fn integer(&self, column: usize) -> Result<i64, tokio_postgres::Error> {
        self.try_get(column)
    }

    fn optional_integer(&self, column: usize) -> Result<Option<i64>, tokio_postgres::Error> {
        self.try_get(column)
    }

    fn boolean(&self, column: usize) -> Result<bool, tokio_postgres::Error> {
        self.try_get(column)
    }

    fn bytes(&self, column: usize) -> Result<Vec<u8>, tokio_postgres::Error> {
        self.try_get(column)
    }

    /// PostgreSQL stores only texts that are valid in the encoding of the database.
    fn raw_text(&self, column: usize) -> Result<Vec<u8>, tokio_postgres::Error> {
        self.text(column).map(String::into_bytes)
    }
}

impl Param {
    fn as_sql(&self) -> &(dyn ToSql + Sync) {
        match self {
            Self::Text(text) => text,
            Self::OptionalText(text) => text,
            Self::Integer(number) => number,
            Self::OptionalInteger(number) => number,
            Self::Bytes(bytes) | Self::RawText(bytes) => bytes,
        }
    }
}

impl ToSql for Param {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        self.to_sql_checked(ty, out)
    }

    /// The value's own type decides in [`to_sql_checked`](ToSql::to_sql_checked).
    fn accepts(_: &Type) -> bool {
        true
    }

    fn to_sql_checked(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        match self {
            // The binary form of a text is its bytes; the server checks them.
            Self::RawText(bytes) => bytes.as_slice().to_sql(ty, out),
            _ => self.as_sql().to_sql_checked(ty, out),
        }
    }
}
