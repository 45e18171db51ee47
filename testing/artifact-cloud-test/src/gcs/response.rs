//! Responses and their XML.

use bytes::Bytes;
use http::Response;
use http_body_util::Full;

/// A complete response.
pub(super) type GcsResponse = Response<Full<Bytes>>;

/// Builds a response with these headers.
pub(super) fn plain(
    status: u16,
    headers: &[(&str, String)],
    body: impl Into<Bytes>,
) -> GcsResponse {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, value);
    }
    response.body(Full::new(body.into())).expect(
        "the status is a constant, and the headers are constants or were valid in a request",
    )
}

/// Builds a response with an XML document.
pub(super) fn xml(root: &str, inside: &str) -> GcsResponse {
    let text = format!("<?xml version='1.0' encoding='UTF-8'?><{root}>{inside}</{root}>");
    plain(200, &[("content-type", "application/xml".into())], text)
}

/// Builds an error response in Google's format.
pub(super) fn error(status: u16, code: &str, message: &str) -> GcsResponse {
    let text = format!(
        "<?xml version='1.0' encoding='UTF-8'?>{}",
        element(
            "Error",
            &format!("{}{}", leaf("Code", code), leaf("Message", message))
        )
    );
    plain(status, &[("content-type", "application/xml".into())], text)
}

/// Returns an element that contains other elements.
pub(super) fn element(name: &str, inside: &str) -> String {
    format!("<{name}>{inside}</{name}>")
}

/// Returns an element that contains text.
pub(super) fn leaf(name: &str, text: &str) -> String {
    let text = text
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    element(name, &text)
}
