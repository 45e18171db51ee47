//! The digests of chunks.

use artifact_backend::ArtifactId;
use rusqlite::{Connection, params_from_iter};

use super::transaction::WriteError;
use crate::database::sql::digest_params;
use crate::digests::ChunkDigests;

pub(super) const SELECT: &str = "\
    SELECT chunk_bytes, blake3, digests FROM artifact_rows JOIN chunk_digests USING (seq) \
    WHERE id = $1 AND removed_at IS NULL";
const ADD: &str = "\
    INSERT INTO chunk_digests (seq, chunk_bytes, blake3, digests) \
    SELECT seq, $1, $2, $3 FROM artifact_rows WHERE id = $4 AND removed_at IS NULL \
    ON CONFLICT (seq) DO NOTHING";

/// Adds digests to a row that has none. Returns whether it did.
pub(super) fn add(
    connection: &Connection,
    id: ArtifactId,
    digests: &ChunkDigests,
) -> Result<bool, WriteError> {
    let mut statement = connection.prepare_cached(ADD)?;
    let params = digest_params(digests);
    let params = params.into_iter().chain([id.as_bytes().as_slice().into()]);
    Ok(statement.execute(params_from_iter(params))? == 1)
}
