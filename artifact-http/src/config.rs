//! Settings of the endpoints.

use std::sync::Arc;

use artifact_backend::UriPrefix;
use artifact_store::ReadPolicy;

use crate::auth_scheme::AuthScheme;
use crate::binding::{BasePath, ErrorPrefix, ExperimentHeader};

/// Settings of the [`router`](crate::router()).
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct HttpConfig {
    /// The prefix of artifact URIs, before the id.
    pub uri_prefix: UriPrefix,
    /// The path under which all endpoints are: `/v0` by default.
    pub base_path: BasePath,
    /// The header field that repeats the experiment of the path: `X-Eden-Experiment-Id` by default.
    pub experiment_header: ExperimentHeader,
    /// What the `type` of problems begins with: `eden://error/` by default.
    pub error_prefix: ErrorPrefix,
    /// What a 401 and the OpenAPI document say about credentials: `Authorization: Bearer <principal>:<secret>`
    /// by default.
    pub auth_scheme: AuthScheme,
    /// Decides who may read an artifact. Without one, depositors and administrators may.
    pub read_policy: Option<Arc<dyn ReadPolicy>>,
    /// The scheme and authority of the `instance` of problems, such as `https://files.example`. By
    /// default they come from `https` and the request's `Host`.
    pub public_url: Option<String>,
    /// Whether clients use `https://`. Has no effect if `public_url` is set.
    pub https: bool,
    /// The greatest number of concurrent deposits. Beyond it the answer is 503. Unlimited by default.
    pub max_uploads: Option<usize>,
    /// The greatest number of concurrent deposits of one principal. Beyond it the answer is 429.
    /// Unlimited by default.
    pub max_uploads_per_principal: Option<usize>,
    /// The greatest number of concurrent fetches: responses whose content is not handed over to the
    /// server yet. Beyond it the answer is 503. Unlimited by default.
    pub max_fetches: Option<usize>,
    /// The greatest number of concurrent fetches of one principal. Beyond it the answer is 429.
    /// Unlimited by default.
    pub max_fetches_per_principal: Option<usize>,
    /// The greatest number of concurrent lists of workers or groups, each with up to 1 MiB in memory.
    /// Beyond it the answer is 503. Unlimited by default.
    pub max_lists: Option<usize>,
    /// The greatest number of concurrent lists of one principal. Beyond it the answer is 429. Unlimited by
    /// default.
    pub max_lists_per_principal: Option<usize>,
    /// Whether layers that may compress run outside the endpoints. A fetch by a client that accepts a content coding then
    /// carries `Content-Encoding: identity`, because compression layers leave such a response alone: compressed
    /// bytes would not be those of `ETag`, `Repr-Digest` and `Content-Length`. Off by
    /// default, because a response without compression needs no such field (RFC 9110, section 8.4.1).
    pub below_layers: bool,
}

impl HttpConfig {
    /// Sets the prefix of artifact URIs.
    #[must_use = "returns the changed settings"]
    pub fn with_uri_prefix(mut self, prefix: UriPrefix) -> Self {
        self.uri_prefix = prefix;
        self
    }

    /// Sets the path under which all endpoints are.
    #[must_use = "returns the changed settings"]
    pub fn with_base_path(mut self, path: BasePath) -> Self {
        self.base_path = path;
        self
    }

    /// Sets the header field that repeats the experiment of the path.
    #[must_use = "returns the changed settings"]
    pub fn with_experiment_header(mut self, header: ExperimentHeader) -> Self {
        self.experiment_header = header;
        self
    }

    /// Sets what the `type` of problems begins with.
    #[must_use = "returns the changed settings"]
    pub fn with_error_prefix(mut self, prefix: ErrorPrefix) -> Self {
        self.error_prefix = prefix;
        self
    }

    /// Sets what a 401 and the OpenAPI document say about credentials.
    #[must_use = "returns the changed settings"]
    pub fn with_auth_scheme(mut self, scheme: AuthScheme) -> Self {
        self.auth_scheme = scheme;
        self
    }

    /// Sets the policy that decides who may read an artifact, for `GET` and `HEAD`. A read that it does not allow
    /// gets the same 403 as one that the built-in rule does not allow; one that it cannot decide now gets 503.
    #[must_use = "returns the changed settings"]
    pub fn with_read_policy(mut self, policy: Arc<dyn ReadPolicy>) -> Self {
        self.read_policy = Some(policy);
        self
    }

    /// Sets the scheme and authority that clients use. A trailing `/` is removed.
    #[must_use = "returns the changed settings"]
    pub fn with_public_url(mut self, url: &str) -> Self {
        self.public_url = Some(url.trim_end_matches('/').to_owned());
        self
    }

    /// Declares that clients use `https://`.
    #[must_use = "returns the changed settings"]
    pub fn with_https(mut self) -> Self {
        self.https = true;
        self
    }

    /// Sets the greatest number of concurrent deposits.
    #[must_use = "returns the changed settings"]
    pub fn with_max_uploads(mut self, max: usize) -> Self {
        self.max_uploads = Some(max);
        self
    }

    /// Sets the greatest number of concurrent deposits of one principal.
    #[must_use = "returns the changed settings"]
    pub fn with_max_uploads_per_principal(mut self, max: usize) -> Self {
        self.max_uploads_per_principal = Some(max);
        self
    }

    /// Sets the greatest number of concurrent fetches.
    #[must_use = "returns the changed settings"]
    pub fn with_max_fetches(mut self, max: usize) -> Self {
        self.max_fetches = Some(max);
        self
    }

    /// Sets the greatest number of concurrent fetches of one principal.
    #[must_use = "returns the changed settings"]
    pub fn with_max_fetches_per_principal(mut self, max: usize) -> Self {
        self.max_fetches_per_principal = Some(max);
        self
    }

    /// Sets the greatest number of concurrent lists.
    #[must_use = "returns the changed settings"]
    pub fn with_max_lists(mut self, max: usize) -> Self {
        self.max_lists = Some(max);
        self
    }

    /// Sets the greatest number of concurrent lists of one principal.
    #[must_use = "returns the changed settings"]
    pub fn with_max_lists_per_principal(mut self, max: usize) -> Self {
        self.max_lists_per_principal = Some(max);
        self
    }

    /// Declares that layers of other crates, such as compression, run outside the endpoints.
    #[must_use = "returns the changed settings"]
    pub fn with_below_layers(mut self) -> Self {
        self.below_layers = true;
        self
    }
}
