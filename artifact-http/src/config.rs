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
    /// Whether clients come by `https://`, for where there is no `public_url`.
    pub https: bool,
    /// How many deposits may be under way at once; one more is answered 503.
    pub max_uploads: Option<usize>,
    /// How many deposits one principal may have under way at once; one more is answered 429.
    pub max_uploads_per_principal: Option<usize>,
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

    /// The same, reached over TLS.
    #[must_use = "this gives the settings back, it does not change them in place"]
    pub fn with_https(mut self) -> Self {
        self.https = true;
        self
    }

    /// The same, with at most so many deposits under way.
    #[must_use = "this gives the settings back, it does not change them in place"]
    pub fn with_max_uploads(mut self, most: usize) -> Self {
        self.max_uploads = Some(most);
        self
    }

    /// The same, with at most so many deposits of one principal under way.
    #[must_use = "this gives the settings back, it does not change them in place"]
    pub fn with_max_uploads_per_principal(mut self, most: usize) -> Self {
        self.max_uploads_per_principal = Some(most);
        self
    }
}
