//! Answers in the store's place.

use std::fmt;

use bytes::Bytes;
use http::{Method, Response};
use http_body_util::Full;

/// An answer that the store did not give, in the form of S3, which Google shares, or to a request in
/// Azure's dialect with the header by which Azure names an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The error's name.
    pub code: &'static str,
}

impl Answer {
    /// Azure: a block that the list names is not there.
    pub const INVALID_BLOCK_LIST: Self = Self::new(400, "InvalidBlockList");
    /// The credentials have run out.
    pub const EXPIRED: Self = Self::new(400, "ExpiredToken");
    /// A bearer token has run out.
    pub const UNAUTHENTICATED: Self = Self::new(401, "AuthenticationRequired");
    /// The credentials are good and may not do this.
    pub const ACCESS_DENIED: Self = Self::new(403, "AccessDenied");
    /// The client's clock is wrong.
    pub const TIME_SKEWED: Self = Self::new(403, "RequestTimeTooSkewed");
    /// The bucket is gone.
    pub const NO_SUCH_BUCKET: Self = Self::new(404, "NoSuchBucket");
    /// The multipart upload is gone.
    pub const NO_SUCH_UPLOAD: Self = Self::new(404, "NoSuchUpload");
    /// S3: another conditional request for this key is under way, and nothing was written.
    pub const CONFLICT: Self = Self::new(409, "ConditionalRequestConflict");
    /// The condition does not hold.
    pub const PRECONDITION_FAILED: Self = Self::new(412, "PreconditionFailed");
    /// Too many requests.
    pub const TOO_MANY: Self = Self::new(429, "TooManyRequests");
    /// Something broke inside the store.
    pub const INTERNAL: Self = Self::new(500, "InternalError");
    /// The store, or a balancer before it, cannot just now.
    pub const SLOW_DOWN: Self = Self::new(503, "SlowDown");

    /// An answer of this status and error name.
    pub const fn new(status: u16, code: &'static str) -> Self {
        Self { status, code }
    }

    pub(super) fn response(self, method: &Method, is_azure: bool) -> Response<Full<Bytes>> {
        let text = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code>\
             <Message>{code}, says the test</Message></Error>",
            code = self.code
        );
        let body = match *method {
            Method::HEAD => Bytes::new(),
            _ => Bytes::from(text),
        };
        let mut answer = Response::builder()
            .status(self.status)
            .header("content-type", "application/xml");
        if is_azure {
            answer = answer.header("x-ms-error-code", self.code);
        }
        answer
            .body(Full::new(body))
            .expect("a status and headers that stand in this file")
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status, self.code)
    }
}
