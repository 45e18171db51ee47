//! The records of upload sessions in a SQL database. An empty byte string stands for no digest and for no artifact.

use std::time::Duration;

use artifact_backend::{ArtifactId, Sha256Digest};

use super::maintenance::micros;
use super::placement::stored_epoch;
use super::records::{Columns, Decoder, Record};
use super::{Param, params};
use crate::content_type::ContentType;
use crate::error::{Operation, Result};
use crate::file_name::FileName;
use crate::uploads::{UploadId, UploadPart, UploadSession};

/// The columns of a session.
macro_rules! upload_columns {
    () => {
        "id, experiment, created_by, content_type, file_name, expires_in, sha256, placement, length, \
         received, parts, artifact, expires_at"
    };
}
pub(in crate::database) use upload_columns;

/// The condition of a session that is over. The argument is an expression of the current time in microseconds.
macro_rules! upload_is_over {
    ($now:expr) => {
        concat!(
            "(ended OR expires_at <= ",
            $now,
            " OR (octet_length(artifact) = 0 AND placement < coalesce((SELECT fence FROM placement), 0)))"
        )
    };
}
pub(in crate::database) use upload_is_over;

#[cfg(feature = "sqlite")]
/// The time until which a session lives that has `$received` bytes from now on, of the declared length `$length`: `$lasts`
/// microseconds, but at most a day if it is whole. `$least` is the function of two numbers that returns the smaller one.
macro_rules! upload_lives_until {
    ($now:expr, $least:literal, $length:literal, $received:literal, $lasts:literal) => {
        concat!(
            $now,
            " + CASE WHEN ",
            $length,
            " = ",
            $received,
            " THEN ",
            $least,
            "(",
            $lasts,
            ", 86400000000) ELSE ",
            $lasts,
            " END"
        )
    };
}
#[cfg(feature = "sqlite")]
pub(in crate::database) use upload_lives_until;

/// A session.
#[derive(Debug)]
pub(in crate::database) struct UploadSessionRecord {
    id: Vec<u8>,
    experiment: String,
    created_by: String,
    content_type: String,
    file_name: Option<String>,
    expires_in: Option<i64>,
    sha256: Vec<u8>,
    placement: i64,
    length: Option<i64>,
    received: i64,
    parts: i64,
    artifact: Vec<u8>,
    expires_at: i64,
}

impl Record for UploadSessionRecord {
    fn read<C: Columns>(row: &C) -> Result<Self, C::Error> {
        Ok(Self {
            id: row.bytes(0)?,
            experiment: row.text(1)?,
            created_by: row.text(2)?,
            content_type: row.text(3)?,
            file_name: row.optional_text(4)?,
            expires_in: row.optional_integer(5)?,
            sha256: row.bytes(6)?,
            placement: row.integer(7)?,
            length: row.optional_integer(8)?,
            received: row.integer(9)?,
            parts: row.integer(10)?,
            artifact: row.bytes(11)?,
            expires_at: row.integer(12)?,
        })
    }
}

impl UploadSessionRecord {
    pub(in crate::database) fn decode(self) -> Result<UploadSession> {
        let decoder = Decoder(Operation::Upload.into());
        let number =
            |column, value| u64::try_from(value).map_err(|error| decoder.corrupt(column, error));
        let content_type = ContentType::clean(&self.content_type);
        if content_type.as_str() != self.content_type {
            return Err(decoder.corrupt("content_type", "it is not sanitized"));
        }
        let file_name = self.file_name.as_deref().and_then(FileName::clean);
        if file_name.as_ref().map(FileName::as_str) != self.file_name.as_deref() {
            return Err(decoder.corrupt("file_name", "it is not sanitized"));
        }
        let mut session = UploadSession::new(
            UploadId::from_bytes(decoder.bytes("id", &self.id)?),
            decoder.parse("experiment", &self.experiment)?,
            decoder.parse("created_by", &self.created_by)?,
        );
        session.content_type = content_type;
        session.file_name = file_name;
        let expires_in = self.expires_in.map(|period| number("expires_in", period));
        session.expires_in = expires_in.transpose()?.map(Duration::from_micros);
        if !self.sha256.is_empty() {
            let sha256 = decoder.bytes("sha256", &self.sha256)?;
            session.sha256 = Some(Sha256Digest::from_bytes(sha256));
        }
        session.placement = number("placement", self.placement)?;
        let length = self.length.map(|length| number("length", length));
        session.length = length.transpose()?;
        session.offset = number("received", self.received)?;
        session.parts = number("parts", self.parts)?;
        if !self.artifact.is_empty() {
            let artifact = decoder.bytes("artifact", &self.artifact)?;
            session.artifact = Some(ArtifactId::from_bytes(artifact));
        }
        session.expires_at = decoder.time("expires_at", self.expires_at)?;
        Ok(session)
    }
}

