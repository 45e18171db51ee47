//! A storage with every hook, made of mem.

use std::sync::atomic::{AtomicBool, Ordering};

use artifact_backend::{ArtifactId, BoxError, ErrorKind, Operation};
use artifact_backend_conformance::{Fault, FaultBackend, Plant, Storage};
use artifact_backend_mem::MemBackend;
use async_trait::async_trait;

/// mem behind a `FaultBackend`, with every hook but plants.
pub(crate) fn fault_storage() -> Storage {
    let backend = FaultBackend::new(MemBackend::default());
    let [reopened, lost, ambiguous] = [(); 3].map(|()| backend.clone());
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
            ] {
                // A case asks for each of them twice at most.
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
}

/// Something planted that does nothing at all: a map has no inside where anything could lie. It
/// fails where the suite checks what it did not plant.
#[derive(Debug, Default)]
pub(crate) struct NoOpPlant {
    planted: AtomicBool,
}

#[async_trait]
impl Plant for NoOpPlant {
    fn name(&self) -> &'static str {
        "nothing at all"
    }

    async fn plant(&self, _id: ArtifactId) -> Result<(), BoxError> {
        self.planted.store(true, Ordering::SeqCst);
        Ok(())
    }

    async fn check(&self) -> Result<(), BoxError> {
        if self.planted.load(Ordering::SeqCst) {
            Ok(())
        } else {
            Err("it was never planted".into())
        }
    }
}
