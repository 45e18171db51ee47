//! A storage of the backend under test, with the hooks that the suite may use.

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

/// A new, empty storage: a handle on it, and hooks for actions that the backend traits do not offer.
///
/// Every hook is optional. A case whose hook is missing is skipped and listed in
/// [`Report::skipped`](crate::Report::skipped).
#[must_use = "return the storage from the closure of `Suite::new`"]
pub struct Storage {
    // `None` only during a reopen.
    backend: Option<Arc<dyn ArtifactInventory>>,
    reopen: Option<Hook<(), Arc<dyn ArtifactInventory>>>,
    lose: Option<Hook<(), ()>>,
    hide_outcome: Option<Hook<Operation, ()>>,
    leftovers: Option<Hook<(), u64>>,
    plants: Vec<Arc<dyn Plant>>,
    guard: Option<Box<dyn Any + Send + Sync>>,
}

impl Storage {
    /// Creates a storage from a handle, without hooks.
    pub fn new(backend: impl ArtifactInventory) -> Self {
        Self {
            backend: Some(Arc::new(backend)),
            reopen: None,
            lose: None,
            hide_outcome: None,
            leftovers: None,
            plants: Vec::new(),
            guard: None,
        }
    }

    /// Sets the hook that opens the same storage as another process would. It is called while other handles
    /// are open (clauses 1 and 12) and after all of them were dropped (clause 3).
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

    /// Sets the hook that removes the storage under an open handle: the root folder, the bucket, or the
    /// server (clause 5).
    pub fn with_loss<F, Fut>(mut self, lose: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), BoxError>> + Send + 'static,
    {
        self.lose = Some(Box::new(move |()| Box::pin(lose())));
        self
    }

    /// Sets the hook that makes the outcome of the next `Store` or `Commit` unknown to the backend, for
    /// example by a lost response and a failed read-back (clause 7).
    pub fn with_unknown_outcome<F, Fut>(mut self, hide_outcome: F) -> Self
    where
        F: Fn(Operation) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), BoxError>> + Send + 'static,
    {
        self.hide_outcome = Some(Box::new(move |operation| Box::pin(hide_outcome(operation))));
        self
    }

    /// Sets the hook that counts leftovers independently of [`sweep`](ArtifactInventory::sweep). A leftover is
    /// everything that is neither a blob nor part of the layout, such as a file in a staging folder
    /// (clause 6).
    pub fn with_leftover_count<F, Fut>(mut self, count: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<u64, BoxError>> + Send + 'static,
    {
        self.leftovers = Some(Box::new(move |()| Box::pin(count())));
        self
    }

    /// Adds a hostile object to plant (clauses 10 and 11).
    pub fn with_plant(mut self, plant: impl Plant) -> Self {
        self.plants.push(Arc::new(plant));
        self
    }

    /// Keeps a value alive as long as the storage is in use: a temporary folder, a server process.
    pub fn with_guard(mut self, guard: impl Any + Send + Sync) -> Self {
        self.guard = Some(Box::new(guard));
        self
    }

    /// Returns the handle.
    pub(crate) fn backend(&self) -> Arc<dyn ArtifactInventory> {
        let backend = self.backend.as_ref();
        Arc::clone(backend.expect("a case ends when its storage cannot be reopened"))
    }

    /// Opens a second handle beside the first.
    pub(crate) async fn second_handle(&self) -> Result<Arc<dyn ArtifactInventory>, Stop> {
        let Some(reopen) = &self.reopen else {
            return Err(Stop::Skipped(
                "the storage has no `with_reopen`, so it has no second handle".into(),
            ));
        };
        reopen(()).await.map_err(|error| {
            Stop::Failed(format!(
                "the storage could not be reopened: {}",
                chain(&*error)
            ))
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
                "the storage has no `with_loss`, so it cannot be removed".into(),
            ));
        };
        lose(()).await.map_err(|error| {
            Stop::Failed(format!(
                "the storage could not be removed: {}",
                chain(&*error)
            ))
        })
    }

    pub(crate) async fn hide_outcome(&self, operation: Operation) -> Result<(), Stop> {
        let Some(hide_outcome) = &self.hide_outcome else {
            return Err(Stop::Skipped(
                "the storage has no `with_unknown_outcome`, so every outcome is known".into(),
            ));
        };
        hide_outcome(operation).await.map_err(|error| {
            Stop::Failed(format!(
                "the outcome could not be hidden: {}",
                chain(&*error)
            ))
        })
    }

    /// Returns the leftover count of the hook, or zero without the hook.
    pub(crate) async fn count_leftovers(&self) -> Result<u64, Stop> {
        match &self.leftovers {
            None => Ok(0),
            Some(count) => count(()).await.map_err(|error| {
                Stop::Failed(format!(
                    "the leftovers could not be counted: {}",
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
