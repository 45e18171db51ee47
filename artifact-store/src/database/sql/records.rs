//! Records as a database returns them, and their validation.
//!
//! Every value is parsed again by the grammar that it was written with, because anyone with access to
//! the database can edit it.

use std::str::FromStr;

use artifact_backend::{ArtifactId, BoxError, Sha256Digest};
use jiff::Timestamp;

use super::Subject;
use super::pages::PageRecord;
use crate::content_type::ContentType;
use crate::credential_cache::RightsVersion;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::experiment::{Experiment, ExperimentId};
use crate::file_name::FileName;
use crate::identity::{CredentialHash, DisplayName, Group, Labels, StoredCredential, Worker};
use crate::row::Row;

/// One row of the result of a query. Columns are numbered from 0.
pub(in crate::database) trait Columns {
    type Error: std::error::Error + Send + Sync + 'static;

    fn text(&self, column: usize) -> Result<String, Self::Error>;
    fn optional_text(&self, column: usize) -> Result<Option<String>, Self::Error>;
    fn integer(&self, column: usize) -> Result<i64, Self::Error>;
    fn optional_integer(&self, column: usize) -> Result<Option<i64>, Self::Error>;
    fn boolean(&self, column: usize) -> Result<bool, Self::Error>;
    fn bytes(&self, column: usize) -> Result<Vec<u8>, Self::Error>;
    /// Returns the bytes of a text, which may not be UTF-8.
    fn raw_text(&self, column: usize) -> Result<Vec<u8>, Self::Error>;
}

/// A record that can be read from one row of a result, without validation.
pub(in crate::database) trait Record: Sized + Send + 'static {
    fn read<C: Columns>(row: &C) -> Result<Self, C::Error>;

    /// Returns the number of bytes that count towards [`MAX_BYTES`].
    fn size(&self) -> usize {
        0
    }
}

/// A record that was read together with the version of the rights, in one snapshot.
pub(in crate::database) trait VersionedRecord: Record {
    fn version(&self) -> Option<RightsVersion>;
}

/// The size of the records of one result in bytes from which on no further row is read.
pub(in crate::database) const MAX_BYTES: usize = 256 << 10;

/// The records of a result that is being read.
#[derive(Debug)]
pub(in crate::database) struct Records<R> {
    records: Vec<R>,
    bytes: usize,
}

impl<R: Record> Records<R> {
    pub(in crate::database) fn new() -> Self {
        Self {
            records: Vec::new(),
            bytes: 0,
        }
    }

    pub(in crate::database) fn push(&mut self, record: R) {
        self.bytes += record.size();
        self.records.push(record);
    }

    /// Returns whether no further row may be read.
    pub(in crate::database) fn is_full(&self) -> bool {
        self.bytes >= MAX_BYTES
    }

    pub(in crate::database) fn into_vec(self) -> Vec<R> {
        self.records
    }
}

/// The columns `id, created_at` of an experiment.
#[derive(Debug)]
pub(super) struct ExperimentRecord {
    id: String,
    created_at: i64,
}

impl Record for ExperimentRecord {
    fn read<C: Columns>(row: &C) -> Result<Self, C::Error> {
        Ok(Self {
            id: row.text(0)?,
            created_at: row.integer(1)?,
        })
    }
}

impl ExperimentRecord {
    pub(super) fn decode(self) -> Result<Experiment> {
        let decoder = Decoder(Operation::Experiment.into());
        Ok(Experiment::new(
            decoder.parse("id", &self.id)?,
            decoder.time("created_at", self.created_at)?,
        ))
    }
}

/// The columns `id, experiment, created_by, size, content_type, file_name, sha256, created_at, expires_at`
/// of an artifact's row.
#[derive(Debug)]
pub(in crate::database) struct ArtifactRecord {
    id: Vec<u8>,
    experiment: String,
    created_by: String,
    size: i64,
    content_type: String,
    file_name: Option<String>,
    sha256: Vec<u8>,
    created_at: i64,
    expires_at: Option<i64>,
}

