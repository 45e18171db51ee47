//! A multipart upload: stores its parts in the order in which they were created.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex as SyncMutex, PoisonError};

use artifact_backend::{ArtifactId, Upload};
use async_trait::async_trait;
use futures_util::lock::Mutex;
use object_store::path::Path;
use object_store::{Error, MultipartUpload, PutPayload, PutResult, Result, UploadPart};

use crate::error::{failed, generic};
use crate::store::put_result;

/// An upload whose parts may be polled in any order and in parallel.
#[derive(Debug)]
pub(crate) struct BlobUpload {
    path: Path,
    id: ArtifactId,
    parts: Arc<Parts>,
}

/// What the futures of the parts share.
#[derive(Debug)]
struct Parts {
    /// The parts that no future has begun to write, in the order of their creation.
    waiting: SyncMutex<VecDeque<PutPayload>>,
    /// The parts whose futures have not succeeded: not polled yet, failed, or dropped.
    unfinished: AtomicUsize,
    open: Mutex<OpenUpload>,
}

#[derive(Debug)]
struct OpenUpload {
    upload: Option<Box<dyn Upload>>,
    /// Whether a write has failed or was dropped, so that a part is missing.
    broken: bool,
}

impl BlobUpload {
    pub(crate) fn new(path: Path, id: ArtifactId, upload: Box<dyn Upload>) -> Self {
        let open = OpenUpload {
            upload: Some(upload),
            broken: false,
        };
        let parts = Parts {
            waiting: SyncMutex::default(),
            unfinished: AtomicUsize::new(0),
            open: Mutex::new(open),
        };
        Self {
            path,
            id,
            parts: Arc::new(parts),
        }
    }
}

impl Parts {
    fn take_next(&self) -> Option<PutPayload> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.pop_front()
    }

    /// Writes all parts that wait, among them the one whose future calls this, unless another future has
    /// written it.
    async fn write(&self, path: &Path) -> Result<()> {
        let mut open = self.open.lock().await;
        while let Some(part) = self.take_next() {
            // Stays set if this future is dropped during a write.
            let was_broken = std::mem::replace(&mut open.broken, true);
            let upload = open.upload.as_mut().ok_or_else(ended)?;
            for chunk in part {
                let written = upload.write(chunk).await;
                written.map_err(|error| failed(path, error))?;
            }
            open.broken = was_broken;
        }
        if open.broken {
            return Err(generic(
                "an earlier part of this upload failed or was dropped; abort the upload",
            ));
        }
        self.unfinished.fetch_sub(1, Ordering::Relaxed);
        Ok(())
    }
}

fn ended() -> Error {
    generic("the upload was completed or aborted before; begin another one")
}

#[async_trait]
impl MultipartUpload for BlobUpload {
    fn put_part(&mut self, part: PutPayload) -> UploadPart {
        let (parts, path) = (Arc::clone(&self.parts), self.path.clone());
        parts.unfinished.fetch_add(1, Ordering::Relaxed);
        let mut waiting = parts.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.push_back(part);
        drop(waiting);
        Box::pin(async move { parts.write(&path).await })
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let mut open = self.parts.open.lock().await;
        let upload = open.upload.take().ok_or_else(ended)?;
        let unfinished = self.parts.unfinished.load(Ordering::Relaxed);
        if unfinished > 0 {
            // The first error matters more; a failed abort leaves a leftover for `sweep`.
            let _ = upload.abort().await;
            return Err(generic(format!(
                "{unfinished} parts of the upload did not succeed, so nothing was stored: await every future of put_part \
                 before complete"
            )));
        }
        let committed = upload.commit().await;
        committed.map_err(|error| failed(&self.path, error))?;
        Ok(put_result(self.id))
    }

    async fn abort(&mut self) -> Result<()> {
        let upload = self.parts.open.lock().await.upload.take();
        let aborted = upload.ok_or_else(ended)?.abort().await;
        aborted.map_err(|error| failed(&self.path, error))
    }
}
