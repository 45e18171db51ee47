//! Cleanup tasks that go on after their caller is gone, and the uploads that a sweep must not remove.

use std::collections::HashSet;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

use crate::error::RequestError;

/// The running cleanup tasks, and the names of this process's active uploads.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cleanup {
    tasks: TaskTracker,
    active: ActiveUploads,
}

impl Cleanup {
    /// Runs a removal in a task of its own. Outside a runtime it does nothing; a later sweep removes
    /// the leftovers.
    pub(crate) fn spawn(&self, removal: impl Future<Output = ()> + Send + 'static) {
        if let Ok(runtime) = Handle::try_current() {
            self.tasks.spawn_on(removal, &runtime);
        }
    }

    /// Runs work in a task of its own, which finishes even if the caller drops the handle.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        self.tasks.spawn(work)
    }

    /// Waits until all tasks are done, including those that start meanwhile.
    pub(crate) async fn wait(&self) {
        self.tasks.close();
        self.tasks.wait().await;
        self.tasks.reopen();
    }

    /// Marks the upload with this name as active until the guard is dropped.
    pub(crate) fn mark_active(&self, name: String) -> ActiveGuard {
        self.active.lock().insert(name.clone());
        ActiveGuard {
            active: self.active.clone(),
            name,
        }
    }

    pub(crate) fn is_active(&self, name: &str) -> bool {
        self.active.lock().contains(name)
    }
}

#[derive(Debug, Clone, Default)]
struct ActiveUploads(Arc<Mutex<HashSet<String>>>);

impl ActiveUploads {
    fn lock(&self) -> MutexGuard<'_, HashSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Protects an upload from this process's sweeps.
#[derive(Debug)]
#[must_use = "the upload is unprotected as soon as the guard is dropped"]
pub(crate) struct ActiveGuard {
    active: ActiveUploads,
    name: String,
}

impl Drop for ActiveGuard {
    fn drop(&mut self) {
        self.active.lock().remove(&self.name);
    }
}

/// Logs an upload whose leftovers could not be removed.
pub(crate) fn warn_left_behind(error: &RequestError) {
    tracing::warn!(%error, "cannot remove the leftovers of an upload; the next sweep will");
}
