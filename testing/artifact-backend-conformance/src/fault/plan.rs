//! Planned faults.

use std::sync::{Arc, Mutex, PoisonError};

use artifact_backend::{ArtifactId, Error, ErrorKind, Operation, Result};
use tokio::sync::Semaphore;

/// A point in a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// Before the call reaches the backend: it has no effect yet.
    Before,
    /// After the backend has completed the call, before the caller gets the result.
    After,
}

/// One failure to come, for [`FaultBackend::inject`](super::FaultBackend::inject). Each happens
/// once.
#[derive(Debug, Clone)]
#[must_use = "a fault fails nothing until it is injected"]
pub struct Fault {
    operation: Operation,
    // How many calls of the operation still pass before it is this fault's turn.
    skip: u64,
    effect: Effect,
}

#[derive(Debug, Clone)]
pub(crate) enum Effect {
    /// The call fails at this point.
    Fail(Point, ErrorKind),
    /// The stream of a download ends after so many bytes: with an error, or as if it were whole.
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

    /// The next call fails with this kind before it reaches the backend: nothing takes effect.
    pub fn before(operation: Operation, kind: ErrorKind) -> Self {
        Self::new(operation, Effect::Fail(Point::Before, kind))
    }

    /// The next call takes effect, and then fails with this kind all the same.
    ///
    /// With any kind but `Ambiguous`, a create so answered breaks clause 7: a test of what happens
    /// above a backend that lies.
    pub fn after(operation: Operation, kind: ErrorKind) -> Self {
        Self::new(operation, Effect::Fail(Point::After, kind))
    }

    /// The next call takes effect, and its answer is lost: `Ambiguous`.
    pub fn lost_answer(operation: Operation) -> Self {
        Self::after(operation, ErrorKind::Ambiguous)
    }

    /// The next download delivers this many bytes, then fails with this kind.
    pub fn cut(bytes: u64, kind: ErrorKind) -> Self {
        Self::new(Operation::Download, Effect::Cut(bytes, Some(kind)))
    }

    /// The next download's stream ends after this many bytes without an error, as from a connection
    /// that was closed: [`Download`](artifact_backend::Download) is what must notice.
    pub fn truncate(bytes: u64) -> Self {
        Self::new(Operation::Download, Effect::Cut(bytes, None))
    }

    /// Not the next call, but the `nth` from now on, counted from 1; 0 is the next too.
    pub fn nth(mut self, nth: u64) -> Self {
        self.skip = nth.saturating_sub(1);
        self
    }
}

/// A call that is made to wait, from [`FaultBackend::hold`](super::FaultBackend::hold). It goes on
/// when this is released or dropped.
#[derive(Debug)]
#[must_use = "dropping it lets the call go on"]
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

    /// Waits until a call has come to the point and waits there.
    pub async fn reached(&self) {
        // The permit goes back at once, so that this can be asked again.
        drop(self.0.reached.acquire().await);
    }

    /// Lets the call go on.
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

/// The faults to come and the calls so far.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    faults: Vec<Fault>,
    calls: Vec<(Operation, u64)>,
}

impl Plan {
    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn inject(&self, fault: Fault) {
        self.with(|state| state.faults.push(fault));
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

    /// Counts a call and takes the effects whose turn it is.
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
            Call { operation, effects }
        })
    }
}

/// One call and what shall happen to it.
pub(crate) struct Call {
    operation: Operation,
    effects: Vec<Effect>,
}

impl Call {
    /// Waits and fails as planned for this point.
    pub(crate) async fn at(&self, point: Point, id: Option<ArtifactId>) -> Result<()> {
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

    /// Where the stream of this download is cut, and with what.
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
