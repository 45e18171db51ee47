//! The script of faults, and the log of requests.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use http::{HeaderMap, Method};

use super::fault::Fault;

/// A request that the proxy received, and its result.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RecordedRequest {
    /// Its number since the script was last cleared, counted from 0.
    pub number: usize,
    /// Its method.
    pub method: Method,
    /// Its path, still encoded.
    pub path: String,
    /// Its query, still encoded; empty if it has none.
    pub query: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// The size of its body in bytes.
    pub body: usize,
    /// The status of the store's response, if there was one.
    pub status: Option<u16>,
    /// The injected fault.
    pub fault: Option<String>,
}

#[derive(Debug, Default)]
pub(super) struct Script(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    rules: Vec<Rule>,
    requests: Vec<RecordedRequest>,
}

struct Rule {
    applies: Box<dyn FnMut(&RecordedRequest) -> bool + Send>,
    fault: Fault,
    once: bool,
}

impl Script {
    pub(super) fn add(
        &self,
        applies: impl FnMut(&RecordedRequest) -> bool + Send + 'static,
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

    pub(super) fn requests(&self) -> Vec<RecordedRequest> {
        self.lock().requests.clone()
    }

    /// Records a request and returns its number and its fault.
    pub(super) fn record(&self, mut request: RecordedRequest) -> (usize, Option<Fault>) {
        let mut inner = self.lock();
        request.number = inner.requests.len();
        let found = inner
            .rules
            .iter_mut()
            .position(|rule| (rule.applies)(&request));
        let fault = found.map(|at| {
            if inner.rules[at].once {
                inner.rules.remove(at).fault
            } else {
                inner.rules[at].fault.clone()
            }
        });
        request.fault = fault.as_ref().map(ToString::to_string);
        let number = request.number;
        inner.requests.push(request);
        (number, fault)
    }

    /// Records the status of the store's response.
    pub(super) fn record_status(&self, number: usize, status: u16) {
        // The log may have been cleared meanwhile.
        if let Some(request) = self.lock().requests.get_mut(number) {
            request.status = Some(status);
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
