//! The reasons for which the server rejects a request by itself.

use std::time::UNIX_EPOCH;

use artifact_backend::{Clock, SystemClock};
use bytes::{BufMut, Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, DATE, TRANSFER_ENCODING};
use http::{HeaderValue, Method, Request, Response, StatusCode, Version};

use crate::config::ServerConfig;
use crate::host;

/// Maximum length of a path and query, in bytes.
const MAX_URI: usize = 8 << 10;

/// Why the server rejects a request before it reaches the service, or gives up on the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rejection {
    /// 400: the bytes are not an HTTP request.
    Malformed,
    /// 400: an HTTP/1.1 request has no `Host` field, or a request has several or an invalid one.
    InvalidHost,
    /// 400: the length of the body is ambiguous, or the request has a transfer coding other than
    /// `chunked`.
    AmbiguousFraming,
    /// 408: the request header did not arrive in time.
    Timeout,
    /// 413: `Content-Length` is larger than the server can count.
    BodyTooLarge,
    /// 414: the path and query are too long.
    UriTooLong,
    /// 431: the header is too long, or has too many fields.
    HeaderTooLarge,
    /// 500: the service panicked.
    Panic,
    /// 503: the connection limit is reached.
    TooManyConnections,
}

impl Rejection {
    /// Returns the status code of the response.
    pub fn status(self) -> StatusCode {
        match self {
            Self::Malformed | Self::InvalidHost | Self::AmbiguousFraming => StatusCode::BAD_REQUEST,
            Self::Timeout => StatusCode::REQUEST_TIMEOUT,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UriTooLong => StatusCode::URI_TOO_LONG,
            Self::HeaderTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Panic => StatusCode::INTERNAL_SERVER_ERROR,
            Self::TooManyConnections => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// Returns one sentence for the client.
    pub fn message(self) -> &'static str {
        match self {
            Self::Malformed => "this is not an HTTP request",
            Self::InvalidHost => "the request needs exactly one Host field with a valid value",
            Self::AmbiguousFraming => {
                "the length of the body is ambiguous; send either Content-Length or \
                 Transfer-Encoding: chunked"
            }
            Self::Timeout => "the request did not arrive in time",
            Self::BodyTooLarge => "the body is too large",
            Self::UriTooLong => "the path and query are too long",
            Self::HeaderTooLarge => "the header is too long or has too many fields",
            Self::Panic => "internal server error",
            Self::TooManyConnections => "there are too many connections; try again",
        }
    }

    /// Returns the rejection for a status with which hyper rejects a request by itself.
    pub(crate) fn from_hyper_status(status: u16) -> Option<Self> {
        Some(match status {
            400 => Self::Malformed,
            408 => Self::Timeout,
            414 => Self::UriTooLong,
            431 => Self::HeaderTooLarge,
            _ => return None,
        })
    }

    /// Checks a header that passed hyper: its size, if it arrived in one piece or over HTTP/2, and rules of
    /// RFC 9112 that hyper does not enforce.
    pub(crate) fn of_header<B>(request: &Request<B>, config: &ServerConfig) -> Option<Self> {
        let uri = request.uri().path_and_query();
        let uri = uri.map_or(0, |uri| uri.as_str().len());
        // A name, a colon, a space, a value, CR and LF.
        let field = |(name, value): (&http::HeaderName, &HeaderValue)| {
            name.as_str().len() + value.len() + 4
        };
        let header: usize = request.headers().iter().map(field).sum();
        if uri > MAX_URI {
            Some(Self::UriTooLong)
        } else if uri + header > config.max_header_bytes {
            Some(Self::HeaderTooLarge)
        } else {
            Self::of_rules(request)
        }
    }

    fn of_rules<B>(request: &Request<B>) -> Option<Self> {
        let (uri, headers) = (request.uri(), request.headers());
        if !host::is_acceptable(request.version(), headers) {
            return Some(Self::InvalidHost);
        }
        if request.version() == Version::HTTP_2 {
            return None;
        }
        // Section 3.2.3: only CONNECT has a host and port as its target.
        let is_authority = uri.path_and_query().is_none();
        if is_authority != (request.method() == Method::CONNECT) {
            return Some(Self::Malformed);
        }
        // Section 6.1. hyper also reads `gzip, chunked`, without decoding the inner coding.
        let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
        let coding = codings.next()?;
        let is_chunked = coding.as_bytes().eq_ignore_ascii_case(b"chunked");
        (!is_chunked || codings.next().is_some()).then_some(Self::AmbiguousFraming)
    }
}

/// Adds what the server sets on each rejection.
///
/// The connection closes, because the server cannot tell where the rejected request ends.
pub(crate) fn complete(response: &mut Response<Bytes>) {
    let length = response.body().len().into();
    let headers = response.headers_mut();
    headers.insert(CONTENT_LENGTH, length);
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
}

/// Encodes a rejection as a whole HTTP/1.1 response, for a connection without a complete request.
pub(crate) fn encode(mut response: Response<Bytes>) -> Bytes {
    complete(&mut response);
    if let Some(date) = date() {
        response.headers_mut().insert(DATE, date);
    }
    let (parts, body) = response.into_parts();
    let mut wire = BytesMut::with_capacity(512 + body.len());
    let reason = parts.status.canonical_reason().unwrap_or("Error");
    let status = parts.status.as_u16();
    wire.put_slice(format!("HTTP/1.1 {status} {reason}\r\n").as_bytes());
    for (name, value) in &parts.headers {
        wire.put_slice(name.as_str().as_bytes());
        wire.put_slice(b": ");
        wire.put_slice(value.as_bytes());
        wire.put_slice(b"\r\n");
    }
    wire.put_slice(b"\r\n");
    wire.put_slice(&body);
    wire.freeze()
}

/// Returns the date of now (RFC 9110, section 6.6.1), if the clock is between the years 1970 and 9999.
fn date() -> Option<HeaderValue> {
    /// The year 10000 in seconds since 1970.
    const YEAR_10000: u64 = 253_402_300_800;
    let now = SystemClock.now();
    let since = now.duration_since(UNIX_EPOCH).ok()?;
    let date = (since.as_secs() < YEAR_10000).then(|| httpdate::fmt_http_date(now))?;
    HeaderValue::try_from(date).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hooks::{DefaultHooks, Hooks};

    #[test]
    fn encoded_rejections_are_complete_responses() {
        let wire = encode(DefaultHooks.reject(Rejection::Timeout, None));
        let text = str::from_utf8(&wire).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(
            head.starts_with("HTTP/1.1 408 Request Timeout\r\n"),
            "{head}"
        );
        for field in [
            format!("content-length: {}", body.len()),
            "connection: close".into(),
            "content-type: text/plain; charset=utf-8".into(),
        ] {
            assert!(head.lines().any(|line| line == field), "{field}: {head}");
        }
        let date = head.lines().find_map(|line| line.strip_prefix("date: "));
        assert!(date.unwrap().ends_with(" GMT"), "{head}");
        assert_eq!(body, "the request did not arrive in time");
    }
}
