//! An answer where there is no request: its bytes, as they go onto the connection.

use artifact_backend::{Clock, SystemClock};
use artifact_http::{HttpConfig, Refusal};
use axum::body::to_bytes;
use bytes::{BufMut, Bytes, BytesMut};
use futures_util::FutureExt;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;

/// Far more than a problem has.
const MOST: usize = 64 << 10;

/// The whole answer in HTTP/1.1, which closes the connection.
pub(crate) fn wire(refusal: Refusal, config: &HttpConfig) -> Bytes {
    let (parts, body) = refusal.answer_without_request(config).into_parts();
    // A problem's content is in memory, so nothing is waited for.
    let body = to_bytes(body, MOST)
        .now_or_never()
        .and_then(Result::ok)
        .unwrap_or_default();
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
    // RFC 9110, section 6.6.1; a clock beyond the calendar has no date to tell.
    let date = Timestamp::try_from(SystemClock.now())
        .and_then(|now| DateTimePrinter::new().timestamp_to_rfc9110_string(&now));
    if let Ok(date) = date {
        wire.put_slice(format!("date: {date}\r\n").as_bytes());
    }
    wire.put_slice(b"\r\n");
    wire.put_slice(&body);
    wire.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_whole_answer() {
        let config = HttpConfig::default().with_public_url("https://files.example");
        let wire = wire(Refusal::Slow, &config);
        let text = str::from_utf8(&wire).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(
            head.starts_with("HTTP/1.1 408 Request Timeout\r\n"),
            "{head}"
        );
        for field in [
            format!("content-length: {}", body.len()),
            "connection: close".into(),
            "content-type: application/problem+json; charset=utf-8".into(),
        ] {
            assert!(head.lines().any(|line| line == field), "{field}: {head}");
        }
        assert!(
            head.contains("\r\ndate: ") && head.ends_with(" GMT"),
            "{head}"
        );
        assert!(
            body.contains("\"instance\":\"https://files.example/\""),
            "{body}"
        );
    }
}
