//! One fresh storage of the subject, and what the subject lets the suite do with it.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::sync::Arc;

use artifact_backend::{ArtifactInventory, BoxError, Operation};
use futures_util::future::BoxFuture;

use crate::case::Stop;
use crate::check::chain;
use crate::plant::Plant;

type Hook<In, Out> =
    Box<dyn Fn(In) -> BoxFuture<'static, Result<Out, BoxError>> + Send + Sync + 'static>;

/// One fresh and empty storage with a handle on it, and the hooks by which the suite can do to it
/// what no backend's own interface allows.
///
/// Every hook is optional. A case that needs one that is missing is skipped, and the report says
/// so: [`Report::skipped`](crate::Report::skipped).
#[must_use = "a storage is for `Suite::new`'s closure to return"]
pub struct Storage {
    // `None` only while it is being reopened.
    backend: Option<Arc<dyn ArtifactInventory>>,
    reopen: Option<Hook<(), Arc<dyn ArtifactInventory>>>,
    lose: Option<Hook<(), ()>>,
    blur: Option<Hook<Operation, ()>>,
    leftovers: Option<Hook<(), u64>>,
    plants: Vec<Arc<dyn Plant>>,
    guard: Option<Box<dyn Any + Send + Sync>>,
}

impl Storage {
    /// A storage behind this handle, with no hooks.
    pub fn new(backend: impl ArtifactInventory) -> Self {
        Self {
            backend: Some(Arc::new(backend)),
            reopen: None,
            lose: None,
            blur: None,
            leftovers: None,
            plants: Vec::new(),
            guard: None,
        }
    }

    /// How another process would open the same storage. It is called while other handles are open
    /// (clauses 1 and 12) and after all of them were dropped (clause 3).
    pub fn with_reopen<F, Fut, B>(mut self, reopen: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<B, BoxError>> + Send + 'static,
        B: ArtifactInventory,
    {
        self.reopen = Some(Box::new(move |()| {
            let opened = reopen();
            Box::pin(async move { Ok(Arc::new(opened.await?) as Arc<dyn ArtifactInventory>) })
        }));
        self
    }

    /// How the storage gets lost under an open handle: the root folder or the bucket removed, the
    /// server gone (clause 5).
    pub fn with_loss<F, Fut>(mut self, lose: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), BoxError>> + Send + 'static,
    {
        self.lose = Some(Box::new(move |()| Box::pin(lose())));
        self
    }

    /// How the outcome of the next call of an operation (`Store` or `Commit`) becomes one that the
    /// backend cannot know, such as an answer that never arrives and a read-back that fails
    /// (clause 7).
    pub fn with_unknown_outcome<F, Fut>(mut self, blur: F) -> Self
    where
        F: Fn(Operation) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), BoxError>> + Send + 'static,
    {
        self.blur = Some(Box::new(move |operation| Box::pin(blur(operation))));
        self
    }

    /// How many leftovers there are, counted in another way than by
    /// [`sweep`](ArtifactInventory::sweep): all that is neither a blob nor part of the layout, such
    /// as files in a staging folder (clause 6).
    pub fn with_leftover_count<F, Fut>(mut self, count: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<u64, BoxError>> + Send + 'static,
    {
        self.leftovers = Some(Box::new(move |()| Box::pin(count())));
        self
    }

    /// One more hostile thing to plant (clause 10).
    pub fn with_plant(mut self, plant: impl Plant) -> Self {
        self.plants.push(Arc::new(plant));
        self
    }

    /// Keeps a value as long as the storage is in use: a temporary folder, a server's process.
    pub fn with_guard(mut self, guard: impl Any + Send + Sync) -> Self {
        self.guard = Some(Box::new(guard));
        self
    }

    /// The handle.
    pub(crate) fn backend(&self) -> Arc<dyn ArtifactInventory> {
        let backend = self.backend.as_ref();
        Arc::clone(backend.expect("a storage that could not be reopened ended its case"))
    }

    /// A second handle beside the first.
    pub(crate) async fn second_handle(&self) -> Result<Arc<dyn ArtifactInventory>, Stop> {
        let Some(reopen) = &self.reopen else {
            return Err(Stop::Skipped(
                "the storage has no `with_reopen`, so there is no second handle".into(),
            ));
        };
        reopen(()).await.map_err(|error| {
            Stop::Failed(format!("the storage does not reopen: {}", chain(&*error)))
        })
    }

    /// Drops the handle, then opens another.
    pub(crate) async fn reopen(&mut self) -> Result<Arc<dyn ArtifactInventory>, Stop> {
        self.backend = None;
        self.backend = Some(self.second_handle().await?);
        Ok(self.backend())
    }

    pub(crate) fn can_reopen(&self) -> bool {
        self.reopen.is_some()
    }

    pub(crate) async fn lose(&self) -> Result<(), Stop> {
        let Some(lose) = &self.lose else {
            return Err(Stop::Skipped(
                "the storage has no `with_loss`, so it cannot be lost".into(),
            ));
        };
        lose(()).await.map_err(|error| {
            Stop::Failed(format!("the storage could not be lost: {}", chain(&*error)))
        })
    }

    pub(crate) async fn blur(&self, operation: Operation) -> Result<(), Stop> {
        let Some(blur) = &self.blur else {
            return Err(Stop::Skipped(
                "the storage has no `with_unknown_outcome`, so every outcome is known".into(),
            ));
        };
        blur(operation).await.map_err(|error| {
            Stop::Failed(format!(
                "the outcome could not be hidden: {}",
                chain(&*error)
            ))
        })
    }

    /// The leftovers counted by the subject; zero where it cannot count them.
    pub(crate) async fn count_leftovers(&self) -> Result<u64, Stop> {
        match &self.leftovers {
            None => Ok(0),
            Some(count) => count(()).await.map_err(|error| {
                Stop::Failed(format!(
                    "leftovers could not be counted: {}",
                    chain(&*error)
                ))
            }),
        }
    }

    pub(crate) fn plants(&self) -> &[Arc<dyn Plant>] {
        &self.plants
    }
}

impl<B: ArtifactInventory> From<B> for Storage {
    fn from(backend: B) -> Self {
        Self::new(backend)
    }
}

impl fmt::Debug for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Storage")
            .field("backend", &self.backend)
            .field("plants", &self.plants.len())
            .finish_non_exhaustive()
    }
}
