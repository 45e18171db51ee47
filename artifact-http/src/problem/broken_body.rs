//! The answer to a request whose body ended with an error.

use std::error::Error;
use std::io;

use artifact_backend::BoxError;

use super::Problem;

impl Problem {
    /// 408 if the server that runs the router timed the body out: the body then ends with an I/O error
    /// of the kind `TimedOut`. Otherwise 400: the client did not send the whole body.
    pub(crate) fn broken_body(error: impl Into<BoxError>) -> Self {
        let error = error.into();
        let first: &(dyn Error + 'static) = &*error;
        let timed_out = std::iter::successors(Some(first), |error| (**error).source())
            .filter_map(|error| error.downcast_ref::<io::Error>())
            .any(|error| error.kind() == io::ErrorKind::TimedOut);
        let problem = if timed_out {
            Self::slow()
        } else {
            Self::bad_request("the body was cut short")
        };
        problem.with_source(error)
    }
}
