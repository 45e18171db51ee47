//! Which faults meet which requests.

use std::fmt;
use std::sync::Arc;

use artifact_backend::ArtifactId;
use artifact_cloud_test::{Answer, Fault, FaultProxy, Loss};
use futures_util::FutureExt as _;
use object_store::{ObjectStore as _, PutMode, PutPayload};
use tokio::sync::Mutex;

use crate::place::Place;

/// What another client stores under the same id.
pub(super) const OTHERS: &[u8] = b"another's";

/// When another client stores under the same id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rival {
    Never,
    Before,
    /// Just before the request that meets the fault goes on.
    Meanwhile,
}

/// How long the fault lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lasting {
    /// It meets one request.
    Once,
    /// That request's answer is lost, and the fault meets the request after it, which should clear it
    /// up.
    Then,
    /// It meets that request and all after it.
    ForEver,
}

/// One run.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) request: usize,
    pub(super) fault: Fault,
    pub(super) lasting: Lasting,
    pub(super) rival: Rival,
}

/// What a store and the way to it can do to a request.
pub(super) fn faults() -> Vec<Fault> {
    let lost = Loss::ALL
        .into_iter()
        .flat_map(|loss| [Fault::AnswerLost(loss), Fault::RequestLost(loss)]);
    let replaced = [Answer::SLOW_DOWN, Answer::INTERNAL].map(Fault::AnswerReplaced);
    let refused = [
        Answer::CONFLICT,
        Answer::PRECONDITION_FAILED,
        Answer::ACCESS_DENIED,
        Answer::NO_SUCH_BUCKET,
        Answer::NO_SUCH_UPLOAD,
        Answer::INVALID_BLOCK_LIST,
        Answer::TOO_MANY,
        Answer::INTERNAL,
        Answer::SLOW_DOWN,
    ];
    lost.chain(replaced)
        .chain(refused.map(Fault::Refused))
        .collect()
}

/// Every run of an act that takes so many requests where nothing goes wrong.
pub(super) fn plans(requests: usize) -> Vec<Plan> {
    let mut plans = Vec::new();
    // The blob comes to be in one of the last two. Where a rival matters, and what lasts, which takes as
    // long as the deadlines, is tried there only.
    let late = requests.saturating_sub(2);
    for request in 0..requests {
        for fault in faults() {
            let mut add = |lasting, rival| {
                plans.push(Plan {
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
                add(Lasting::Then, Rival::Never);
                add(Lasting::ForEver, Rival::Never);
            }
        }
    }
    plans
}

impl Plan {
    /// Whether the fault is one after which to ask again is right.
    pub(super) fn may_pass(&self) -> bool {
        match self.fault {
            Fault::Refused(answer) => answer.status >= 500 || [409, 429].contains(&answer.status),
            _ => true,
        }
    }

    /// Makes it happen to what goes through the proxy, and says later whether the rival was first: once
    /// the lock can be had, a rival that had begun is done.
    pub(super) async fn set(
        &self,
        proxy: &FaultProxy,
        direct: &Place,
        id: ArtifactId,
    ) -> Arc<Mutex<bool>> {
        let rival_won = Arc::new(Mutex::new(false));
        let (place, won) = (direct.clone(), Arc::clone(&rival_won));
        let strike = move || {
            let (place, won) = (place.clone(), Arc::clone(&won));
            async move {
                let mut won = won.lock_owned().await;
                // A task of its own: whoever is overtaken may hang up, since parts go side by side.
                let put = tokio::spawn(async move {
                    let options = PutMode::Create.into();
                    let payload = PutPayload::from_static(OTHERS);
                    let (store, key) = (place.truth(), place.key(id));
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
            // The request before it goes on only when the rival is done.
            Rival::Meanwhile => {
                proxy.fail_nth(self.request - 1, Fault::Overtaken(Arc::new(strike)));
            }
        }
        match self.lasting {
            Lasting::Once => proxy.fail_nth(self.request, self.fault.clone()),
            Lasting::Then => {
                proxy.fail_nth(self.request, Fault::AnswerLost(Loss::Closed));
                proxy.fail_nth(self.request + 1, self.fault.clone());
            }
            Lasting::ForEver => proxy.fail_from(self.request, self.fault.clone()),
        }
        rival_won
    }
}

impl fmt::Display for Plan {
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
