//! The table of endpoints: what is dispatched by, and what tests are generated from.

use artifact_store::PrincipalClass;
use http::Method;

/// Which class of principal an endpoint is for. The rule on single artifacts comes after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Who {
    /// Every valid credential.
    Any,
    /// Workers and the administrator.
    WorkerOrAdmin,
}

impl Who {
    pub(crate) fn allows(self, class: PrincipalClass) -> bool {
        match (self, class) {
            (Self::Any, _)
            | (Self::WorkerOrAdmin, PrincipalClass::Admin | PrincipalClass::Worker) => true,
            #[expect(
                unreachable_patterns,
                reason = "classes to come are not let in by accident"
            )]
            (Self::WorkerOrAdmin, _) => false,
        }
    }
}

/// What answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Handler {
    ReadExperiment,
    Deposit,
    Fetch,
}

/// One operation: a method on a path under `/v0/experiments/{E}`.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Endpoint {
    /// What comes after the experiment, such as `/artifacts`; empty for the experiment itself.
    pub path: &'static str,
    /// Its method. `GET` answers `HEAD` too.
    pub method: Method,
    /// Whom it is for.
    pub who: Who,
    pub(crate) handler: Handler,
}

/// Every endpoint.
pub fn endpoints() -> &'static [Endpoint] {
    const ENDPOINTS: &[Endpoint] = &[
        Endpoint {
            path: "",
            method: Method::GET,
            who: Who::Any,
            handler: Handler::ReadExperiment,
        },
        Endpoint {
            path: "/artifacts",
            method: Method::POST,
            who: Who::WorkerOrAdmin,
            handler: Handler::Deposit,
        },
        Endpoint {
            path: "/artifacts",
            method: Method::GET,
            who: Who::Any,
            handler: Handler::Fetch,
        },
    ];
    ENDPOINTS
}

/// What a path and a method lead to.
#[derive(Debug)]
pub(crate) enum Found {
    Endpoint(&'static Endpoint),
    NoPath,
    /// The path is one of ours; these are its methods, for the header `Allow`.
    NoMethod(String),
}

pub(crate) fn find(path: &str, method: &Method) -> Found {
    // RFC 9110, section 9.3.2: HEAD is GET without the content.
    let wanted = if *method == Method::HEAD {
        &Method::GET
    } else {
        method
    };
    let mut allowed = Vec::new();
    for endpoint in endpoints().iter().filter(|endpoint| endpoint.path == path) {
        if endpoint.method == *wanted {
            return Found::Endpoint(endpoint);
        }
        allowed.push(endpoint.method.as_str());
        if endpoint.method == Method::GET {
            allowed.push(Method::HEAD.as_str());
        }
    }
    if allowed.is_empty() {
        Found::NoPath
    } else {
        Found::NoMethod(allowed.join(", "))
    }
}
