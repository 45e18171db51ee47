//! The ids that a store, a delete or a move is working on: one at a time for each id.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use artifact_backend::ArtifactId;
use tokio::sync::oneshot;

/// The claimed ids, each with those that wait for it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Claims(Arc<Mutex<HashMap<ArtifactId, Vec<oneshot::Sender<()>>>>>);

/// The right to change what is stored under an id, until it is dropped.
#[derive(Debug)]
#[must_use = "dropping the claim ends it"]
pub(crate) struct Claim {
    claims: Claims,
    id: ArtifactId,
}

impl Claims {
    fn lock(&self) -> MutexGuard<'_, HashMap<ArtifactId, Vec<oneshot::Sender<()>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until no other caller has a claim on the id.
    pub(crate) async fn acquire(&self, id: ArtifactId) -> Claim {
        loop {
            let waiting = {
                let mut claims = self.lock();
                if let Some(waiters) = claims.get_mut(&id) {
                    let (sender, receiver) = oneshot::channel();
                    waiters.push(sender);
                    receiver
                } else {
                    claims.insert(id, Vec::new());
                    return Claim {
                        claims: self.clone(),
                        id,
                    };
                }
            };
            // The sender is dropped together with the claim.
            let _ = waiting.await;
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let waiters = self.claims.lock().remove(&self.id);
        // Dropping the senders wakes those that wait.
        drop(waiters);
    }
}
