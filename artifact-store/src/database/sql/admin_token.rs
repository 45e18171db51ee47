//! The admin token in a SQL database.

use async_trait::async_trait;

use super::records::{Columns, Decoder, FlagRecord, Record, VersionedRecord};
use super::{Command, Param, SqlDatabase, params};
use crate::admin_token::{AdminTokenDigest, AdminTokenRecord, RecordedAdminToken};
use crate::credential_cache::RightsVersion;
use crate::error::{Error, ErrorKind, Operation, Result};

/// One snapshot holds the token and the version of all rights.
const SELECT: &str = "\
    SELECT digest, kept_in, created_at, coalesce((SELECT version FROM rights), 0) FROM admin_token";
const WAS_REPLACED: &str = "SELECT EXISTS (SELECT 1 FROM replaced_admin_tokens WHERE digest = $1)";
// SQLite and PostgreSQL both know `true`; the column has the only value that its check allows.
const RECORD: &str = "\
    INSERT INTO admin_token (only_row, digest, kept_in, created_at) VALUES (true, $1, $2, $3) \
    ON CONFLICT (only_row) DO NOTHING";
/// A trigger keeps the former digest.
const REPLACE: &str = "\
    INSERT INTO admin_token (only_row, digest, kept_in, created_at) VALUES (true, $1, $2, $3) \
    ON CONFLICT (only_row) DO UPDATE \
        SET digest = excluded.digest, kept_in = excluded.kept_in, created_at = excluded.created_at";

/// A write of the admin token.
#[derive(Debug)]
pub(in crate::database) enum AdminTokenCommand {
    Record(RecordedAdminToken),
    Replace(RecordedAdminToken),
}

impl AdminTokenCommand {
    /// Returns whether the command can change a digest that another server has cached.
    #[cfg(feature = "postgres")]
    pub(super) fn changes_rights(&self) -> bool {
        matches!(self, Self::Replace(_))
    }

    /// Returns the statement and its parameters. Each can be repeated.
    pub(super) fn statement(&self) -> (&'static str, [Param; 3]) {
        let (statement, token) = match self {
            Self::Record(token) => (RECORD, token),
            Self::Replace(token) => (REPLACE, token),
        };
        let params = params![
            token.digest.as_bytes().as_slice(),
            token.kept_in.as_str(),
            token.created_at.as_microsecond(),
        ];
        (statement, params)
    }
}

#[derive(Debug)]
struct AdminTokenRow {
    digest: Vec<u8>,
    kept_in: String,
    created_at: i64,
    version: i64,
}

impl Record for AdminTokenRow {
    fn read<C: Columns>(row: &C) -> Result<Self, C::Error> {
        Ok(Self {
            digest: row.bytes(0)?,
            kept_in: row.text(1)?,
            created_at: row.integer(2)?,
            version: row.integer(3)?,
        })
    }
}

impl VersionedRecord for AdminTokenRow {
    fn version(&self) -> Option<RightsVersion> {
        RightsVersion::new(self.version)
    }
}

#[async_trait]
impl<D: SqlDatabase> AdminTokenRecord for D {
    async fn admin_token(&self) -> Result<Option<RecordedAdminToken>> {
        let found: Option<AdminTokenRow> = self.query_credential(SELECT, Vec::new()).await?;
        let Some(row) = found else {
            return Ok(None);
        };
        let decoder = Decoder(Operation::AdminToken.into());
        let digest = AdminTokenDigest::from_bytes(decoder.bytes("digest", &row.digest)?);
        let created_at = decoder.time("created_at", row.created_at)?;
        if let Some(version) = row.version() {
            self.credentials().admin_token.insert((), version, digest);
        }
        Ok(Some(RecordedAdminToken::new(
            digest,
            row.kept_in,
            created_at,
        )))
    }

    fn cached_admin_token(&self) -> Option<AdminTokenDigest> {
        let cache = &self.credentials().admin_token;
        cache.get((), || self.rights_version())
    }

    async fn record_admin_token(&self, token: &RecordedAdminToken) -> Result<RecordedAdminToken> {
        let command = AdminTokenCommand::Record(token.clone());
        self.write(Command::AdminToken(command)).await?;
        let stored = AdminTokenRecord::admin_token(self).await?;
        stored.ok_or_else(|| {
            Error::new(ErrorKind::Unexpected, Operation::AdminToken)
                .with_detail("the admin token was recorded but cannot be found")
        })
    }

    async fn replace_admin_token(&self, token: &RecordedAdminToken) -> Result<()> {
        let command = AdminTokenCommand::Replace(token.clone());
        self.write(Command::AdminToken(command)).await
    }

    async fn was_admin_token_replaced(&self, digest: AdminTokenDigest) -> Result<bool> {
        let params = params![digest.as_bytes().as_slice()];
        let found = self.query_one(Operation::AdminToken, WAS_REPLACED, params);
        Ok(matches!(found.await?, Some(FlagRecord(true))))
    }
}
