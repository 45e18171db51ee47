//! A large blob on its way: parts, and the one request that makes a blob of them.
//!
//! | storage | parts go to | published by |
//! |---|---|---|
//! | S3, Azure | the blob's own key, unseen | completing, with `If-None-Match: *` (see the connector) |
//! | Google | a key in `staging/` | a copy that creates only where there is nothing |
//! | any other | a key in `staging/` | the same |

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use artifact_backend::{ErrorKind, Result};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{
    Attributes, CopyMode, CopyOptions, MultipartUpload, ObjectStoreExt as _, PutMultipartOptions,
    PutPayload,
};
use tokio::time::Instant;

use crate::cleanup::Alive;
use crate::core::Core;
use crate::create::Creation;
use crate::mark::WriteId;
use crate::readback::Found;
use crate::trouble::{Class, Trouble};

/// How large blobs get into a storage.
#[derive(Clone)]
pub(crate) enum Large {
    /// Parts at the blob's own key, and a completion that is exclusive.
    Exclusive {
        parts: Arc<dyn MultipartStore>,
        /// The write id is said when the upload is completed, not when it begins.
        marked_at_the_end: bool,
    },
    /// Parts at a staging key, through an interface on which a part can be sent again.
    Staged(Arc<dyn MultipartStore>),
    /// Parts at a staging key, through what every `ObjectStore` has. What fails is not sent again by
    /// us: its own client may do so.
    Plain,
}

impl fmt::Debug for Large {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Exclusive { .. } => "Exclusive",
            Self::Staged(_) => "Staged",
            Self::Plain => "Plain",
        })
    }
}

tokio::task_local! {
    /// The write id of the upload that is being completed in this task.
    static COMPLETING: WriteId;
}

/// The write id to put into the request that completes an upload, where it was not said before.
#[cfg(feature = "azure")]
pub(crate) fn completing() -> Option<WriteId> {
    COMPLETING.try_with(|write_id| *write_id).ok()
}

/// A multipart upload that was begun.
///
/// It must end with [`commit`](Self::commit) or [`abort`](Self::abort); what is dropped instead is
/// found by `sweep`.
pub(crate) struct Session {
    core: Arc<Core>,
    creation: Creation,
    /// Where the parts go.
    target: Path,
    driver: Driver,
    // As long as the session is there, this process does not sweep it.
    _alive: Alive,
}

enum Driver {
    Exclusive(Arc<dyn MultipartStore>, String),
    Staged(Arc<dyn MultipartStore>, String),
    // The lock is never taken: it only makes the session `Sync`.
    Plain(Mutex<Box<dyn MultipartUpload>>),
}

/// A part that has arrived. `None` where the storage's client keeps account of it.
pub(crate) type Part = Option<PartId>;

impl Session {
    /// Begins an upload.
    pub(crate) async fn begin(core: &Arc<Core>, creation: Creation) -> Result<Self, Trouble> {
        let staged = core.layout.staged(creation.id, creation.write_id);
        let attributes = if creation.marks {
            creation.write_id.attributes()
        } else {
            Attributes::new()
        };
        let options = || PutMultipartOptions {
            attributes: attributes.clone(),
            ..PutMultipartOptions::default()
        };
        let target = match &core.traits.large {
            Large::Exclusive { .. } => creation.key.clone(),
            Large::Staged(_) | Large::Plain => staged,
        };
        let driver = match &core.traits.large {
            Large::Exclusive {
                parts,
                marked_at_the_end: true,
            } => {
                let begin = || parts.create_multipart(&target);
                Driver::Exclusive(Arc::clone(parts), core.repeat(0, begin).await?)
            }
            Large::Exclusive { parts, .. } => {
                let begin = || parts.create_multipart_opts(&target, options());
                Driver::Exclusive(Arc::clone(parts), core.repeat(0, begin).await?)
            }
            Large::Staged(parts) => {
                let begin = || parts.create_multipart_opts(&target, options());
                Driver::Staged(Arc::clone(parts), core.repeat(0, begin).await?)
            }
            Large::Plain => {
                let begin = || core.store.put_multipart_opts(&target, options());
                Driver::Plain(Mutex::new(core.repeat(0, begin).await?))
            }
        };
        let name = match &driver {
            Driver::Exclusive(_, upload) if !upload.is_empty() => upload.clone(),
            Driver::Exclusive(..) | Driver::Staged(..) | Driver::Plain(_) => target.to_string(),
        };
        Ok(Self {
            _alive: core.cleanup.alive(name),
            core: Arc::clone(core),
            creation,
            target,
            driver,
        })
    }

