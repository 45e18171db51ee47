//! The answer to a request whose body cannot be received.

use artifact_backend::BoxError;
use artifact_http_files::ReceiveError;
use http::StatusCode;

use super::{Problem, ProblemType};

impl Problem {
    /// 408 or 413 if a time-out or limit of the server that runs the endpoints ended the body. Otherwise 400: the client
    /// did not send the whole body.
    pub(crate) fn broken_body(error: impl Into<BoxError>) -> Self {
        ReceiveError::of_body(error).into()
    }
}

impl From<ReceiveError> for Problem {
    fn from(error: ReceiveError) -> Self {
        let detail = error.to_string();
        let problem = match error.status() {
            StatusCode::BAD_REQUEST => Self::bad_request(detail),
            StatusCode::PAYLOAD_TOO_LARGE => Self::new(ProblemType::PayloadTooLarge, detail),
            status => Self::plain(status, detail),
        };
        problem.with_source(error)
    }
}