/// The columns `id, begins_at, size, sha256` of a part.
#[derive(Debug)]
pub(in crate::database) struct UploadPartRecord {
    id: Vec<u8>,
    begins_at: i64,
    size: i64,
    sha256: Vec<u8>,
}

impl Record for UploadPartRecord {
    fn read<C: Columns>(row: &C) -> Result<Self, C::Error> {
        Ok(Self {
            id: row.bytes(0)?,
            begins_at: row.integer(1)?,
            size: row.integer(2)?,
            sha256: row.bytes(3)?,
        })
    }
}

impl UploadPartRecord {
    pub(in crate::database) fn decode(self) -> Result<UploadPart> {
        let decoder = Decoder(Operation::Upload.into());
        let number =
            |column, value| u64::try_from(value).map_err(|error| decoder.corrupt(column, error));
        Ok(UploadPart::new(
            ArtifactId::from_bytes(decoder.bytes("id", &self.id)?),
            number("begins_at", self.begins_at)?,
            number("size", self.size)?,
            Sha256Digest::from_bytes(decoder.bytes("sha256", &self.sha256)?),
        ))
    }
}

/// The id of a session.
#[derive(Debug)]
pub(in crate::database) struct UploadIdRecord(Vec<u8>);

impl Record for UploadIdRecord {
    fn read<C: Columns>(row: &C) -> Result<Self, C::Error> {
        row.bytes(0).map(Self)
    }
}

impl UploadIdRecord {
    pub(in crate::database) fn decode(self) -> Result<UploadId> {
        let decoder = Decoder(Operation::Upload.into());
        Ok(UploadId::from_bytes(decoder.bytes("id", &self.0)?))
    }
}

/// The id of a part.
#[cfg(feature = "postgres")]
#[derive(Debug)]
pub(in crate::database) struct PartIdRecord(Vec<u8>);

#[cfg(feature = "postgres")]
impl Record for PartIdRecord {
    fn read<C: Columns>(row: &C) -> Result<Self, C::Error> {
        row.bytes(0).map(Self)
    }
}

#[cfg(feature = "postgres")]
impl PartIdRecord {
    pub(in crate::database) fn decode(self) -> Result<ArtifactId> {
        let decoder = Decoder(Operation::Upload.into());
        Ok(ArtifactId::from_bytes(decoder.bytes("id", &self.0)?))
    }
}

/// Returns a number of bytes as it is stored. The databases hold numbers up to `i64::MAX`; a larger one never fits.
pub(in crate::database) fn stored_bytes(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// Returns the values of `id, experiment, created_by, content_type, file_name, expires_in, sha256, placement, length`.
pub(in crate::database) fn upload_params(session: &UploadSession) -> [Param; 9] {
    let sha256 = session.sha256.as_ref();
    params![
        session.id.as_bytes().as_slice(),
        session.experiment.as_str(),
        session.created_by.as_str(),
        session.content_type.as_str(),
        session.file_name.as_ref().map(FileName::as_str),
        session.expires_in.map(micros),
        sha256.map_or(&[][..], |sha256| sha256.as_bytes().as_slice()),
        stored_epoch(session.placement),
        session.length.map(stored_bytes),
    ]
}
