//! Collections and their files as records of a result.

use artifact_backend::{ArtifactId, Sha256Digest};

use crate::collections::{Collection, CollectionFile, CollectionId, FileState};
use crate::content_type::ContentType;
use crate::database::sql::{Columns, Decoder, Record};
use crate::error::{Operation, Result};

/// The columns of a collection.
#[derive(Debug)]
pub(in crate::database::sql) struct CollectionRecord {
    id: Vec<u8>,
    experiment: String,
    owner: String,
    title: Option<String>,
    created_at: i64,
    sealed_at: Option<i64>,
    deleting_since: Option<i64>,
    files: i64,
    bytes: i64,
}

impl Record for CollectionRecord {
    fn read<C: Columns>(row: &C) -> Result<Self, C::Error> {
        Ok(Self {
            id: row.bytes(0)?,
            experiment: row.text(1)?,
            owner: row.text(2)?,
            title: row.optional_text(3)?,
            created_at: row.integer(4)?,
            sealed_at: row.optional_integer(5)?,
            deleting_since: row.optional_integer(6)?,
            files: row.integer(7)?,
            bytes: row.integer(8)?,
        })
    }
}

impl CollectionRecord {
    pub(in crate::database::sql) fn decode(self) -> Result<Collection> {
        let decoder = Decoder(Operation::Collection.into());
        let time =
            |column, time: Option<i64>| time.map(|time| decoder.time(column, time)).transpose();
        let number = |column, number: i64| {
            u64::try_from(number).map_err(|error| decoder.corrupt(column, error))
        };
        let title = self.title.as_deref();
        let title = title.map(|title| decoder.parse("title", title));
        let mut collection = Collection::new(
            CollectionId::from_bytes(decoder.bytes("id", &self.id)?),
            decoder.parse("experiment", &self.experiment)?,
            decoder.parse("owner", &self.owner)?,
            decoder.time("created_at", self.created_at)?,
        )
        .with_title(title.transpose()?);
        collection.sealed_at = time("sealed_at", self.sealed_at)?;
        collection.deleting_since = time("deleting_since", self.deleting_since)?;
        collection.files = number("files", self.files)?;
        collection.bytes = number("bytes", self.bytes)?;
        Ok(collection)
    }
}

/// The columns of a file.
#[derive(Debug)]
pub(in crate::database::sql) struct FileRecord {
    name: String,
    id: Vec<u8>,
    size: i64,
    content_type: String,
    sha256: Vec<u8>,
    created_at: i64,
    state: i64,
}

impl Record for FileRecord {
    fn read<C: Columns>(row: &C) -> Result<Self, C::Error> {
        Ok(Self {
            name: row.text(0)?,
            id: row.bytes(1)?,
            size: row.integer(2)?,
            content_type: row.text(3)?,
            sha256: row.bytes(4)?,
            created_at: row.integer(5)?,
            state: row.integer(6)?,
        })
    }
}

impl FileRecord {
    pub(in crate::database::sql) fn decode(self) -> Result<CollectionFile> {
        let decoder = Decoder(Operation::Collection.into());
        let content_type = ContentType::clean(&self.content_type);
        if content_type.as_str() != self.content_type {
            return Err(decoder.corrupt("content_type", "it is not sanitized"));
        }
        let size = u64::try_from(self.size).map_err(|error| decoder.corrupt("size", error))?;
        Ok(CollectionFile {
            path: decoder.parse("name", &self.name)?,
            id: ArtifactId::from_bytes(decoder.bytes("id", &self.id)?),
            size,
            content_type,
            sha256: Sha256Digest::from_bytes(decoder.bytes("sha256", &self.sha256)?),
            created_at: decoder.time("created_at", self.created_at)?,
            state: match self.state {
                0 => FileState::Present,
                1 => FileState::Removed,
                2 => FileState::Expired,
                _ => return Err(decoder.corrupt("state", "it must be 0, 1 or 2")),
            },
        })
    }
}

/// Returns the value of the column `state`.
pub(in crate::database) fn stored_state(state: FileState) -> i64 {
    match state {
        FileState::Present => 0,
        FileState::Removed => 1,
        FileState::Expired => 2,
    }
}
