//! Rows, and the digests of their chunks, as parameters: one array for each column.

use artifact_backend::ArtifactId;
use jiff::Timestamp;
use tokio_postgres::types::ToSql;

use crate::database::sql::stored_chunk_bytes;
use crate::digests::ChunkDigests;
use crate::file_name::FileName;
use crate::row::Row;

/// The columns of rows.
#[derive(Debug, Default)]
pub(super) struct RowColumns<'r> {
    ids: Vec<&'r [u8]>,
    experiments: Vec<&'r str>,
    creators: Vec<&'r str>,
    sizes: Vec<i64>,
    content_types: Vec<&'r str>,
    file_names: Vec<Option<&'r str>>,
    digests: Vec<&'r [u8]>,
    times: Vec<i64>,
    expiries: Vec<Option<i64>>,
    placements: Vec<i64>,
}

impl<'r> RowColumns<'r> {
    /// Collects the columns of rows and the epochs of their placements. The sizes fit into an `i64`.
    pub(super) fn of(rows: impl IntoIterator<Item = (&'r Row, i64)>) -> Self {
        let mut columns = Self::default();
        for (row, placement) in rows {
            let Row {
                id,
                experiment,
                created_by,
                size,
                content_type,
                file_name,
                sha256,
                created_at,
                expires_at,
            } = row;
            columns.ids.push(id.as_bytes());
            columns.experiments.push(experiment.as_str());
            columns.creators.push(created_by.as_str());
            let size = i64::try_from(*size);
            let size = size.expect("the catalog has rejected sizes above i64::MAX");
            columns.sizes.push(size);
            columns.content_types.push(content_type.as_str());
            let name = file_name.as_ref().map(FileName::as_str);
            columns.file_names.push(name);
            columns.digests.push(sha256.as_bytes());
            columns.times.push(created_at.as_microsecond());
            let expiry = expires_at.map(Timestamp::as_microsecond);
            columns.expiries.push(expiry);
            columns.placements.push(placement);
        }
        columns
    }

    pub(super) fn ids(&self) -> &(dyn ToSql + Sync) {
        &self.ids
    }

    /// Returns the parameters in the order of the columns of `artifact_rows`.
    pub(super) fn params(&self) -> [&(dyn ToSql + Sync); 10] {
        [
            &self.ids,
            &self.experiments,
            &self.creators,
            &self.sizes,
            &self.content_types,
            &self.file_names,
            &self.digests,
            &self.times,
            &self.expiries,
            &self.placements,
        ]
    }
}

/// The columns of the digests of the chunks of those rows that have some.
#[derive(Debug, Default)]
pub(super) struct DigestColumns<'r> {
    ids: Vec<&'r [u8]>,
    chunk_sizes: Vec<i64>,
    hashes: Vec<&'r [u8]>,
    lists: Vec<&'r [u8]>,
}

impl<'r> DigestColumns<'r> {
    pub(super) fn of(
        digests: impl IntoIterator<Item = (&'r ArtifactId, &'r ChunkDigests)>,
    ) -> Self {
        let mut columns = Self::default();
        for (id, digests) in digests {
            columns.ids.push(id.as_bytes());
            columns.chunk_sizes.push(stored_chunk_bytes(digests));
            columns.hashes.push(digests.blake3());
            columns.lists.push(digests.as_bytes());
        }
        columns
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Returns the parameters in the order of the columns of `chunk_digests`.
    pub(super) fn params(&self) -> [&(dyn ToSql + Sync); 4] {
        [&self.ids, &self.chunk_sizes, &self.hashes, &self.lists]
    }
}
