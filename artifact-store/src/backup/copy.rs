//! The copy of one blob, verified by its SHA-256.

use artifact_backend::{ArtifactInventory, ByteRange, ErrorKind as BackendErrorKind, background};

use super::place::failed;
use super::rows::NeededBlob;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::hasher::Hasher;
use crate::pace::Pace;

/// How many blobs are copied at the same time.
pub(super) const PARALLEL: usize = 8;

/// What became of one blob.
#[derive(Debug)]
pub(super) enum Copied {
    /// It was verified, and is durable in the other backend.
    Done,
    Missing,
    /// The bytes are not those of the row. Nothing was stored.
    Corrupt(Error),
}

/// Reads a blob and compares it with its row. Stores it in another backend if there is one. Fails if it could not be read or
/// stored for another reason than its damage.
///
/// It reads in the background lane, because requests may use the backend that the blob comes from. It writes outside of
/// it: no request uses a place, or a store that is not restored yet.
pub(super) async fn copy_blob(
    from: &dyn ArtifactInventory,
    to: Option<&dyn ArtifactInventory>,
    blob: &NeededBlob,
    pace: &Pace,
) -> Result<Copied> {
    let mut download = match background(from.download(blob.id, ByteRange::Full)).await {
        Ok(download) => download,
        Err(error) => return judge(error),
    };
    if download.size() != blob.size {
        let detail = format!(
            "it has {} bytes, its row says {}",
            download.size(),
            blob.size
        );
        return Ok(Copied::Corrupt(corrupt(blob, detail)));
    }
    let mut upload = match to {
        Some(to) => match to.upload(blob.id).await {
            Ok(mut upload) => {
                upload.expect_size(blob.size);
                Some(upload)
            }
            Err(error) => return Err(failed(error)),
        },
        None => None,
    };
    let mut hasher = Hasher::default();
    while let Some(chunk) = background(download.next()).await {
        let chunk = match chunk {
            Ok(chunk) => chunk,
            Err(error) => return judge(error),
        };
        pace.take(chunk.len() as u64).await;
        if let Some(upload) = &mut upload {
            upload.write(chunk.clone()).await.map_err(failed)?;
        }
        hasher = hasher.update(chunk).await?;
    }
    let sha256 = hasher.finish().sha256;
    if sha256 != blob.sha256 {
        if let Some(upload) = upload {
            // What it leaves is a leftover that the next sweep removes.
            let _ = upload.abort().await;
        }
        let detail = format!("its SHA-256 is {sha256}, its row says {}", blob.sha256);
        return Ok(Copied::Corrupt(corrupt(blob, detail)));
    }
    if let Some(upload) = upload {
        upload.commit().await.map_err(failed)?;
    }
    Ok(Copied::Done)
}

/// Decides what the error of a read says about the blob.
fn judge(error: artifact_backend::Error) -> Result<Copied> {
    match error.kind() {
        BackendErrorKind::NotFound => Ok(Copied::Missing),
        BackendErrorKind::Corrupt => Ok(Copied::Corrupt(failed(error))),
        _ => Err(failed(error)),
    }
}

fn corrupt(blob: &NeededBlob, detail: String) -> Error {
    Error::new(ErrorKind::Corrupt, Operation::Read)
        .with_id(blob.id)
        .with_detail(detail)
}