impl Record for ArtifactRecord {
    fn read<C: Columns>(row: &C) -> Result<Self, C::Error> {
        Ok(Self {
            id: row.bytes(0)?,
            experiment: row.text(1)?,
            created_by: row.text(2)?,
            size: row.integer(3)?,
            content_type: row.text(4)?,
            file_name: row.optional_text(5)?,
            sha256: row.bytes(6)?,
            created_at: row.integer(7)?,
            expires_at: row.optional_integer(8)?,
        })
    }
}

impl ArtifactRecord {
    pub(in crate::database) fn decode(self) -> Result<Row> {
        let id = Decoder(Operation::FindRow.into()).bytes("id", &self.id)?;
        let id = ArtifactId::from_bytes(id);
        let decoder = Decoder(Subject::with_id(Operation::FindRow, id));

        let size = u64::try_from(self.size).map_err(|error| decoder.corrupt("size", error))?;
        // Sanitizing a sanitized value does not change it.
        let content_type = ContentType::clean(&self.content_type);
        if content_type.as_str() != self.content_type {
            return Err(decoder.corrupt("content_type", "it is not sanitized"));
        }
        let file_name = self.file_name.as_deref().and_then(FileName::clean);
        if file_name.as_ref().map(FileName::as_str) != self.file_name.as_deref() {
            return Err(decoder.corrupt("file_name", "it is not sanitized"));
        }
        let expires_at = self.expires_at.map(|time| decoder.time("expires_at", time));
        Ok(Row::new(
            id,
            decoder.parse("experiment", &self.experiment)?,
            decoder.parse("created_by", &self.created_by)?,
            size,
            Sha256Digest::from_bytes(decoder.bytes("sha256", &self.sha256)?),
            decoder.time("created_at", self.created_at)?,
        )
        .with_content_type(content_type)
        .with_file_name(file_name)
        .with_expires_at(expires_at.transpose()?))
    }
}

/// The columns `id, name, labels, registered_at, registered_by` of a worker.
#[derive(Debug)]
pub(super) struct WorkerRecord {
    id: String,
    name: Option<String>,
    labels: Option<String>,
    registered_at: i64,
    registered_by: String,
}

impl Record for WorkerRecord {
    fn read<C: Columns>(row: &C) -> Result<Self, C::Error> {
        Ok(Self {
            id: row.text(0)?,
            name: row.optional_text(1)?,
            labels: row.optional_text(2)?,
            registered_at: row.integer(3)?,
            registered_by: row.text(4)?,
        })
    }
}

impl PageRecord for WorkerRecord {
    const TIME: usize = 3;

    fn text_bytes(&self) -> usize {
        let optional = [&self.name, &self.labels].map(|text| text.as_ref().map_or(0, String::len));
        self.id.len() + self.registered_by.len() + optional.iter().sum::<usize>()
    }
}

impl WorkerRecord {
    pub(super) fn decode(self, experiment: &ExperimentId) -> Result<Worker> {
        let decoder = Decoder(Operation::FindWorker.into());
        let labels = self.labels.as_deref().map(Labels::from_json).transpose();
        let labels = labels.map_err(|error| decoder.corrupt("labels", error))?;
        Ok(Worker::new(
            decoder.parse("id", &self.id)?,
            experiment.clone(),
            decoder.time("registered_at", self.registered_at)?,
            decoder.parse("registered_by", &self.registered_by)?,
        )
        .with_name(decoder.name(self.name.as_deref())?)
        .with_labels(labels))
    }
}

/// The experiment of a worker, its credential, when that expires, whether it is in `admins`, and the version of the
/// rights.
#[derive(Debug)]
pub(super) struct CredentialRecord {
    experiment: String,
    credential: String,
    expires_at: Option<i64>,
    in_admins: bool,
    version: i64,
}

impl Record for CredentialRecord {
    fn read<C: Columns>(row: &C) -> Result<Self, C::Error> {
        Ok(Self {
            experiment: row.text(0)?,
            credential: row.text(1)?,
            expires_at: row.optional_integer(2)?,
            in_admins: row.boolean(3)?,
            version: row.integer(4)?,
        })
    }
}

impl VersionedRecord for CredentialRecord {
    fn version(&self) -> Option<RightsVersion> {
        RightsVersion::new(self.version)
    }
}

impl CredentialRecord {
    pub(super) fn decode(self) -> Result<StoredCredential> {
        let decoder = Decoder(Operation::FindCredential.into());
        Ok(StoredCredential::new(
            decoder.parse("experiment", &self.experiment)?,
            decoder.credential(&self.credential, self.expires_at)?,
            self.in_admins,
        ))
    }
}

