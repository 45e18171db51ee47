//! The parts that the SQL databases share: statements, records, commands, and the queue of writes.

mod admin_token;
mod administrators;
mod catalog;
mod collections;
mod command;
mod digests;
mod dump;
mod expiry;
mod identity;
mod keys;
mod locations;
mod maintenance;
mod pages;
mod param;
mod placement;
mod queue;
mod quotas;
mod receipts;
mod records;
mod scrubs;
mod sharing;
mod statements;
mod store_id;
mod uploads;

use std::fmt::Debug;

use super::subject::Subject;
use crate::catalog::ReplayCatalog;
use crate::credential_cache::{CredentialCaches, RightsVersion};
use crate::error::Result;

#[cfg(feature = "sqlite")]
pub(super) use self::catalog::new_row;
pub(super) use self::collections::{IS_SEALED, stored_state};
#[cfg(feature = "sqlite")]
pub(super) use self::command::insert_row;
pub(super) use self::command::{Command, Transaction};
pub(super) use self::digests::NewRow;
pub(super) use self::digests::digest_params;
#[cfg(feature = "postgres")]
pub(super) use self::digests::stored_chunk_bytes;
pub(super) use self::dump::{IS_EMPTY, Part, SELECT_STORE_ID, TABLES};
pub(super) use self::expiry::{ExpiryStatements, expired_page};
pub(super) use self::keys::select_key;
pub(super) use self::maintenance::{micros, position, push_row, stored_position};
pub(super) use self::param::{Param, params};
pub(super) use self::placement::{INSERT_FORMER, REPLACE_PLACEMENT, stored_epoch};
pub(super) use self::queue::{Flush, Inbox, Pending, Queue, channel, run};
#[cfg(all(test, feature = "sqlite"))]
pub(super) use self::queue::{MAX_BATCH, MAX_WAIT};
pub(super) use self::quotas::{
    LimitedRecord, SELECT_LIMITED, SqlQuotas, refused, select_quotas, stored, stored_limits,
};
pub(super) use self::receipts::SqlReceipts;
pub(super) use self::records::{
    ArtifactRecord, Columns, Decoder, FlagRecord, Record, Records, VersionedRecord,
};
pub(super) use self::scrubs::{record_scrub, scrub_values, select_last_scrub};
pub(super) use self::sharing::{
    SharingStatements, above, grant_columns, link_columns, sharing_statements,
};
#[cfg(feature = "sqlite")]
pub(super) use self::sharing::{grant_params, link_params};
#[cfg(feature = "postgres")]
pub(super) use self::uploads::PartIdRecord;
#[cfg(feature = "sqlite")]
pub(super) use self::uploads::upload_lives_until;
pub(super) use self::uploads::{
    UploadIdRecord, UploadPartRecord, UploadSessionRecord, stored_bytes, upload_columns,
    upload_is_over, upload_params,
};

/// How much a query reads. A database runs only some of its queries at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    /// A few rows at most. Never waits for a list.
    Lookup,
    /// Many rows: a page of a list, or a group with its members.
    List,
}

/// A database that runs the statements of this module. Every such database is a
/// [`Catalog`](crate::Catalog), an [`IdentityStore`](crate::IdentityStore), a
/// [`SharingRecord`](crate::SharingRecord), a [`StoreIdRecord`](crate::StoreIdRecord), a
/// [`PlacementRecord`](crate::PlacementRecord), a [`QuotaStore`](crate::QuotaStore) and a
/// [`ReceiptRecord`](crate::ReceiptRecord).
pub(super) trait SqlDatabase:
    SqlQuotas + SqlReceipts + Debug + Send + Sync + 'static
{
    /// Returns the columns `chunk_bytes, blake3, digests` of the row with the id $1.
    const SELECT_CHUNK_DIGESTS: &'static str;

    /// Returns the column `id` of the key $3 of the principal $2 in the experiment $1, if the key is still kept. A row that
    /// it finds is durable once it returns.
    const SELECT_KEY: &'static str;

    /// Returns the columns `id, collection, name` of the files that are there, of which $1 has the ids: an array in JSON of
    /// texts in hexadecimal.
    const SELECT_LOCATIONS: &'static str;

    /// The statements of grants and links.
    const SHARING: &'static SharingStatements;

    /// Runs a query in a lane, and reads a record from each row of the result. Stops reading once the
    /// records hold [`MAX_BYTES`](records::MAX_BYTES) in all.
    fn query_in<R: Record>(
        &self,
        lane: Lane,
        subject: impl Into<Subject> + Send,
        statement: &'static str,
        params: impl Into<Vec<Param>> + Send,
    ) -> impl Future<Output = Result<Vec<R>>> + Send;

    /// Applies a command, and makes it durable.
    fn write(&self, command: Command) -> impl Future<Output = Result<()>> + Send;

    /// Reads a credential and the version of the rights by a statement that returns one row at most. Does not queue behind
    /// other queries.
    fn query_credential<R: VersionedRecord>(
        &self,
        statement: &'static str,
        params: impl Into<Vec<Param>> + Send,
    ) -> impl Future<Output = Result<Option<R>>> + Send;

    /// Returns the database as a catalog that can be filled from notes. The default is that it cannot.
    fn as_replayed(&self) -> Option<&dyn ReplayCatalog> {
        None
    }

    /// Returns the caches of credentials.
    fn credentials(&self) -> &CredentialCaches;

    /// Returns the current version of the rights, if it is known without waiting. The check begins
    /// after the call, or the version is still valid for all writes that returned before the call.
    fn rights_version(&self) -> Option<RightsVersion>;

    /// Deletes grants and links that have ended, at most `limit` of each kind, and returns how many.
    fn delete_ended_shares(&self, limit: usize) -> impl Future<Output = Result<u64>> + Send;

    /// Runs a query whose result has a few rows at most.
    fn query<R: Record>(
        &self,
        subject: impl Into<Subject> + Send,
        statement: &'static str,
        params: impl Into<Vec<Param>> + Send,
    ) -> impl Future<Output = Result<Vec<R>>> + Send {
        self.query_in(Lane::Lookup, subject, statement, params)
    }

    /// Runs a query whose result has at most one row.
    fn query_one<R: Record>(
        &self,
        subject: impl Into<Subject> + Send,
        statement: &'static str,
        params: impl Into<Vec<Param>> + Send,
    ) -> impl Future<Output = Result<Option<R>>> + Send {
        async move {
            let mut records = self.query(subject, statement, params).await?;
            Ok(records.pop())
        }
    }
}
