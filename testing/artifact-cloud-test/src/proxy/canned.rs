//! Error responses that the proxy sends instead of the store.

use std::fmt;

use bytes::Bytes;
use http::{Method, Response};
use http_body_util::Full;

/// An error response of the proxy. It has the format that S3 and Google share, plus Azure's error header
/// if the request is Azure's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CannedResponse {
    /// The HTTP status.
    pub status: u16,
    /// The error code.
    pub code: &'static str,
}

impl CannedResponse {
    /// Azure: the block list names a block that does not exist.
    pub const INVALID_BLOCK_LIST: Self = Self::new(400, "InvalidBlockList");
    /// The credentials have expired.
    pub const EXPIRED: Self = Self::new(400, "ExpiredToken");
    /// The bearer token has expired.
    pub const UNAUTHENTICATED: Self = Self::new(401, "AuthenticationRequired");
    /// The credentials are valid but lack the permission.
    pub const ACCESS_DENIED: Self = Self::new(403, "AccessDenied");
    /// The client's clock is wrong.
    pub const TIME_SKEWED: Self = Self::new(403, "RequestTimeTooSkewed");
    /// The bucket does not exist.
    pub const NO_SUCH_BUCKET: Self = Self::new(404, "NoSuchBucket");
    /// The multipart upload does not exist.
    pub const NO_SUCH_UPLOAD: Self = Self::new(404, "NoSuchUpload");
    /// S3: another conditional request for this key is in progress, and nothing was written.
    pub const CONFLICT: Self = Self::new(409, "ConditionalRequestConflict");
    /// The condition does not hold.
    pub const PRECONDITION_FAILED: Self = Self::new(412, "PreconditionFailed");
    /// Too many requests.
    pub const TOO_MANY: Self = Self::new(429, "TooManyRequests");
    /// The store failed internally.
    pub const INTERNAL: Self = Self::new(500, "InternalError");
    /// The store, or a load balancer in front of it, is overloaded.
    pub const SLOW_DOWN: Self = Self::new(503, "SlowDown");

    /// Returns a response with this status and error code.
    pub const fn new(status: u16, code: &'static str) -> Self {
        Self { status, code }
    }

    pub(super) fn response(self, method: &Method, is_azure: bool) -> Response<Full<Bytes>> {
        let text = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code>\
             <Message>{code}, sent by the test proxy</Message></Error>",
            code = self.code
        );
        let body = match *method {
            Method::HEAD => Bytes::new(),
            _ => Bytes::from(text),
        };
        let mut response = Response::builder()
            .status(self.status)
            .header("content-type", "application/xml");
        if is_azure {
            response = response.header("x-ms-error-code", self.code);
        }
        response
            .body(Full::new(body))
            .expect("the status and the headers are constants of this file")
    }
}

impl fmt::Display for CannedResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status, self.code)
    }
}
