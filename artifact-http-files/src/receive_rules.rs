//! What the header of a request with a file must not say.

use artifact_multipart::MAX_OVERHEAD;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};

use crate::receive_error::{ReceiveError, ReceiveErrorKind};

/// Checks the header of a request with a file of at most `max_bytes`, and returns its `Content-Length`. Call it before
/// the body is polled for the first time, which makes servers send `100 Continue`.
///
/// # Errors
///
/// [`Encoded`](ReceiveErrorKind::Encoded) for a `Content-Encoding` other than `identity`. Nothing is decompressed,
/// because a small body could then cause unlimited work.
/// [`TooLarge`](ReceiveErrorKind::TooLarge) for a `Content-Length` that no acceptable request can have: `max_bytes`, and
/// 16 KiB for everything around the file in a form.
pub fn check_head(headers: &HeaderMap, max_bytes: u64) -> Result<Option<u64>, ReceiveError> {
    check(headers, max_bytes, MAX_OVERHEAD as u64)
}

/// Returns the least size of the file in a form of this length: at most 16 KiB of the form are not the file.
pub fn least_size_in_form(length: u64) -> u64 {
    length.saturating_sub(MAX_OVERHEAD as u64)
}

/// Checks the header of a request whose whole content is the file, as [`check_head`] does. A `Content-Length` of more
/// than `max_bytes` is [`TooLarge`](ReceiveErrorKind::TooLarge).
///
/// # Errors
///
/// Those of [`check_head`].
pub fn check_content_head(
    headers: &HeaderMap,
    max_bytes: u64,
) -> Result<Option<u64>, ReceiveError> {
    check(headers, max_bytes, 0)
}

fn check(headers: &HeaderMap, max_bytes: u64, overhead: u64) -> Result<Option<u64>, ReceiveError> {
    let mut codings = headers.get_all(CONTENT_ENCODING).iter();
    if !codings.all(|coding| coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(ReceiveError::new(
            ReceiveErrorKind::Encoded,
            "Content-Encoding is not supported; send the file without it",
        ));
    }
    let length = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > max_bytes.saturating_add(overhead)) {
        let detail = format!("an artifact has at most {max_bytes} bytes here");
        return Err(ReceiveError::new(ReceiveErrorKind::TooLarge, detail));
    }
    Ok(length)
}
