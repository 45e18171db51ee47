//! The keys of deposits in a SQL database.

use artifact_backend::ArtifactId;

use super::records::{Columns, Decoder, Record};
use crate::error::Result;

/// Selects the id of the row with the key $3 of the principal $2 in the experiment $1. The argument is an expression of the
/// current time in microseconds.
macro_rules! select_key {
    ($columns:expr, $now:expr) => {
        concat!(
            "SELECT ",
            $columns,
            " FROM idempotency_keys WHERE experiment = $1 AND principal = $2 AND key = $3 AND expires_at > ",
            $now
        )
    };
}
pub(in crate::database) use select_key;

/// The id of the row that a key belongs to.
#[derive(Debug)]
pub(super) struct KeyedRecord(Vec<u8>);

impl Record for KeyedRecord {
    fn read<C: Columns>(row: &C) -> Result<Self, C::Error> {
        row.bytes(0).map(Self)
    }
}

impl KeyedRecord {
    pub(super) fn decode(self, decoder: Decoder) -> Result<ArtifactId> {
        Ok(ArtifactId::from_bytes(decoder.bytes("id", &self.0)?))
    }
}
