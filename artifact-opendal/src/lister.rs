//! Lists blobs: the whole ones first, then an error if there are damaged ones.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use artifact_backend::{ArtifactInventory, BlobList, BlobStat};
use futures_util::StreamExt;
use opendal_core::raw::oio;
use opendal_core::{Error, Result};

use crate::error::failed;
use crate::service::metadata_of;

/// A list of the blobs whose paths begin with a prefix.
pub struct BlobLister {
    backend: Arc<dyn ArtifactInventory>,
    prefix: String,
    /// `None` before the first item. A lock makes the stream `Sync`; it is never contended.
    list: Option<Mutex<BlobList>>,
    /// The error of the first damaged blob, and the number of damaged blobs.
    damage: Option<(artifact_backend::Error, u64)>,
    ended: bool,
}

impl BlobLister {
    pub(crate) fn new(backend: Arc<dyn ArtifactInventory>, path: &str) -> Self {
        Self {
            backend,
            prefix: path.trim_start_matches('/').to_owned(),
            list: None,
            damage: None,
            ended: false,
        }
    }

    /// Returns the next whole blob, or `None` after the last.
    async fn next_blob(&mut self) -> Result<Option<BlobStat>> {
        let list = match &mut self.list {
            Some(list) => list,
            closed @ None => closed.insert(Mutex::new(self.backend.list().await.map_err(failed)?)),
        };
        let list = list.get_mut().unwrap_or_else(PoisonError::into_inner);
        while let Some(item) = list.next().await {
            match item {
                Ok(blob) => return Ok(Some(blob)),
                Err(error) if error.damaged_blob().is_some() => match &mut self.damage {
                    Some((_, number)) => *number += 1,
                    none @ None => *none = Some((error, 1)),
                },
                Err(error) => return Err(failed(error)),
            }
        }
        Ok(None)
    }

    fn take_damage(&mut self) -> Option<Error> {
        let (first, number) = self.damage.take()?;
        Some(failed(first).with_context("damaged_blobs", number))
    }
}

impl oio::List for BlobLister {
    async fn next(&mut self) -> Result<Option<oio::Entry>> {
        while !self.ended {
            let next = self.next_blob().await;
            self.ended = !matches!(next, Ok(Some(_)));
            if let Some(blob) = next? {
                let path = blob.id.to_string();
                if path.starts_with(&self.prefix) {
                    return Ok(Some(oio::Entry::with(path, metadata_of(&blob)?)));
                }
            }
        }
        self.take_damage().map_or(Ok(None), Err)
    }
}

impl fmt::Debug for BlobLister {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlobLister")
            .field("prefix", &self.prefix)
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}
