//! A row to insert, and the stored digests of its chunks.

use super::placement::stored_epoch;
use super::records::{Columns, Decoder, Record};
use super::{Param, params};
use crate::digests::ChunkDigests;
use crate::error::Result;
#[cfg(feature = "postgres")]
use crate::experiment::ExperimentId;
use crate::idempotency::IdempotencyKey;
#[cfg(feature = "postgres")]
use crate::principal::PrincipalId;
use crate::row::Row;
use crate::time::Deadline;

/// A row to insert. Its size fits into an `i64`.
#[derive(Debug, Clone)]
pub(in crate::database) struct NewRow {
    pub(in crate::database) row: Row,
    /// The epoch of the placement that its bytes were stored under.
    pub(in crate::database) placement: i64,
    pub(in crate::database) digests: Option<ChunkDigests>,
    /// The key of its deposit.
    pub(in crate::database) key: Option<IdempotencyKey>,
    /// Whether the row is durable in the backend, so that it needs no sync here.
    #[cfg(feature = "sqlite")]
    pub(in crate::database) is_noted: bool,
}

impl NewRow {
    pub(in crate::database) fn new(
        row: Row,
        digests: Option<ChunkDigests>,
        deadline: Option<&Deadline>,
    ) -> Self {
        Self {
            row,
            placement: stored_epoch(deadline.map_or(0, Deadline::placement)),
            digests,
            key: None,
            #[cfg(feature = "sqlite")]
            is_noted: false,
        }
    }

    pub(in crate::database) fn with_key(mut self, key: IdempotencyKey) -> Self {
        self.key = Some(key);
        self
    }

    #[cfg(feature = "sqlite")]
    pub(in crate::database) fn noted(self) -> Self {
        Self {
            is_noted: true,
            ..self
        }
    }

    /// Returns its key and what the key belongs to.
    #[cfg(feature = "postgres")]
    pub(in crate::database) fn key_scope(
        &self,
    ) -> Option<(ExperimentId, PrincipalId, IdempotencyKey)> {
        let key = self.key.clone()?;
        let Row {
            experiment,
            created_by,
            ..
        } = &self.row;
        Some((experiment.clone(), created_by.clone(), key))
    }

    /// Returns whether it has more than 8 KiB of digests, so that a transaction should have only one such row. Smaller ones add up to 4 MiB
    /// in a transaction.
    pub(in crate::database) fn is_large(&self) -> bool {
        const LARGE: usize = 8 << 10;
        let digests = self.digests.as_ref();
        digests.is_some_and(|digests| digests.as_bytes().len() > LARGE)
    }
}

/// Returns the values of the columns `chunk_bytes, blake3, digests`.
pub(in crate::database) fn digest_params(digests: &ChunkDigests) -> [Param; 3] {
    params![
        stored_chunk_bytes(digests),
        digests.blake3().as_slice(),
        digests.as_bytes(),
    ]
}

/// Returns the size of a chunk as it is stored. An artifact whose size fits into an `i64` has smaller chunks than that.
pub(in crate::database) fn stored_chunk_bytes(digests: &ChunkDigests) -> i64 {
    i64::try_from(digests.chunk_bytes()).unwrap_or(i64::MAX)
}

/// The columns `chunk_bytes, blake3, digests`.
#[derive(Debug)]
pub(in crate::database) struct ChunkDigestsRecord {
    chunk_bytes: i64,
    blake3: Vec<u8>,
    digests: Vec<u8>,
}

impl Record for ChunkDigestsRecord {
    fn read<C: Columns>(row: &C) -> Result<Self, C::Error> {
        Ok(Self {
            chunk_bytes: row.integer(0)?,
            blake3: row.bytes(1)?,
            digests: row.bytes(2)?,
        })
    }
}

impl ChunkDigestsRecord {
    pub(in crate::database) fn decode(self, decoder: Decoder) -> Result<ChunkDigests> {
        let chunk_bytes = u64::try_from(self.chunk_bytes);
        let chunk_bytes = chunk_bytes.map_err(|error| decoder.corrupt("chunk_bytes", error))?;
        let blake3 = decoder.bytes("blake3", &self.blake3)?;
        let digests = ChunkDigests::from_parts(chunk_bytes, blake3, self.digests);
        digests.map_err(|error| decoder.corrupt("digests", error))
    }
}
