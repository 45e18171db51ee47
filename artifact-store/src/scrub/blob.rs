//! Checks one blob against its row.

use artifact_backend::{ByteRange, ErrorKind as BackendErrorKind};

use super::{Run, ScrubEvent};
use crate::digests::ChunkDigests;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::hasher::{Digests, Hasher};
use crate::row::Row;

/// The bytes that a smaller blob counts as in the rate, because each blob costs a request.
const LEAST: u64 = 16 << 10;

/// What the check of one artifact found.
pub(super) enum Checked {
    Sound,
    /// The bytes are not those of the row.
    Corrupt(Error),
    /// There is no blob.
    Missing,
    /// The artifact was removed during the check.
    Removed,
}

impl<F: FnMut(ScrubEvent) + Send> Run<'_, F> {
    /// Reads a blob and compares it with its row. Fails if it could not be read to the end for another reason than its
    /// damage.
    pub(super) async fn check(&mut self, row: &Row) -> Result<Checked> {
        let checked = self.compare(row).await?;
        // The collector, or a client, may have removed the artifact while it was read.
        if !matches!(checked, Checked::Sound) && self.is_removed(row).await? {
            return Ok(Checked::Removed);
        }
        Ok(checked)
    }

    async fn compare(&mut self, row: &Row) -> Result<Checked> {
        let recorded = self.recorded(row).await?;
        let mut download = match self.backend.download(row.id, ByteRange::Full).await {
            Ok(download) => download,
            Err(error) => return judge(row, error),
        };
        if download.size() != row.size {
            let detail = format!(
                "it has {} bytes, its row says {}",
                download.size(),
                row.size
            );
            return Ok(Checked::Corrupt(corrupt(row, detail)));
        }
        self.pace.take(LEAST.saturating_sub(row.size)).await;
        let mut hasher = Hasher::of_size(row.size);
        while let Some(chunk) = download.next().await {
            let chunk = match chunk {
                Ok(chunk) => chunk,
                Err(error) => return judge(row, error),
            };
            let length = chunk.len() as u64;
            self.pace.take(length).await;
            hasher = hasher.update(chunk).await?;
            self.report.bytes += length;
            self.progress();
        }
        let actual = hasher.finish();
        if actual.sha256 != row.sha256 {
            let mut detail = format!(
                "its SHA-256 is {}, its row says {}",
                actual.sha256, row.sha256
            );
            detail.extend(recorded.first_damaged(&actual));
            return Ok(Checked::Corrupt(corrupt(row, detail)));
        }
        self.check_recorded(row, recorded, actual.chunks).await
    }

    /// Returns the chunk digests that the database has of an artifact. Their damage is a finding, not an error.
    async fn recorded(&mut self, row: &Row) -> Result<Recorded> {
        if row.size <= ChunkDigests::MIN_CHUNK_BYTES {
            return Ok(Recorded::None);
        }
        match self.catalog.chunk_digests(row.id).await {
            Ok(Some(digests)) if digests.fits(row.size) => Ok(Recorded::Digests(digests)),
            Ok(Some(_)) => Ok(Recorded::Damaged(
                Error::new(ErrorKind::Corrupt, Operation::FindRow)
                    .with_detail("the stored chunk digests do not fit the size in the row"),
            )),
            Ok(None) => Ok(Recorded::None),
            Err(error) if error.kind() == ErrorKind::Corrupt => Ok(Recorded::Damaged(error)),
            Err(error) => Err(error),
        }
    }

    /// Compares the recorded chunk digests with those of bytes that have the SHA-256 of the row. Adds them if none are
    /// recorded and the options say so.
    async fn check_recorded(
        &mut self,
        row: &Row,
        recorded: Recorded,
        actual: Option<ChunkDigests>,
    ) -> Result<Checked> {
        const RECORD: &str = "its bytes are those of the row, but the database has wrong chunk digests, so its ranges fail";
        match (recorded, actual) {
            // The digests of each list add up to its hash.
            (Recorded::Digests(recorded), Some(actual)) if recorded.blake3() != actual.blake3() => {
                Ok(Checked::Corrupt(corrupt(row, RECORD.to_owned())))
            }
            (Recorded::Damaged(error), _) => {
                let found = corrupt(row, RECORD.to_owned());
                Ok(Checked::Corrupt(found.with_source(error)))
            }
            (Recorded::None, Some(actual)) if self.options.adds_chunk_digests => {
                if self.catalog.add_chunk_digests(row.id, &actual).await? {
                    self.report.chunk_digests_added += 1;
                }
                Ok(Checked::Sound)
            }
            _ => Ok(Checked::Sound),
        }
    }

    async fn is_removed(&mut self, row: &Row) -> Result<bool> {
        let missing = self.catalog.missing(&[row.id]).await?;
        Ok(missing.contains(&row.id))
    }
}

/// The chunk digests that the database has of an artifact.
enum Recorded {
    None,
    Digests(ChunkDigests),
    Damaged(Error),
}

impl Recorded {
    /// Says where the first damaged chunk is.
    fn first_damaged(&self, actual: &Digests) -> Option<String> {
        let (Self::Digests(recorded), Some(actual)) = (self, &actual.chunks) else {
            return None;
        };
        let chunk = recorded.first_difference(actual)?;
        let (first, bytes) = (chunk * recorded.chunk_bytes(), recorded.chunk_bytes());
        Some(format!(
            "; the first damaged chunk begins at byte {first} and has up to {bytes} bytes"
        ))
    }
}

/// Decides what the error of a read says about the blob.
fn judge(row: &Row, error: artifact_backend::Error) -> Result<Checked> {
    let kind = error.kind();
    let error = Error::backend(Operation::Read, error).with_id(row.id);
    match kind {
        BackendErrorKind::NotFound => Ok(Checked::Missing),
        BackendErrorKind::Corrupt => Ok(Checked::Corrupt(error)),
        _ => Err(error),
    }
}

fn corrupt(row: &Row, detail: String) -> Error {
    Error::new(ErrorKind::Corrupt, Operation::Read)
        .with_id(row.id)
        .with_detail(detail)
}
