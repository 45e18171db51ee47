//! The client: its connections, the headers of each request, and the retry loop.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use artifact_backend::UriPrefix;
use reqwest::header::{ACCEPT_ENCODING, HeaderValue};
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url};

use crate::binding::Binding;
use crate::credential::Credential;
use crate::error::{Operation, Result};
use crate::response::{no_response, with_stall_timeout};
use crate::retry::{Retries, RetryCallback, RetryPolicy};

/// A client of one experiment on one artifact server. Clones are cheap and share connections.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

#[derive(Clone)]
pub(crate) struct Inner {
    pub(crate) http: reqwest::Client,
    /// The URL of the experiment; every other URL but those of management is below it.
    pub(crate) experiment_url: Url,
    /// The URL of the experiment for management.
    pub(crate) management_url: Url,
    /// Whether the server is on a Unix socket. The host in the URLs is then a placeholder.
    pub(crate) is_on_socket: bool,
    pub(crate) experiment: HeaderValue,
    pub(crate) binding: Arc<Binding>,
    pub(crate) credential: Credential,
    pub(crate) stall_timeout: Duration,
    pub(crate) retry_policy: RetryPolicy,
    pub(crate) on_retry: RetryCallback,
}

/// When a request may be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// Always: the request changes nothing on the server.
    Always,
    /// Only if the server cannot have processed the request: connecting failed, or the status was
    /// 429.
    IfNotProcessed,
}

impl Client {
    pub(crate) fn from_inner(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }

    /// Returns the URL of the experiment, with `segments` appended. They are constants or have been
    /// checked by [`is_path_segment`](crate::address::is_path_segment), so nothing is escaped here.
    pub(crate) fn url(&self, segments: &[&str]) -> Url {
        below(&self.0.experiment_url, segments)
    }

    /// Returns a URL of management, below that of the experiment. The segments need no escape.
    pub(crate) fn management_url(&self, segments: &[&str]) -> Url {
        below(&self.0.management_url, segments)
    }

    /// Returns a URL of management that names no experiment. The segments need no escape.
    pub(crate) fn deployment_url(&self, segments: &[&str]) -> Url {
        let mut url = self.0.management_url.clone();
        // The path of management ends with `/experiments/{E}`.
        let base = url.path().rsplitn(3, '/').nth(2).unwrap_or_default();
        let path = segments
            .iter()
            .fold(base.to_owned(), |path, segment| format!("{path}/{segment}"));
        url.set_path(&path);
        url
    }

    /// Returns what the URIs of artifacts begin with.
    pub(crate) fn uri_prefix(&self) -> &UriPrefix {
        &self.0.binding.uri_prefix
    }

    /// Returns whether deposits are forms, because the server has no endpoints of management.
    pub(crate) fn deposits_forms(&self) -> bool {
        self.0.binding.form_deposits.load(Ordering::Relaxed)
    }

    /// Makes all later deposits forms.
    pub(crate) fn deposit_forms(&self) {
        self.0.binding.form_deposits.store(true, Ordering::Relaxed);
    }

    /// Returns the principal of the credential, or `None` if the credential does not name it.
    pub fn principal(&self) -> Option<&str> {
        self.0.credential.principal()
    }

    /// Starts the retry count of one operation.
    pub(crate) fn retries(&self) -> Retries {
        Retries::new(self.0.retry_policy.clone(), self.0.on_retry.clone())
    }

    pub(crate) fn error_prefix(&self) -> &str {
        &self.0.binding.error_prefix
    }

    pub(crate) fn stall_timeout(&self) -> Duration {
        self.0.stall_timeout
    }

    /// Starts a request with the headers that every request carries.
    pub(crate) fn request(&self, method: Method, url: Url) -> RequestBuilder {
        // The digest covers the deposited bytes, so the response must not be compressed.
        let request = self.0.http.request(method, url);
        let request = request.header(ACCEPT_ENCODING, "identity");
        match self.0.credential.value() {
            Some(value) => request
                .header(self.0.credential.field(), value)
                .header(&self.0.binding.experiment_header, &self.0.experiment),
            None => request,
        }
    }

    /// Returns the same client without its credential and its experiment, for requests that need neither.
    pub(crate) fn without_credential(&self) -> Self {
        let mut inner = Inner::clone(&self.0);
        inner.credential = Credential::none();
        Self::from_inner(inner)
    }

    /// Returns whether a URL has the host that this client made up because its server is on a Unix socket.
    pub(crate) fn has_placeholder_host(&self, url: &str) -> bool {
        let origin = self.server_url().origin();
        self.0.is_on_socket && Url::parse(url).is_ok_and(|url| url.origin() == origin)
    }

    /// Returns a URL of the server.
    pub(crate) fn server_url(&self) -> &Url {
        &self.0.experiment_url
    }

    /// Sends a request until the response has an expected status or no further attempt is allowed.
    pub(crate) async fn send(
        &self,
        operation: Operation,
        retries: &mut Retries,
        repeat: Repeat,
        request: impl Fn() -> RequestBuilder + Send + Sync,
        expected: &[StatusCode],
    ) -> Result<Response> {
        let limit = self.0.stall_timeout;
        loop {
            let sent = with_stall_timeout(operation, limit, request().send()).await;
            let (error, not_processed) = match sent {
                Ok(Ok(response)) if expected.contains(&response.status()) => return Ok(response),
                Ok(Ok(response)) => {
                    let not_processed = response.status() == StatusCode::TOO_MANY_REQUESTS;
                    (self.rejection(operation, response).await, not_processed)
                }
                Ok(Err(error)) => {
                    let not_processed = error.is_connect();
                    (no_response(operation, error), not_processed)
                }
                Err(stalled) => (stalled, false),
            };
            if repeat == Repeat::IfNotProcessed && !not_processed {
                return Err(error);
            }
            retries.wait_before_retry(error).await?;
            retries.may_be_done |= !not_processed;
        }
    }
}

/// Appends segments that need no escape to a URL.
fn below(url: &Url, segments: &[&str]) -> Url {
    let mut url = url.clone();
    let mut path = url.path().to_owned();
    for segment in segments {
        path.push('/');
        path.push_str(segment);
    }
    url.set_path(&path);
    url
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("experiment_url", &self.0.experiment_url.as_str())
            .field("credential", &self.0.credential)
            .field("stall_timeout", &self.0.stall_timeout)
            .finish_non_exhaustive()
    }
}
