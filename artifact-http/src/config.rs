//! What a deployment may choose about its endpoints.

use artifact_backend::UriPrefix;

/// Settings of the [`router`](crate::router()).
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct HttpConfig {
    /// What stands before the id in the URIs that are handed out and taken back.
    pub uri_prefix: UriPrefix,
    /// What stands before the path in the `instance` of a problem, such as `https://files.example`.
    /// Without it that is `http://` and the request's own `Host`.
    pub public_url: Option<String>,
}

impl HttpConfig {
    /// The same, with another prefix of URIs.
    #[must_use = "this gives the settings back, it does not change them in place"]
    pub fn with_uri_prefix(mut self, prefix: UriPrefix) -> Self {
        self.uri_prefix = prefix;
        self
    }

    /// The same, known to its clients under this scheme and authority. A `/` at its end is dropped.
    #[must_use = "this gives the settings back, it does not change them in place"]
    pub fn with_public_url(mut self, url: &str) -> Self {
        self.public_url = Some(url.trim_end_matches('/').to_owned());
        self
    }
}