    /// Sends a part, again where that can help: the same part twice is one part.
    pub(crate) fn put_part(
        &mut self,
        number: usize,
        payload: PutPayload,
    ) -> BoxFuture<'static, Result<Part, Trouble>> {
        let core = Arc::clone(&self.core);
        let bytes = payload.content_length() as u64;
        match &mut self.driver {
            Driver::Exclusive(parts, upload) | Driver::Staged(parts, upload) => {
                let (parts, upload) = (Arc::clone(parts), upload.clone());
                let target = self.target.clone();
                async move {
                    let put = || parts.put_part(&target, &upload, number, payload.clone());
                    core.repeat(bytes, put).await.map(Some)
                }
                .boxed()
            }
            Driver::Plain(upload) => {
                let put = exclusive(upload).put_part(payload);
                async move { core.request(bytes, put).await.map(|()| None) }.boxed()
            }
        }
    }

    /// Makes a blob of the parts, where there is none. The outcome is as that of
    /// [`Core::create`]; whatever it is, what was sent is removed or found by `sweep`.
    pub(crate) async fn commit(self, parts: Vec<Part>) -> Result<()> {
        match self.driver {
            Driver::Exclusive(..) => self.complete_exclusively(parts).await,
            Driver::Staged(..) | Driver::Plain(_) => self.complete_staged(parts).await,
        }
    }

    async fn complete_exclusively(self, parts: Vec<Part>) -> Result<()> {
        let Driver::Exclusive(store, upload) = &self.driver else {
            unreachable!("`commit` has looked");
        };
        let allowance = completion_allowance(&parts);
        let parts: Vec<PartId> = parts.into_iter().flatten().collect();
        let complete = || {
            let complete = store.complete_multipart(&self.target, upload, parts.clone());
            let complete = COMPLETING.scope(self.creation.write_id, complete);
            async move { complete.await.map(drop) }
        };
        let outcome = self.core.create(&self.creation, allowance, complete).await;
        match &outcome {
            Ok(()) => {}
            // The completion may be under way still, and is the only thing that could tell.
            Err(error) if error.kind() == ErrorKind::Ambiguous => tracing::warn!(
                id = %self.creation.id,
                "an upload of unknown outcome was left to the next sweep"
            ),
            // The read-back has said that what is there, if anything, is not ours.
            Err(_) => self.abort().await.unwrap_or_else(|trouble| left(&trouble)),
        }
        outcome
    }

    async fn complete_staged(mut self, parts: Vec<Part>) -> Result<()> {
        let (operation, id) = (self.creation.operation, Some(self.creation.id));
        if let Err(trouble) = self.complete_at_staging(parts).await {
            let error = trouble.into_error(operation, id);
            self.abort().await.unwrap_or_else(|trouble| left(&trouble));
            return Err(error);
        }
        let (from, to) = (&self.target, &self.creation.key);
        let copy = || {
            let options = CopyOptions::new().with_mode(CopyMode::Create);
            self.core.store.copy_opts(from, to, options)
        };
        let outcome = self.core.create(&self.creation, 0, copy).await;
        self.remove_staged()
            .await
            .unwrap_or_else(|trouble| left(&trouble));
        outcome
    }

    /// Puts the parts together under the staging key, which nobody else writes to: it has the write
    /// id in its name. So its being there proves that they are together.
    async fn complete_at_staging(&mut self, parts: Vec<Part>) -> Result<(), Trouble> {
        let allowance = completion_allowance(&parts);
        let core = Arc::clone(&self.core);
        let done = match &mut self.driver {
            Driver::Plain(upload) => {
                let complete = exclusive(upload).complete();
                core.request(allowance, complete).await.map(drop)
            }
            Driver::Staged(store, upload) => {
                let parts: Vec<PartId> = parts.into_iter().flatten().collect();
                let complete = || store.complete_multipart(&self.target, upload, parts.clone());
                core.repeat(allowance, complete).await.map(drop)
            }
            Driver::Exclusive(..) => unreachable!("`commit` has looked"),
        };
        let trouble = match done {
            Ok(()) => return Ok(()),
            Err(trouble) => trouble,
        };
        if !matches!(trouble.class, Class::Doubt | Class::NoUpload) {
            return Err(trouble);
        }
        let Creation {
            write_id, marks, ..
        } = self.creation;
        let until = Instant::now() + core.config.readback_time;
        match core.read_back(&self.target, write_id, marks, until).await {
            Ok(Found::Ours | Found::Somebodys) => Ok(()),
            _ => Err(trouble),
        }
    }

    /// Gives up: removes what was sent.
    pub(crate) async fn abort(mut self) -> Result<(), Trouble> {
        let core = Arc::clone(&self.core);
        let aborted = match &mut self.driver {
            Driver::Exclusive(store, upload) | Driver::Staged(store, upload) => {
                let abort = || store.abort_multipart(&self.target, upload);
                core.repeat(0, abort).await
            }
            Driver::Plain(upload) => core.request(0, exclusive(upload).abort()).await,
        };
        match aborted {
            Err(trouble) if !is_gone(&trouble) => Err(trouble),
            _ if matches!(self.driver, Driver::Exclusive(..)) => Ok(()),
            // It may have been put together already.
            _ => self.remove_staged().await,
        }
    }

    async fn remove_staged(&self) -> Result<(), Trouble> {
        let remove = || self.core.store.delete(&self.target);
        match self.core.repeat(0, remove).await {
            Err(trouble) if !is_gone(&trouble) => Err(trouble),
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("creation", &self.creation)
            .field("target", &self.target)
            .finish_non_exhaustive()
    }
}

fn exclusive(upload: &mut Mutex<Box<dyn MultipartUpload>>) -> &mut dyn MultipartUpload {
    &mut **upload.get_mut().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn is_gone(trouble: &Trouble) -> bool {
    matches!(trouble.class, Class::NoUpload | Class::NoObject)
}

/// Completing takes the longer the more parts there are: S3 says minutes.
fn completion_allowance(parts: &[Part]) -> u64 {
    parts.len() as u64 * (8 << 10)
}

/// Tells of something that could not be removed.
pub(crate) fn left(trouble: &Trouble) {
    tracing::warn!(%trouble, "an upload that ended was left to the next sweep");
}