/// The columns `id, name, created_at, created_by` of a group, and one of its members, if it has any.
#[derive(Debug)]
pub(super) struct MembershipRecord {
    id: String,
    name: Option<String>,
    created_at: i64,
    created_by: String,
    member: Option<String>,
}

impl Record for MembershipRecord {
    fn read<C: Columns>(row: &C) -> Result<Self, C::Error> {
        Ok(Self {
            id: row.text(0)?,
            name: row.optional_text(1)?,
            created_at: row.integer(2)?,
            created_by: row.text(3)?,
            member: row.optional_text(4)?,
        })
    }
}

impl PageRecord for MembershipRecord {
    const TIME: usize = 2;

    fn text_bytes(&self) -> usize {
        let optional = [&self.name, &self.member].map(|text| text.as_ref().map_or(0, String::len));
        self.id.len() + self.created_by.len() + optional.iter().sum::<usize>()
    }
}

impl MembershipRecord {
    /// Decodes the records of one group. Returns `None` without records.
    pub(super) fn decode_group(
        records: &[Self],
        experiment: &ExperimentId,
    ) -> Result<Option<Group>> {
        let decoder = Decoder(Operation::FindGroup.into());
        let Some(first) = records.first() else {
            return Ok(None);
        };
        let mut group = Group::new(
            decoder.parse("id", &first.id)?,
            experiment.clone(),
            decoder.time("created_at", first.created_at)?,
            decoder.parse("created_by", &first.created_by)?,
        )
        .with_name(decoder.name(first.name.as_deref())?);
        for member in records.iter().filter_map(|record| record.member.as_ref()) {
            group.members.push(decoder.parse("member", member)?);
        }
        Ok(Some(group))
    }
}

/// The name of a group.
#[derive(Debug)]
pub(super) struct NameRecord(pub(super) Option<String>);

impl Record for NameRecord {
    fn read<C: Columns>(row: &C) -> Result<Self, C::Error> {
        row.optional_text(0).map(Self)
    }
}

/// The answer to a question.
#[derive(Debug, Clone, Copy)]
pub(in crate::database) struct FlagRecord(pub(in crate::database) bool);

impl Record for FlagRecord {
    fn read<C: Columns>(row: &C) -> Result<Self, C::Error> {
        row.boolean(0).map(Self)
    }
}

/// Validates the columns of a record.
#[derive(Clone, Copy)]
pub(in crate::database) struct Decoder(pub(in crate::database) Subject);

impl Decoder {
    pub(in crate::database) fn corrupt(self, column: &str, error: impl Into<BoxError>) -> Error {
        self.0
            .error(ErrorKind::Corrupt)
            .with_detail(format!(
                "the column {column} holds a value that this store did not write"
            ))
            .with_source(error)
    }

    pub(in crate::database) fn parse<T>(self, column: &str, text: &str) -> Result<T>
    where
        T: FromStr<Err: Into<BoxError>>,
    {
        text.parse().map_err(|error| self.corrupt(column, error))
    }

    fn name(self, text: Option<&str>) -> Result<Option<DisplayName>> {
        text.map(|text| self.parse("name", text)).transpose()
    }

    /// Decodes the hash of a token and its column `credential_expires_at`.
    pub(in crate::database) fn credential(
        self,
        phc: &str,
        expires_at: Option<i64>,
    ) -> Result<CredentialHash> {
        let hash: CredentialHash = self.parse("credential", phc)?;
        let expires_at = expires_at.map(|time| self.time("credential_expires_at", time));
        Ok(hash.with_expires_at(expires_at.transpose()?))
    }

    pub(in crate::database) fn time(self, column: &str, micros: i64) -> Result<Timestamp> {
        Timestamp::from_microsecond(micros).map_err(|error| self.corrupt(column, error))
    }

    pub(in crate::database) fn bytes<const N: usize>(
        self,
        column: &str,
        bytes: &[u8],
    ) -> Result<[u8; N]> {
        bytes
            .try_into()
            .map_err(|error: std::array::TryFromSliceError| self.corrupt(column, error))
    }
}
