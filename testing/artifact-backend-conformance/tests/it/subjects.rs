//! A storage in memory with every hook.

use std::sync::atomic::{AtomicBool, Ordering};

use artifact_backend::{ArtifactId, BoxError, ErrorKind, Operation};
use artifact_backend_conformance::{Fault, FaultBackend, Plant, Storage};
use artifact_backend_mem::MemBackend;
use async_trait::async_trait;

/// Makes a storage of mem behind a `FaultBackend`, with every hook.
pub(crate) fn fault_storage() -> Storage {
    let backend = FaultBackend::new(MemBackend::default());
    let [reopened, lost, ambiguous, damaged] = [(); 4].map(|()| backend.clone());
    Storage::new(backend)
        .with_reopen(move || {
            let reopened = reopened.clone();
            async move { Ok(reopened) }
        })
        .with_loss(move || {
            for operation in [
                Operation::Load,
                Operation::Download,
                Operation::Stat,
                Operation::List,
                Operation::Store,
                Operation::ReadStoreId,
            ] {
                // A case calls each operation at most twice after the loss.
                for nth in 1..=2 {
                    let fault = Fault::before(operation, ErrorKind::Misconfigured);
                    lost.inject(fault.nth(nth));
                }
            }
            async { Ok(()) }
        })
        .with_unknown_outcome(move |operation| {
            ambiguous.inject(Fault::lost_answer(operation));
            async { Ok(()) }
        })
        .with_leftover_count(|| async { Ok(0) })
        .with_plant(Damage {
            backend: damaged,
            planted: AtomicBool::new(false),
        })
}

/// Damages a blob, because a map has no place for a hostile object. Its check fails if the suite did not plant it
/// first.
struct Damage {
    backend: FaultBackend,
    planted: AtomicBool,
}

#[async_trait]
impl Plant for Damage {
    fn name(&self) -> &'static str {
        "a damaged blob"
    }

    async fn plant(&self, id: ArtifactId) -> Result<(), BoxError> {
        self.backend.damage(id);
        self.planted.store(true, Ordering::SeqCst);
        Ok(())
    }

    async fn check(&self) -> Result<(), BoxError> {
        if self.planted.load(Ordering::SeqCst) {
            Ok(())
        } else {
            Err("the suite called check without plant".into())
        }
    }
}
