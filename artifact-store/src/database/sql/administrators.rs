//! Named administrators in a SQL database.

#![expect(
    clippy::future_not_send,
    reason = "a SQLite transaction stays on the writer's thread; a PostgreSQL one is Send where it is used"
)]

use async_trait::async_trait;
use jiff::Timestamp;

use super::pages::{self, PageRecord};
use super::records::{Columns, Decoder, Record, VersionedRecord};
use super::{Command, SqlDatabase, Transaction, params};
use crate::administrators::{Administrator, AdministratorStore};
use crate::credential_cache::RightsVersion;
use crate::database::MAX_ADMINISTRATORS;
use crate::database::rejected::Rejected;
use crate::error::{Operation, Result};
use crate::identity::{AdministratorId, CredentialHash, DisplayName, ListPosition, Page};

// SQLite numbers the parameters in the order in which they first appear.
const INSERT: &str = "\
    INSERT INTO administrators (id, name, created_at, created_by, credential, credential_expires_at) \
    VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO NOTHING";
const UPDATE_CREDENTIAL: &str = "\
    UPDATE administrators SET credential = $1, credential_expires_at = $2 WHERE id = $3";
const DELETE: &str = "DELETE FROM administrators WHERE id = $1";
const SELECT: &str = "\
    SELECT id, name, created_at, created_by, credential, credential_expires_at FROM administrators \
    WHERE id = $1";
const SELECT_PAGE: &str = "\
    SELECT id, name, created_at, created_by, credential, credential_expires_at FROM administrators \
    WHERE (created_at, id) > ($1, $2) ORDER BY created_at, id LIMIT $3";
/// One snapshot holds the credential and the version of all rights.
const SELECT_CREDENTIAL: &str = "\
    SELECT credential, credential_expires_at, coalesce((SELECT version FROM rights), 0) FROM administrators \
    WHERE id = $1";
/// All administrators, for a snapshot.
pub(super) const SELECT_ALL: &str = "\
    SELECT id, name, created_at, created_by, credential, credential_expires_at FROM administrators ORDER BY id";

/// A write to the administrators.
#[derive(Debug)]
pub(in crate::database) enum AdministratorCommand {
    Register(Box<Administrator>),
    ReplaceCredential(AdministratorId, CredentialHash),
    Delete(AdministratorId),
}

impl AdministratorCommand {
    /// Returns whether the command can change a credential that another server has cached.
    #[cfg(feature = "postgres")]
    pub(super) fn changes_rights(&self) -> bool {
        !matches!(self, Self::Register(_))
    }

    pub(super) async fn apply<T: Transaction>(&self, tx: &T) -> Result<(), T::Error> {
        let (changed, rejected) = match self {
            Self::Register(administrator) => {
                let Administrator {
                    id,
                    name,
                    created_at,
                    created_by,
                    credential,
                } = &**administrator;
                let params = params![
                    id.as_str(),
                    name.as_str(),
                    created_at.as_microsecond(),
                    created_by.as_str(),
                    credential.as_phc(),
                    expiry(credential),
                ];
                (tx.execute(INSERT, &params).await?, Rejected::ID_TAKEN)
            }
            Self::ReplaceCredential(id, credential) => {
                let params = params![credential.as_phc(), expiry(credential), id.as_str()];
                let changed = tx.execute(UPDATE_CREDENTIAL, &params).await?;
                (changed, Rejected::NO_ADMINISTRATOR)
            }
            Self::Delete(id) => {
                let changed = tx.execute(DELETE, &params![id.as_str()]).await?;
                (changed, Rejected::NO_ADMINISTRATOR)
            }
        };
        match changed {
            1 => Ok(()),
            _ => Err(rejected.into()),
        }
    }
}

fn expiry(credential: &CredentialHash) -> Option<i64> {
    credential.expires_at().map(Timestamp::as_microsecond)
}

/// The columns `id, name, created_at, created_by, credential, credential_expires_at` of an administrator.
#[derive(Debug)]
pub(super) struct AdministratorRecord {
    id: String,
    name: String,
    created_at: i64,
    created_by: String,
    credential: String,
    expires_at: Option<i64>,
}

