//! The admin token in a SQL database.

#![expect(
    clippy::future_not_send,
    reason = "a SQLite transaction stays on the writer's thread; a PostgreSQL one is Send where it is used"
)]

use async_trait::async_trait;
use jiff::Timestamp;

use super::records::{Columns, Decoder, FlagRecord, Record, VersionedRecord};
use super::{Command, Param, SqlDatabase, Transaction, params};
use crate::admin_token::{
    AdminTokenDigest, AdminTokenRecord, OldAdminToken, RecordedAdminToken, ValidAdminTokens,
};
use crate::credential_cache::RightsVersion;
use crate::database::rejected::Rejected;
use crate::error::{Error, ErrorKind, Operation, Result};

/// One snapshot holds the token and the version of all rights.
const SELECT: &str = "\
    SELECT digest, kept_in, created_at, coalesce((SELECT version FROM rights), 0), \
        coalesce(old_digest, digest), old_valid_until \
    FROM admin_token";
const WAS_REPLACED: &str = "SELECT EXISTS (SELECT 1 FROM replaced_admin_tokens WHERE digest = $1)";
// SQLite and PostgreSQL both know `true`; the column has the only value that its check allows.
const RECORD: &str = "\
    INSERT INTO admin_token (only_row, digest, kept_in, created_at) VALUES (true, $1, $2, $3) \
    ON CONFLICT (only_row) DO NOTHING";
/// Triggers note which tokens were replaced. Of those, only the one that is still valid comes back.
const REPLACE: &str = "\
    INSERT INTO admin_token (only_row, digest, kept_in, created_at) VALUES (true, $1, $2, $3) \
    ON CONFLICT (only_row) DO UPDATE \
        SET digest = excluded.digest, kept_in = excluded.kept_in, created_at = excluded.created_at, \
            old_digest = CASE WHEN CAST($4 AS bigint) IS NULL THEN NULL ELSE admin_token.digest END, old_valid_until = $4 \
        WHERE admin_token.digest <> excluded.digest AND ( \
            (admin_token.old_digest = excluded.digest AND admin_token.old_valid_until > excluded.created_at) \
            OR NOT EXISTS (SELECT 1 FROM replaced_admin_tokens WHERE digest = excluded.digest))";
const IS_CURRENT: &str = "SELECT EXISTS (SELECT 1 FROM admin_token WHERE digest = $1)";
const END_OLD: &str = "\
    UPDATE admin_token SET old_digest = NULL, old_valid_until = NULL WHERE old_digest IS NOT NULL";

/// A write of the admin token.
#[derive(Debug)]
pub(in crate::database) enum AdminTokenCommand {
    Record(RecordedAdminToken),
    /// The former token is valid until then.
    Replace(RecordedAdminToken, Option<Timestamp>),
    EndOld,
}

impl AdminTokenCommand {
    /// Returns whether the command can change a digest that another server has cached.
    #[cfg(feature = "postgres")]
    pub(super) fn changes_rights(&self) -> bool {
        !matches!(self, Self::Record(_))
    }

    /// Applies the command. Each can be repeated.
    pub(super) async fn apply<T: Transaction>(&self, tx: &T) -> Result<(), T::Error> {
        match self {
            Self::Record(token) => {
                tx.execute(RECORD, &columns(token)).await?;
            }
            Self::Replace(token, old_valid_until) => {
                let valid_until = old_valid_until.map(Timestamp::as_microsecond);
                let params = [&columns(token)[..], &params![valid_until]].concat();
                if tx.execute(REPLACE, &params).await? == 0 {
                    let digest = params![token.digest.as_bytes().as_slice()];
                    let is_current = tx.query_one(IS_CURRENT, &digest).await?;
                    if !matches!(is_current, Some(FlagRecord(true))) {
                        return Err(Rejected::TOKEN_OVER.into());
                    }
                }
            }
            Self::EndOld => {
                tx.execute(END_OLD, &[]).await?;
            }
        }
        Ok(())
    }
}

fn columns(token: &RecordedAdminToken) -> [Param; 3] {
    params![
        token.digest.as_bytes().as_slice(),
        token.kept_in.as_str(),
        token.created_at.as_microsecond(),
    ]
}

#[derive(Debug)]
struct AdminTokenRow {
    digest: Vec<u8>,
    kept_in: String,
    created_at: i64,
    version: i64,
    /// Meaningless without `old_valid_until`.
    old_digest: Vec<u8>,
    old_valid_until: Option<i64>,
}

impl Record for AdminTokenRow {
    fn read<C: Columns>(row: &C) -> Result<Self, C::Error> {
        Ok(Self {
            digest: row.bytes(0)?,
            kept_in: row.text(1)?,
            created_at: row.integer(2)?,
            version: row.integer(3)?,
            old_digest: row.bytes(4)?,
            old_valid_until: row.optional_integer(5)?,
        })
    }
}

impl AdminTokenRow {
    fn decode(&self) -> Result<RecordedAdminToken> {
        let decoder = Decoder(Operation::AdminToken.into());
        let digest = decoder.bytes("digest", &self.digest)?;
        let created_at = decoder.time("created_at", self.created_at)?;
        let digest = AdminTokenDigest::from_bytes(digest);
        let mut recorded = RecordedAdminToken::new(digest, self.kept_in.as_str(), created_at);
        if let Some(valid_until) = self.old_valid_until {
            let digest = decoder.bytes("old_digest", &self.old_digest)?;
            recorded.old = Some(OldAdminToken {
                digest: AdminTokenDigest::from_bytes(digest),
                valid_until: decoder.time("old_valid_until", valid_until)?,
            });
        }
        Ok(recorded)
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
        let recorded = row.decode()?;
        if let Some(version) = row.version() {
            let cache = &self.credentials().admin_token;
            cache.insert((), version, recorded.valid_tokens());
        }
        Ok(Some(recorded))
    }

    fn cached_admin_token(&self) -> Option<ValidAdminTokens> {
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

    async fn replace_admin_token(
        &self,
        token: &RecordedAdminToken,
        old_valid_until: Option<Timestamp>,
    ) -> Result<()> {
        let command = AdminTokenCommand::Replace(token.clone(), old_valid_until);
        self.write(Command::AdminToken(command)).await
    }

    async fn end_old_admin_token(&self) -> Result<()> {
        let command = AdminTokenCommand::EndOld;
        self.write(Command::AdminToken(command)).await
    }

    async fn was_admin_token_replaced(&self, digest: AdminTokenDigest) -> Result<bool> {
        let params = params![digest.as_bytes().as_slice()];
        let found = self.query_one(Operation::AdminToken, WAS_REPLACED, params);
        Ok(matches!(found.await?, Some(FlagRecord(true))))
    }
}
