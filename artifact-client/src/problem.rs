//! What a server says about a refusal: RFC 9457, read with a bound.

use bytes::BytesMut;
use reqwest::Response;
use serde::Deserialize;

use crate::client::Client;
use crate::error::{Error, ErrorKind, Operation};
use crate::retry_after;

/// The greatest answer, other than an artifact or a list, that is read into memory, in bytes.
pub(crate) const MAX_ANSWER: usize = 64 * 1024;
/// The greatest length of one text of a problem that is kept, in characters.
const MAX_TEXT: usize = 500;

/// A problem in the terms of RFC 9457. Control characters are replaced and each text is cut at 500
/// characters, since a stranger may have written it and it ends on somebody's terminal.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Problem {
    /// The type, such as `eden://error/not-found`; `about:blank` where none is given.
    pub kind: String,
    /// A short text for this type.
    pub title: String,
    /// What was wrong with this very request; may be empty.
    pub detail: String,
}

impl Problem {
    /// The most telling of its texts.
    pub(crate) fn text(&self) -> &str {
        if self.detail.is_empty() {
            &self.title
        } else {
            &self.detail
        }
    }

    fn parse(json: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Wire {
            #[serde(rename = "type", default)]
            kind: Option<String>,
            #[serde(default)]
            title: Option<String>,
            #[serde(default)]
            detail: Option<String>,
        }
        let Wire {
            kind,
            title,
            detail,
        } = serde_json::from_slice(json).ok()?;
        Some(Self {
            kind: clean(kind.as_deref().unwrap_or("about:blank")),
            title: clean(title.as_deref().unwrap_or_default()),
            detail: clean(detail.as_deref().unwrap_or_default()),
        })
    }
}

/// Text of a stranger, fit for a terminal.
pub(crate) fn clean(text: &str) -> String {
    let visible = |c: char| {
        if c.is_control() || is_bidi(c) {
            '\u{fffd}'
        } else {
            c
        }
    };
    text.chars().take(MAX_TEXT).map(visible).collect()
}

/// Marks that reorder the text around them (Unicode Standard Annex 9).
pub(crate) fn is_bidi(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The error that an answer without success stands for. The status decides; the problem's type says
/// more where it goes with the status, and the rest of the body only explains.
pub(crate) async fn refusal(client: &Client, operation: Operation, answer: Response) -> Error {
    let status = answer.status();
    if status.is_redirection() {
        return Error::new(ErrorKind::Protocol, operation)
            .with_answer(status.as_u16(), None)
            .with_detail("redirects are not followed, since they would carry the credential away");
    }
    let pause = retry_after::pause(answer.headers());
    // A body that cannot be read does not change what the status says.
    let body = read_bounded(client, operation, answer, MAX_ANSWER).await;
    let problem = body.ok().as_deref().and_then(Problem::parse);
    let name = problem.as_ref().map(|problem| problem.kind.as_str());
    let kind = ErrorKind::of_answer(status.as_u16(), name);
    Error::new(kind, operation)
        .with_answer(status.as_u16(), problem)
        .with_retry_after(pause)
}

/// An answer's body in memory, or an error where it is longer than `limit` bytes.
pub(crate) async fn read_bounded(
    client: &Client,
    operation: Operation,
    mut answer: Response,
    limit: usize,
) -> Result<BytesMut, Error> {
    let mut body = BytesMut::new();
    loop {
        let chunk = client.within(operation, answer.chunk()).await?;
        let Some(chunk) = chunk.map_err(|error| interrupted(operation, error))? else {
            return Ok(body);
        };
        if body.len() + chunk.len() > limit {
            let detail = format!("the answer is longer than {} KiB", limit / 1024);
            return Err(Error::new(ErrorKind::Protocol, operation).with_detail(detail));
        }
        body.extend_from_slice(&chunk);
    }
}

/// The error of a body that broke off.
pub(crate) fn interrupted(operation: Operation, error: reqwest::Error) -> Error {
    // The URL in reqwest's message adds nothing to ours.
    Error::new(ErrorKind::Interrupted, operation).with_source(error.without_url())
}
