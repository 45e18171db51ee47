//! The faults that are planned for future calls.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use artifact_backend::{ArtifactId, Error, ErrorKind, Operation, Result};
use tokio::sync::Semaphore;

/// A point in a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// Before the call reaches the backend: it has no effect yet.
    Before,
    /// After the backend has completed the call and before the caller gets the result.
    After,
}

/// A failure of a future call, for [`FaultBackend::inject`](super::FaultBackend::inject). It happens once.
#[derive(Debug, Clone)]
#[must_use = "a fault has no effect until it is injected"]
pub struct Fault {
    operation: Operation,
    // The number of calls of the operation that still succeed before this fault.
    skip: u64,
    effect: Effect,
}

#[derive(Debug, Clone)]
pub(crate) enum Effect {
    /// The call fails at this point.
    Fail(Point, ErrorKind),
    /// The stream of a download ends after this number of bytes, with an error or as if it were complete.
    Cut(u64, Option<ErrorKind>),
    /// The call waits at this point.
    Wait(Point, Gate),
}

impl Fault {
    fn new(operation: Operation, effect: Effect) -> Self {
        Self {
            operation,
            skip: 0,
            effect,
        }
    }

    /// Makes the next call fail with this kind before it reaches the backend, so that it has no effect.
    pub fn before(operation: Operation, kind: ErrorKind) -> Self {
        Self::new(operation, Effect::Fail(Point::Before, kind))
    }

    /// Makes the next call take effect and then fail with this kind.
    ///
    /// A store or commit that fails this way with another kind than `Ambiguous` violates clause 7. This tests
    /// the code above a backend that reports a wrong outcome.
    pub fn after(operation: Operation, kind: ErrorKind) -> Self {
        Self::new(operation, Effect::Fail(Point::After, kind))
    }

    /// Makes the next call take effect and then fail with `Ambiguous`, as if its reply were lost.
    pub fn lost_answer(operation: Operation) -> Self {
        Self::after(operation, ErrorKind::Ambiguous)
    }

    /// Makes the next download deliver this number of bytes and then fail with this kind.
    pub fn cut(bytes: u64, kind: ErrorKind) -> Self {
        Self::new(Operation::Download, Effect::Cut(bytes, Some(kind)))
    }

    /// Makes the stream of the next download end after this number of bytes without an error, like a closed
    /// connection. [`Download`](artifact_backend::Download) must detect it.
    pub fn truncate(bytes: u64) -> Self {
        Self::new(Operation::Download, Effect::Cut(bytes, None))
    }

    /// Applies the fault to the `nth` call from now on, counted from 1; 0 means the next call too.
    pub fn nth(mut self, nth: u64) -> Self {
        self.skip = nth.saturating_sub(1);
        self
    }
}

/// A call that waits, from [`FaultBackend::hold`](super::FaultBackend::hold). The call continues when the hold
/// is released or dropped.
#[derive(Debug)]
#[must_use = "dropping the hold lets the call continue"]
pub struct Hold(Gate);

#[derive(Debug, Clone)]
pub(crate) struct Gate {
    reached: Arc<Semaphore>,
    released: Arc<Semaphore>,
}

impl Hold {
    pub(crate) fn new(operation: Operation, point: Point) -> (Self, Fault) {
        let gate = Gate {
            reached: Arc::new(Semaphore::new(0)),
            released: Arc::new(Semaphore::new(0)),
        };
        let fault = Fault::new(operation, Effect::Wait(point, gate.clone()));
        (Self(gate), fault)
    }

    /// Waits until a call has reached the point and waits there.
    pub async fn reached(&self) {
        // The permit goes back at once, so that this method can be called again.
        drop(self.0.reached.acquire().await);
    }

    /// Lets the call continue.
    pub fn release(self) {}
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.released.add_permits(1);
    }
}

impl Gate {
    async fn pass(&self) {
        self.reached.add_permits(1);
        drop(self.released.acquire().await);
    }
}

/// The pending faults and the number of calls so far.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    faults: Vec<Fault>,
    calls: Vec<(Operation, u64)>,
    damaged: BTreeSet<ArtifactId>,
}

impl Plan {
    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn inject(&self, fault: Fault) {
        self.with(|state| state.faults.push(fault));
    }

    pub(crate) fn damage(&self, id: ArtifactId) {
        self.with(|state| state.damaged.insert(id));
    }

    pub(crate) fn damaged(&self) -> BTreeSet<ArtifactId> {
        self.with(|state| state.damaged.clone())
    }

    pub(crate) fn pending(&self) -> usize {
        self.with(|state| state.faults.len())
    }

    pub(crate) fn calls(&self, operation: Operation) -> u64 {
        self.with(|state| {
            let counted = state
                .calls
                .iter()
                .find(|(counted, _)| *counted == operation);
            counted.map_or(0, |(_, calls)| *calls)
        })
    }

    /// Counts a call and takes the effects that apply to it.
    pub(crate) fn call(&self, operation: Operation) -> Call {
        self.with(|state| {
            match state
                .calls
                .iter_mut()
                .find(|(counted, _)| *counted == operation)
            {
                Some((_, calls)) => *calls += 1,
                None => state.calls.push((operation, 1)),
            }
            let mut effects = Vec::new();
            state.faults.retain_mut(|fault| {
                if fault.operation != operation {
                    return true;
                }
                let now = fault.skip == 0;
                if now {
                    effects.push(fault.effect.clone());
                } else {
                    fault.skip -= 1;
                }
                !now
            });
            Call {
                operation,
                effects,
                damaged: state.damaged.clone(),
            }
        })
    }
}

/// A call and the effects that apply to it.
pub(crate) struct Call {
    operation: Operation,
    effects: Vec<Effect>,
    damaged: BTreeSet<ArtifactId>,
}

impl Call {
    /// Waits or fails as planned for this point.
    pub(crate) async fn at(&self, point: Point, id: Option<ArtifactId>) -> Result<()> {
        if let Some(id) = id.filter(|id| self.damaged.contains(id)) {
            let kind = match self.operation {
                Operation::Store | Operation::Upload | Operation::Commit => {
                    ErrorKind::AlreadyExists
                }
                _ => ErrorKind::Corrupt,
            };
            return Err(injected(kind, self.operation, Some(id)));
        }
        for effect in &self.effects {
            match effect {
                Effect::Wait(at, gate) if *at == point => gate.pass().await,
                Effect::Fail(at, kind) if *at == point => {
                    return Err(injected(*kind, self.operation, id));
                }
                Effect::Wait(..) | Effect::Fail(..) | Effect::Cut(..) => {}
            }
        }
        Ok(())
    }

    /// Returns the number of bytes after which this download ends, and the kind of the error if it ends with one.
    pub(crate) fn cut(&self) -> Option<(u64, Option<ErrorKind>)> {
        self.effects.iter().find_map(|effect| match effect {
            Effect::Cut(bytes, kind) => Some((*bytes, *kind)),
            Effect::Wait(..) | Effect::Fail(..) => None,
        })
    }
}

pub(crate) fn injected(kind: ErrorKind, operation: Operation, id: Option<ArtifactId>) -> Error {
    let error = Error::new(kind, operation).with_detail("injected by a test");
    match id {
        Some(id) => error.with_id(id),
        None => error,
    }
}
