//! What is removed behind the back of a caller who has gone: a task each, awaited at the end.

use std::collections::HashSet;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

/// The removals under way, and what of this process is alive and must not be swept.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cleanup {
    tasks: TaskTracker,
    live: Live,
}

impl Cleanup {
    /// Does it in a task of its own. Outside a runtime it is left to `sweep`.
    pub(crate) fn spawn(&self, removal: impl Future<Output = ()> + Send + 'static) {
        if let Ok(runtime) = Handle::try_current() {
            self.tasks.spawn_on(removal, &runtime);
        }
    }

    /// Does it in a task of its own, which goes on to its end where the caller goes away.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        self.tasks.spawn(work)
    }

    /// Waits until everything that was begun is done. More may begin meanwhile and is waited for.
    pub(crate) async fn done(&self) {
        self.tasks.close();
        self.tasks.wait().await;
        self.tasks.reopen();
    }

    /// Says that something of this name is alive, until the guard is dropped.
    pub(crate) fn alive(&self, name: String) -> Alive {
        self.live.lock().insert(name.clone());
        Alive {
            live: self.live.clone(),
            name,
        }
    }

    pub(crate) fn is_alive(&self, name: &str) -> bool {
        self.live.lock().contains(name)
    }
}

#[derive(Debug, Clone, Default)]
struct Live(Arc<Mutex<HashSet<String>>>);

impl Live {
    fn lock(&self) -> MutexGuard<'_, HashSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// As long as it is there, what it names is not swept by this process.
#[derive(Debug)]
pub(crate) struct Alive {
    live: Live,
    name: String,
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.live.lock().remove(&self.name);
    }
}
