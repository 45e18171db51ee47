//! Which artifacts are files of collections.

use std::fmt::Write as _;

use artifact_backend::ArtifactId;

use super::Param;
use super::records::{Columns, Decoder, Record};
use crate::collections::{CollectionId, FileLocation};
use crate::error::{Operation, Result};

/// Whether there is a file in any collection.
pub(super) const ANY: &str = "SELECT EXISTS (SELECT 1 FROM collection_files)";

/// Returns ids as the parameter of a statement: an array in JSON. It is written by hand, because each page of a list needs one with
/// up to 1,000 ids.
pub(super) fn param(ids: &[ArtifactId]) -> Param {
    let mut json = String::with_capacity(2 + 35 * ids.len());
    json.push('[');
    for (at, id) in ids.iter().enumerate() {
        let separator = if at == 0 { "" } else { "," };
        let _ = write!(json, "{separator}\"{id}\"");
    }
    json.push(']');
    Param::Text(json)
}

/// The columns `id, collection, name` of a file.
#[derive(Debug)]
pub(super) struct LocationRecord {
    id: Vec<u8>,
    collection: Vec<u8>,
    name: String,
}

impl Record for LocationRecord {
    fn read<C: Columns>(row: &C) -> Result<Self, C::Error> {
        Ok(Self {
            id: row.bytes(0)?,
            collection: row.bytes(1)?,
            name: row.text(2)?,
        })
    }
}

impl LocationRecord {
    pub(super) fn decode(self) -> Result<FileLocation> {
        let decoder = Decoder(Operation::Collection.into());
        Ok(FileLocation::new(
            ArtifactId::from_bytes(decoder.bytes("id", &self.id)?),
            CollectionId::from_bytes(decoder.bytes("collection", &self.collection)?),
            decoder.parse("name", &self.name)?,
        ))
    }
}
