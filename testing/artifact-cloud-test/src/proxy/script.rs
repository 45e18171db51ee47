//! Which request meets which fault, and the log of what came.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use http::{HeaderMap, Method};

use super::fault::Fault;

/// One request as it came, and what became of it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Seen {
    /// Its number since the script was last cleared, from 0.
    pub number: usize,
    /// Its method.
    pub method: Method,
    /// Its path, as it was sent.
    pub path: String,
    /// Its query, as it was sent; empty where there was none.
    pub query: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// How many bytes its body had.
    pub body: usize,
    /// What the store answered, where it was asked and did answer.
    pub status: Option<u16>,
    /// What happened to it.
    pub fault: Option<String>,
}

#[derive(Debug, Default)]
pub(super) struct Script(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    rules: Vec<Rule>,
    seen: Vec<Seen>,
}

struct Rule {
    applies: Box<dyn FnMut(&Seen) -> bool + Send>,
    fault: Fault,
    once: bool,
}

impl Script {
    pub(super) fn add(
        &self,
        applies: impl FnMut(&Seen) -> bool + Send + 'static,
        fault: Fault,
        once: bool,
    ) {
        let rule = Rule {
            applies: Box::new(applies),
            fault,
            once,
        };
        self.lock().rules.push(rule);
    }

    pub(super) fn clear(&self) {
        *self.lock() = Inner::default();
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.lock().seen.clone()
    }

    /// Notes a request, and gives its number and what happens to it.
    pub(super) fn note(&self, mut seen: Seen) -> (usize, Option<Fault>) {
        let mut inner = self.lock();
        seen.number = inner.seen.len();
        let found = inner
            .rules
            .iter_mut()
            .position(|rule| (rule.applies)(&seen));
        let fault = found.map(|at| {
            if inner.rules[at].once {
                inner.rules.remove(at).fault
            } else {
                inner.rules[at].fault.clone()
            }
        });
        seen.fault = fault.as_ref().map(ToString::to_string);
        let number = seen.number;
        inner.seen.push(seen);
        (number, fault)
    }

    /// Notes what the store answered.
    pub(super) fn answered(&self, number: usize, status: u16) {
        // It may have been cleared meanwhile.
        if let Some(seen) = self.lock().seen.get_mut(number) {
            seen.status = Some(status);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rule")
            .field("fault", &self.fault)
            .field("once", &self.once)
            .finish_non_exhaustive()
    }
}