impl Record for AdministratorRecord {
    fn read<C: Columns>(row: &C) -> Result<Self, C::Error> {
        Ok(Self {
            id: row.text(0)?,
            name: row.text(1)?,
            created_at: row.integer(2)?,
            created_by: row.text(3)?,
            credential: row.text(4)?,
            expires_at: row.optional_integer(5)?,
        })
    }
}

impl PageRecord for AdministratorRecord {
    const TIME: usize = 2;

    fn text_bytes(&self) -> usize {
        [&self.id, &self.name, &self.created_by, &self.credential]
            .map(String::len)
            .iter()
            .sum()
    }
}

impl AdministratorRecord {
    pub(super) fn decode(self) -> Result<Administrator> {
        let decoder = Decoder(Operation::FindAdministrator.into());
        Ok(Administrator::new(
            decoder.parse("id", &self.id)?,
            decoder.parse("name", &self.name)?,
            decoder.time("created_at", self.created_at)?,
            decoder.parse("created_by", &self.created_by)?,
            decoder.credential(&self.credential, self.expires_at)?,
        ))
    }
}

/// The credential of an administrator, when it expires, and the version of the rights.
#[derive(Debug)]
struct AdministratorCredentialRecord {
    credential: String,
    expires_at: Option<i64>,
    version: i64,
}

impl Record for AdministratorCredentialRecord {
    fn read<C: Columns>(row: &C) -> Result<Self, C::Error> {
        Ok(Self {
            credential: row.text(0)?,
            expires_at: row.optional_integer(1)?,
            version: row.integer(2)?,
        })
    }
}

impl VersionedRecord for AdministratorCredentialRecord {
    fn version(&self) -> Option<RightsVersion> {
        RightsVersion::new(self.version)
    }
}

#[async_trait]
impl<D: SqlDatabase> AdministratorStore for D {
    async fn register_administrator(&self, administrator: &Administrator) -> Result<()> {
        if DisplayName::is_reserved_for_workers(&administrator.name) {
            return Err(Rejected::RESERVED_NAME.into_error(Operation::WriteAdministrator));
        }
        let command = AdministratorCommand::Register(Box::new(administrator.clone()));
        self.write(Command::Administrator(command)).await
    }

    async fn administrator(&self, id: AdministratorId) -> Result<Option<Administrator>> {
        let record = self.query_one(Operation::FindAdministrator, SELECT, params![id.as_str()]);
        let record: Option<AdministratorRecord> = record.await?;
        record.map(AdministratorRecord::decode).transpose()
    }

    async fn administrator_page(
        &self,
        after: &ListPosition,
        limit: usize,
    ) -> Result<Page<Administrator>> {
        let limit = limit.clamp(1, MAX_ADMINISTRATORS);
        let operation = Operation::FindAdministrator;
        let page = pages::simple(self, operation, SELECT_PAGE, Vec::new(), after, limit);
        Ok(page.await?.decode(AdministratorRecord::decode))
    }

    async fn replace_administrator_credential(
        &self,
        id: AdministratorId,
        credential: &CredentialHash,
    ) -> Result<()> {
        let command = AdministratorCommand::ReplaceCredential(id, credential.clone());
        self.write(Command::Administrator(command)).await
    }

    async fn delete_administrator(&self, id: AdministratorId) -> Result<()> {
        let command = AdministratorCommand::Delete(id);
        self.write(Command::Administrator(command)).await
    }

    async fn administrator_credential(
        &self,
        id: AdministratorId,
    ) -> Result<Option<CredentialHash>> {
        let found = self.query_credential(SELECT_CREDENTIAL, params![id.as_str()]);
        let Some(record) = found.await? else {
            return Ok(None);
        };
        let record: AdministratorCredentialRecord = record;
        let decoder = Decoder(Operation::FindCredential.into());
        let hash = decoder.credential(&record.credential, record.expires_at)?;
        if let Some(version) = record.version() {
            let cache = &self.credentials().administrators;
            cache.insert(id, version, hash.clone());
        }
        Ok(Some(hash))
    }

    fn cached_administrator_credential(&self, id: AdministratorId) -> Option<CredentialHash> {
        let cache = &self.credentials().administrators;
        cache.get(id, || self.rights_version())
    }
}
