//! The server under test, and its configuration.

use std::fmt;

use http::Uri;

/// A server under test and its configuration.
#[derive(Clone)]
#[non_exhaustive]
pub struct Subject {
    pub(crate) host: String,
    pub(crate) port: u16,
    /// The prefix of every path: empty, or `/` and more, without a trailing `/`.
    pub(crate) prefix: String,
    pub(crate) admin_token: String,
    pub(crate) experiment: String,
    pub(crate) second_experiment: Option<String>,
    pub(crate) max_artifact_bytes: Option<u64>,
    pub(crate) public_url: Option<String>,
    pub(crate) receipt_key: Option<String>,
    pub(crate) embedded: bool,
}

/// Why a base URL cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SubjectError {
    /// The base URL is not of the form `http://host[:port][/prefix]`.
    #[error("the base URL must be http://HOST[:PORT][/PREFIX], not `{0}`")]
    BaseUrl(String),
    /// The base URL is an `https` URL, which the suite does not support.
    #[error(
        "https:// is not supported: give the address of the server behind the TLS proxy, and --public-url"
    )]
    Tls,
}

impl Subject {
    /// Describes the server at this base URL, tested in its experiment `default`.
    ///
    /// # Errors
    ///
    /// [`SubjectError`] if the URL cannot be used.
    pub fn new(base_url: &str, admin_token: impl Into<String>) -> Result<Self, SubjectError> {
        let wrong = || SubjectError::BaseUrl(base_url.to_owned());
        let uri: Uri = base_url.parse().map_err(|_| wrong())?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => return Err(SubjectError::Tls),
            _ => return Err(wrong()),
        }
        if uri.query().is_some()
            || uri
                .authority()
                .is_none_or(|name| name.as_str().contains('@'))
        {
            return Err(wrong());
        }
        Ok(Self {
            host: uri.host().ok_or_else(wrong)?.to_owned(),
            port: uri.port_u16().unwrap_or(80),
            prefix: uri.path().trim_end_matches('/').to_owned(),
            admin_token: admin_token.into(),
            experiment: "default".to_owned(),
            second_experiment: None,
            max_artifact_bytes: None,
            public_url: None,
            receipt_key: None,
            embedded: false,
        })
    }

    /// Sets the experiment to test in.
    #[must_use = "this returns the changed subject"]
    pub fn with_experiment(mut self, experiment: impl Into<String>) -> Self {
        self.experiment = experiment.into();
        self
    }

    /// Sets another experiment of the server. Without one, scenarios that need two experiments are
    /// skipped.
    #[must_use = "this returns the changed subject"]
    pub fn with_second_experiment(mut self, experiment: impl Into<String>) -> Self {
        self.second_experiment = Some(experiment.into());
        self
    }

    /// Sets the server's artifact size cap in bytes. Without it, scenarios that test the exact cap are skipped.
    #[must_use = "this returns the changed subject"]
    pub fn with_max_artifact_bytes(mut self, bytes: u64) -> Self {
        self.max_artifact_bytes = Some(bytes);
        self
    }

    /// Sets the scheme and authority that the server writes into every `instance`. The default is the
    /// base URL.
    #[must_use = "this returns the changed subject"]
    pub fn with_public_url(mut self, url: &str) -> Self {
        self.public_url = Some(url.trim_end_matches('/').to_owned());
        self
    }

    /// Sets the public key of the log of receipts. Without it, scenarios of receipts are skipped.
    #[must_use = "this returns the changed subject"]
    pub fn with_receipt_key(mut self, key: impl Into<String>) -> Self {
        self.receipt_key = Some(key.into());
        self
    }

    /// Declares that the endpoints are mounted in another server, which handles malformed requests in its
    /// own way. Scenarios that send malformed requests are skipped.
    #[must_use = "this returns the changed subject"]
    pub fn embedded(mut self) -> Self {
        self.embedded = true;
        self
    }

    /// Returns the value of the `Host` header.
    pub(crate) fn authority(&self) -> String {
        match self.port {
            80 => self.host.clone(),
            port => format!("{}:{port}", self.host),
        }
    }

    /// Returns the host and port to connect to.
    pub(crate) fn address(&self) -> (&str, u16) {
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        (host, self.port)
    }

    /// Returns the part of an `instance` before the path.
    pub(crate) fn origin(&self) -> String {
        match &self.public_url {
            Some(url) => url.clone(),
            None => format!("http://{}", self.authority()),
        }
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("prefix", &self.prefix)
            .field("experiment", &self.experiment)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::Subject;

    #[test]
    fn base_urls_are_split_into_host_port_and_prefix() {
        let subject = Subject::new("http://127.0.0.1:8080", "x").unwrap();
        assert_eq!(subject.address(), ("127.0.0.1", 8080));
        assert_eq!(
            (subject.prefix.as_str(), subject.origin()),
            ("", "http://127.0.0.1:8080".into())
        );
        let subject = Subject::new("http://[::1]/a/b/", "x").unwrap();
        assert_eq!(subject.address(), ("::1", 80));
        assert_eq!(
            (subject.prefix.as_str(), subject.origin()),
            ("/a/b", "http://[::1]".into())
        );
    }

    #[test]
    fn invalid_base_urls_are_rejected() {
        for url in [
            "",
            "x",
            "127.0.0.1:8080",
            "ftp://h",
            "https://h",
            "http://u:p@h/",
            "http://h/?q",
        ] {
            assert!(Subject::new(url, "x").is_err(), "{url}");
        }
    }

    #[test]
    fn debug_does_not_show_the_token() {
        let subject = Subject::new("http://h", "canary-77").unwrap();
        assert!(!format!("{subject:?}").contains("canary"));
    }
}
