//! Error responses and missing responses, as error types that keep the status and the code.
//!
//! `object_store` does not export its own type for this and maps several responses to one variant
//! (every 409 is `AlreadyExists`, a missing bucket is `NotFound`). So the connector parses the response
//! before the library sees it.

use std::fmt;

/// A response, from a storage or from its credentials service, that is not a success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ErrorResponse {
    pub(crate) status: u16,
    /// The provider's own code, such as `NoSuchBucket`; empty if the response has none.
    pub(crate) code: String,
    /// The provider's message, on one line, shortened.
    pub(crate) message: String,
    pub(crate) from: Peer,
}

/// The kind of server that a request went to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    Storage,
    /// A service that issues credentials: the machine's metadata service, or a token service.
    Credentials,
    /// Another address, to which the storage redirected the request.
    Redirect,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Storage => "the storage",
            Self::Credentials => "the credentials service",
            Self::Redirect => "the address to which the storage redirected the request",
        })
    }
}

impl ErrorResponse {
    /// Parses a body of the form that all three providers use:
    /// `<Error><Code>..</Code><Message>..</Message></Error>`.
    ///
    /// Keeps only these two fields: others repeat the request, including the signed text.
    pub(crate) fn new(from: Peer, status: u16, code_header: Option<&str>, body: &str) -> Self {
        let code = code_header.or_else(|| element(body, "Code"));
        Self {
            status,
            code: code.map(|code| one_line(code, 64)).unwrap_or_default(),
            message: element(body, "Message")
                .map(|message| one_line(message, 200))
                .unwrap_or_default(),
            from,
        }
    }
}

impl fmt::Display for ErrorResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} responded {}", self.from, self.status)?;
        if !self.code.is_empty() {
            write!(f, " {}", self.code)?;
        }
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for ErrorResponse {}

/// A request without a complete response. It may or may not have been carried out.
#[derive(Debug)]
pub(crate) struct NoResponse {
    pub(crate) peer: Peer,
    pub(crate) host: String,
    /// The connection could not be made, so nothing was sent.
    pub(crate) not_connected: bool,
    pub(crate) source: object_store::client::HttpError,
}

impl fmt::Display for NoResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { peer, host, .. } = self;
        if self.not_connected {
            write!(f, "no connection to {peer} at {host}")
        } else {
            write!(f, "no complete response from {peer} at {host}")
        }
    }
}

impl std::error::Error for NoResponse {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        // Skips the library's own layer, which says "HTTP error" and repeats its source.
        self.source.source()
    }
}

/// Returns the text of the first element with this name. No XML parser is needed: the bodies are small
/// and their form is known, and the result only selects the error.
fn element<'b>(body: &'b str, name: &str) -> Option<&'b str> {
    let (_, rest) = body.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    Some(text)
}

fn one_line(text: &str, max_chars: usize) -> String {
    let line = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(max_chars);
    line.collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::{ErrorResponse, Peer};

    #[test]
    fn only_code_and_message_are_kept() {
        let body = "<?xml version=\"1.0\"?><Error><Code>SignatureDoesNotMatch</Code>\n\
                    <Message>not\nright</Message><StringToSign>secret</StringToSign></Error>";
        let response = ErrorResponse::new(Peer::Storage, 403, None, body);
        assert_eq!(
            response.to_string(),
            "the storage responded 403 SignatureDoesNotMatch: not right"
        );
        assert!(!format!("{response:?}").contains("secret"));
    }

    #[test]
    fn the_code_is_read_from_the_header_if_there_is_no_body() {
        let response = ErrorResponse::new(Peer::Storage, 404, Some("ContainerNotFound"), "");
        assert_eq!(response.code, "ContainerNotFound");
        let bare = ErrorResponse::new(Peer::Credentials, 404, None, "<Code>");
        assert_eq!(bare.to_string(), "the credentials service responded 404");
    }
}
