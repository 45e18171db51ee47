//! The client itself: where the server is, who asks, and how long it may stand still.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{ACCEPT_ENCODING, AUTHORIZATION, HeaderValue};
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url};

use crate::builder::ClientBuilder;
use crate::credential::Credential;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::problem::refusal;
use crate::retry::{Observer, Retries, RetryPolicy};

const EXPERIMENT_HEADER: &str = "X-Eden-Experiment-Id";

/// A client of one experiment of one artifact server. Cloning is cheap and shares connections.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) http: reqwest::Client,
    /// The address of the experiment itself; everything else lies below it.
    pub(crate) address: Url,
    pub(crate) experiment: HeaderValue,
    pub(crate) credential: Credential,
    pub(crate) stall_timeout: Duration,
    pub(crate) retry: RetryPolicy,
    pub(crate) on_retry: Observer,
}

impl Client {
    /// Begins a client of the server at `base_url` (such as `http://127.0.0.1:8080`; a path in it
    /// is kept as a prefix) and of one experiment there.
    pub fn builder(base_url: &str, experiment: &str, credential: Credential) -> ClientBuilder {
        ClientBuilder::new(base_url, experiment, credential)
    }

    pub(crate) fn from_inner(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }

    /// The address of the experiment, or of what lies below it. The segments are ours, or have been
    /// checked to be unreserved characters: nothing here is escaped.
    pub(crate) fn below(&self, segments: &[&str]) -> Url {
        let mut url = self.0.address.clone();
        let path = segments
            .iter()
            .fold(url.path().to_owned(), |path, segment| {
                format!("{path}/{segment}")
            });
        url.set_path(&path);
        url
    }

    /// The address of an artifact, or of all of them.
    pub(crate) fn artifacts(&self) -> Url {
        self.below(&["artifacts"])
    }

    /// The tries of one operation.
    pub(crate) fn retries(&self) -> Retries {
        Retries::new(self.0.retry.clone(), self.0.on_retry.clone())
    }

    pub(crate) fn stall_timeout(&self) -> Duration {
        self.0.stall_timeout
    }

    /// A request with what every request carries.
    pub(crate) fn request(&self, method: Method, url: Url) -> RequestBuilder {
        self.0
            .http
            .request(method, url)
            .header(AUTHORIZATION, self.0.credential.header())
            .header(EXPERIMENT_HEADER, self.0.experiment.clone())
            // A digest is of the bytes as they were deposited, so nothing may be compressed.
            .header(ACCEPT_ENCODING, "identity")
    }

    /// One step of a transfer, which must not take longer than the time-out on progress.
    pub(crate) async fn within<T>(
        &self,
        operation: Operation,
        step: impl Future<Output = T>,
    ) -> Result<T> {
        let limit = self.0.stall_timeout;
        tokio::time::timeout(limit, step)
            .await
            .map_err(|_| stalled(operation, limit))
    }

    /// Asks until there is an answer of an expected status, or no further try. Only for requests
    /// that change nothing at the server, since one whose answer was lost is sent again.
    pub(crate) async fn ask(
        &self,
        operation: Operation,
        retries: &mut Retries,
        request: impl Fn() -> RequestBuilder + Send + Sync,
        expected: &[StatusCode],
    ) -> Result<Response> {
        loop {
            let error = match self.within(operation, request().send()).await {
                Ok(Ok(answer)) if expected.contains(&answer.status()) => return Ok(answer),
                Ok(Ok(answer)) => refusal(self, operation, answer).await,
                Ok(Err(error)) => unanswered(operation, error),
                Err(stalled) => stalled,
            };
            retries.wait(error).await?;
        }
    }
}

/// Everything but the unreserved characters of RFC 3986. A space becomes `%20`, never `+`, which is a
/// plus where a server reads a query by that RFC alone.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// An address with one parameter.
pub(crate) fn with_parameter(mut url: Url, name: &str, value: &str) -> Url {
    let value = utf8_percent_encode(value, RESERVED);
    url.set_query(Some(&format!("{name}={value}")));
    url
}

/// The error of a transfer that stands still.
pub(crate) fn stalled(operation: Operation, limit: Duration) -> Error {
    Error::new(ErrorKind::Interrupted, operation)
        .with_detail(format!("nothing moved for {} s", limit.as_secs_f64()))
}

/// The error of a request that got no answer.
pub(crate) fn unanswered(operation: Operation, error: reqwest::Error) -> Error {
    let kind = if error.is_connect() {
        ErrorKind::Unavailable
    } else {
        ErrorKind::Interrupted
    };
    Error::new(kind, operation).with_source(error.without_url())
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("address", &self.0.address.as_str())
            .field("credential", &self.0.credential)
            .field("stall_timeout", &self.0.stall_timeout)
            .finish_non_exhaustive()
    }
}
