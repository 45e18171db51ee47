//! The cases: which fault is injected into which request.

use std::fmt;
use std::sync::Arc;

use artifact_backend::ArtifactId;
use artifact_cloud_test::{CannedResponse, Fault, FaultProxy, Loss};
use futures_util::FutureExt as _;
use object_store::{ObjectStore as _, PutMode, PutPayload};
use tokio::sync::Mutex;

use crate::location::Location;

/// The bytes that a rival stores under the same id.
pub(super) const RIVAL_BYTES: &[u8] = b"a rival's";

/// When a rival stores under the same id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rival {
    Never,
    Before,
    /// Just before the request with the fault is forwarded.
    Meanwhile,
}

/// How many requests have the fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lasting {
    /// One request.
    Once,
    /// The response of that request is lost, and the next request, which should find out the outcome,
    /// has the fault.
    Next,
    /// That request and all later ones.
    Permanent,
}

/// One case.
#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) request: usize,
    pub(super) fault: Fault,
    pub(super) lasting: Lasting,
    pub(super) rival: Rival,
}

/// Returns all faults of a store and of the network.
pub(super) fn faults() -> Vec<Fault> {
    let lost = Loss::ALL
        .into_iter()
        .flat_map(|loss| [Fault::ResponseLost(loss), Fault::RequestLost(loss)]);
    let replaced =
        [CannedResponse::SLOW_DOWN, CannedResponse::INTERNAL].map(Fault::ResponseReplaced);
    let rejected = [
        CannedResponse::CONFLICT,
        CannedResponse::PRECONDITION_FAILED,
        CannedResponse::ACCESS_DENIED,
        CannedResponse::NO_SUCH_BUCKET,
        CannedResponse::NO_SUCH_UPLOAD,
        CannedResponse::INVALID_BLOCK_LIST,
        CannedResponse::TOO_MANY,
        CannedResponse::INTERNAL,
        CannedResponse::SLOW_DOWN,
    ];
    lost.chain(replaced)
        .chain(rejected.map(Fault::Rejected))
        .collect()
}

/// Returns every case of a write that takes `requests` requests without a fault.
pub(super) fn cases(requests: usize) -> Vec<Case> {
    let mut cases = Vec::new();
    // One of the last two requests creates the blob. Rivals matter only there, and permanent faults take
    // as long as the deadlines, so both are tried only there.
    let late = requests.saturating_sub(2);
    for request in 0..requests {
        for fault in faults() {
            let mut add = |lasting, rival| {
                cases.push(Case {
                    request,
                    fault: fault.clone(),
                    lasting,
                    rival,
                });
            };
            add(Lasting::Once, Rival::Never);
            if request >= late {
                add(Lasting::Once, Rival::Before);
                add(Lasting::Once, Rival::Meanwhile);
                add(Lasting::Next, Rival::Never);
                add(Lasting::Permanent, Rival::Never);
            }
        }
    }
    cases
}

impl Case {
    /// Whether the request may be repeated after the fault.
    pub(super) fn may_pass(&self) -> bool {
        match self.fault {
            Fault::Rejected(answer) => answer.status >= 500 || [409, 429].contains(&answer.status),
            _ => true,
        }
    }

    /// Sets the proxy up for this case. The returned lock tells whether the rival was first; once it can
    /// be taken, a rival that has begun is done.
    pub(super) async fn set(
        &self,
        proxy: &FaultProxy,
        direct: &Location,
        id: ArtifactId,
    ) -> Arc<Mutex<bool>> {
        let rival_won = Arc::new(Mutex::new(false));
        let (location, won) = (direct.clone(), Arc::clone(&rival_won));
        let strike = move || {
            let (location, won) = (location.clone(), Arc::clone(&won));
            async move {
                let mut won = won.lock_owned().await;
                // Runs in a task of its own: the overtaken client may disconnect, because parts are sent in
                // parallel.
                let put = tokio::spawn(async move {
                    let options = PutMode::Create.into();
                    let payload = PutPayload::from_static(RIVAL_BYTES);
                    let (store, key) = (location.plain_client(), location.key(id));
                    *won = store.put_opts(&key, payload, options).await.is_ok();
                });
                put.await.unwrap();
            }
            .boxed()
        };
        match self.rival {
            Rival::Never => {}
            Rival::Before => strike().await,
            Rival::Meanwhile if self.request == 0 => strike().await,
            // The previous request is forwarded only when the rival is done.
            Rival::Meanwhile => {
                proxy.fail_nth(self.request - 1, Fault::Overtaken(Arc::new(strike)));
            }
        }
        match self.lasting {
            Lasting::Once => proxy.fail_nth(self.request, self.fault.clone()),
            Lasting::Next => {
                proxy.fail_nth(self.request, Fault::ResponseLost(Loss::Closed));
                proxy.fail_nth(self.request + 1, self.fault.clone());
            }
            Lasting::Permanent => proxy.fail_from(self.request, self.fault.clone()),
        }
        rival_won
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            request,
            fault,
            lasting,
            rival,
        } = self;
        write!(
            f,
            "request {request}: {fault} ({lasting:?}, rival {rival:?})"
        )
    }
}
