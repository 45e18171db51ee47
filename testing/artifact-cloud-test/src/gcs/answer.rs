//! Answers, and the XML in them.

use bytes::Bytes;
use http::Response;
use http_body_util::Full;

/// An answer, whole.
pub(super) type Answered = Response<Full<Bytes>>;

/// An answer with these headers.
pub(super) fn plain(status: u16, headers: &[(&str, String)], body: impl Into<Bytes>) -> Answered {
    let mut answer = Response::builder().status(status);
    for (name, value) in headers {
        answer = answer.header(*name, value);
    }
    answer
        .body(Full::new(body.into()))
        .expect("a status and headers that came from a request or stand here")
}

/// An answer that is a document.
pub(super) fn xml(root: &str, inside: &str) -> Answered {
    let text = format!("<?xml version='1.0' encoding='UTF-8'?><{root}>{inside}</{root}>");
    plain(200, &[("content-type", "application/xml".into())], text)
}

/// A refusal, as Google words it.
pub(super) fn error(status: u16, code: &str, message: &str) -> Answered {
    let text = format!(
        "<?xml version='1.0' encoding='UTF-8'?>{}",
        element(
            "Error",
            &format!("{}{}", leaf("Code", code), leaf("Message", message))
        )
    );
    plain(status, &[("content-type", "application/xml".into())], text)
}

/// An element around others.
pub(super) fn element(name: &str, inside: &str) -> String {
    format!("<{name}>{inside}</{name}>")
}

/// An element around text.
pub(super) fn leaf(name: &str, text: &str) -> String {
    let text = text
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    element(name, &text)
}
