//! The digests of chunks.

use artifact_backend::ArtifactId;

use super::PostgresDatabase;
use super::durable::durable;
use super::query::{id, value};
use super::removal::is_yes;
use crate::database::sql::{Lane, stored_chunk_bytes};
use crate::database::subject::Subject;
use crate::digests::ChunkDigests;
use crate::error::{Operation, Result};

pub(super) const SELECT: &str =
    "SELECT chunk_bytes, blake3, digests FROM chunk_digests WHERE id = $1 LIMIT 1";

/// Adds digests to a row that has none. The lock of the row conflicts with that of a removal, which removes the digests that
/// it sees.
macro_rules! add {
    ($result:expr) => {
        concat!(
            "WITH live AS (\
                SELECT id FROM artifact_rows WHERE id = $1 AND removed_at IS NULL FOR SHARE\
            ), added AS (\
                INSERT INTO chunk_digests (id, chunk_bytes, blake3, digests) \
                SELECT id, $2, $3, $4 FROM live ON CONFLICT DO NOTHING RETURNING id\
            ) ",
            $result
        )
    };
}
pub(super) const ADD: &str = add!("SELECT id FROM added");
const ADD_DURABLE: &str = concat!(add!("SELECT EXISTS (SELECT FROM added), "), durable!());

impl PostgresDatabase {
    /// Returns whether the row had no digests.
    pub(super) async fn insert_digests(
        &self,
        artifact: ArtifactId,
        digests: &ChunkDigests,
    ) -> Result<bool> {
        let subject = Subject::with_id(Operation::InsertRow, artifact);
        let values = vec![
            id(artifact),
            value(stored_chunk_bytes(digests)),
            value(digests.blake3().to_vec()),
            value(digests.as_bytes().to_vec()),
        ];
        let added = self.rows(Lane::Lookup, subject, ADD_DURABLE, values);
        Ok(is_yes(&added.await?))
    }
}
