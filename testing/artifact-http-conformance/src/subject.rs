//! Which server is looked at, and what the suite may know of it.

use std::fmt;

use http::Uri;

/// A server, and what it was started with.
#[derive(Clone)]
#[non_exhaustive]
pub struct Subject {
    pub(crate) host: String,
    pub(crate) port: u16,
    /// What comes before the path of every request; empty, or `/` and more without a `/` at its end.
    pub(crate) prefix: String,
    pub(crate) admin_token: String,
    pub(crate) experiment: String,
    pub(crate) second_experiment: Option<String>,
    pub(crate) max_artifact_bytes: Option<u64>,
    pub(crate) public_url: Option<String>,
    pub(crate) embedded: bool,
}

/// Why this can be no subject.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SubjectError {
    /// The base URL is none of `http://host[:port][/prefix]`.
    #[error("the base URL must be http://HOST[:PORT][/PREFIX], not `{0}`")]
    BaseUrl(String),
    /// TLS is not spoken here.
    #[error(
        "https:// is not spoken here: give the address behind whatever ends TLS, and --public-url"
    )]
    Tls,
}

impl Subject {
    /// The server at this base URL, seen through its experiment `default`.
    ///
    /// # Errors
    ///
    /// [`SubjectError`] for a URL that cannot be asked.
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
            embedded: false,
        })
    }

    /// The same, seen through this experiment.
    #[must_use = "this gives the subject back, it does not change it in place"]
    pub fn with_experiment(mut self, experiment: impl Into<String>) -> Self {
        self.experiment = experiment.into();
        self
    }

    /// The same, which hosts this experiment too. Without one, what happens between experiments is
    /// skipped.
    #[must_use = "this gives the subject back, it does not change it in place"]
    pub fn with_second_experiment(mut self, experiment: impl Into<String>) -> Self {
        self.second_experiment = Some(experiment.into());
        self
    }

    /// The same, which takes artifacts of at most so many bytes. Without it, the exact cap is
    /// skipped.
    #[must_use = "this gives the subject back, it does not change it in place"]
    pub fn with_max_artifact_bytes(mut self, bytes: u64) -> Self {
        self.max_artifact_bytes = Some(bytes);
        self
    }

    /// The same, which says in every `instance` that this is its scheme and authority. Without it
    /// that is the base URL.
    #[must_use = "this gives the subject back, it does not change it in place"]
    pub fn with_public_url(mut self, url: &str) -> Self {
        self.public_url = Some(url.trim_end_matches('/').to_owned());
        self
    }

    /// The same, with the endpoints mounted in a server of somebody else, which has a way of its own
    /// to refuse what is no request: scenarios of that are skipped.
    #[must_use = "this gives the subject back, it does not change it in place"]
    pub fn embedded(mut self) -> Self {
        self.embedded = true;
        self
    }

    /// What a client writes into `Host`.
    pub(crate) fn authority(&self) -> String {
        match self.port {
            80 => self.host.clone(),
            port => format!("{}:{port}", self.host),
        }
    }

    /// The name or address to connect to.
    pub(crate) fn address(&self) -> (&str, u16) {
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        (host, self.port)
    }

    /// What stands before the path in an `instance`.
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
    fn a_base_url_is_taken_apart() {
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
    fn what_cannot_be_asked_is_refused() {
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
