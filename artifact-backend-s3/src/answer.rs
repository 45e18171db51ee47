//! An answer that is no success, as a value: which status, which code.
//!
//! `object_store` keeps its own type for this to itself and folds several answers into one variant
//! (every 409 is `AlreadyExists`, a missing bucket is `NotFound`), so the connector takes the answer
//! apart before the library sees it.

use std::fmt;

/// What a storage, or whoever gives out its credentials, answered instead of a success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The provider's own code, such as `NoSuchBucket`; empty where there was none.
    pub(crate) code: String,
    /// Its sentence, in one line, shortened.
    pub(crate) message: String,
    pub(crate) from: Peer,
}

/// Who a request went to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    Storage,
    /// What gives out credentials: the metadata service of a machine, or a token service.
    Credentials,
}

impl Peer {
    pub(crate) fn of_host(host: &str) -> Self {
        let credentials = matches!(
            host,
            "169.254.169.254" | "169.254.170.2" | "metadata" | "metadata.google.internal"
        ) || host.starts_with("sts.")
            || host.starts_with("login.microsoftonline.")
            || host == "oauth2.googleapis.com";
        if credentials {
            Self::Credentials
        } else {
            Self::Storage
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Storage => "the storage",
            Self::Credentials => "the service that gives out credentials",
        })
    }
}

impl Answer {
    /// Reads a body of the form that all three providers have, `<Error><Code>..</Code>
    /// <Message>..</Message></Error>`. Only these two fields are kept: others repeat the request, and
    /// with it what was signed.
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

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} answered {}", self.from, self.status)?;
        if !self.code.is_empty() {
            write!(f, " {}", self.code)?;
        }
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for Answer {}

/// No answer came: the request may or may not have been carried out.
#[derive(Debug)]
pub(crate) struct Unreached {
    pub(crate) peer: Peer,
    pub(crate) host: String,
    /// Nothing was sent, because there was no connection.
    pub(crate) not_connected: bool,
    pub(crate) source: object_store::client::HttpError,
}

impl fmt::Display for Unreached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { peer, host, .. } = self;
        if self.not_connected {
            write!(f, "no connection to {peer} at {host}")
        } else {
            write!(f, "no whole answer from {peer} at {host}")
        }
    }
}

impl std::error::Error for Unreached {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        // The library's own layer says "HTTP error" and repeats what is below it.
        self.source.source()
    }
}

/// The text of the first element of this name. The bodies are small and of a known form, and what
/// is read here decides nothing but which error is told.
fn element<'b>(body: &'b str, name: &str) -> Option<&'b str> {
    let (_, rest) = body.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    Some(text)
}

fn one_line(text: &str, most: usize) -> String {
    let line = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(most);
    line.collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::{Answer, Peer};

    #[test]
    fn code_and_message_are_kept_and_nothing_else() {
        let body = "<?xml version=\"1.0\"?><Error><Code>SignatureDoesNotMatch</Code>\n\
                    <Message>not\nright</Message><StringToSign>secret</StringToSign></Error>";
        let answer = Answer::new(Peer::Storage, 403, None, body);
        assert_eq!(
            answer.to_string(),
            "the storage answered 403 SignatureDoesNotMatch: not right"
        );
        assert!(!format!("{answer:?}").contains("secret"));
    }

    #[test]
    fn a_header_says_the_code_where_there_is_no_body() {
        let answer = Answer::new(Peer::Storage, 404, Some("ContainerNotFound"), "");
        assert_eq!(answer.code, "ContainerNotFound");
        let bare = Answer::new(Peer::of_host("169.254.169.254"), 404, None, "<Code>");
        assert_eq!(
            bare.to_string(),
            "the service that gives out credentials answered 404"
        );
    }
}
