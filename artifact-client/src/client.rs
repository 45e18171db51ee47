//! The client itself: where the server is, who asks, and how long it may stand still.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{ACCEPT_ENCODING, AUTHORIZATION, HeaderValue};
use reqwest::{Method, RequestBuilder, Url, redirect, retry};

use crate::credential::Credential;
use crate::error::{Error, ErrorKind, Operation, Result};

const EXPERIMENT_HEADER: &str = "X-Eden-Experiment-Id";

/// A client of one experiment of one artifact server. Cloning is cheap and shares connections.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    http: reqwest::Client,
    artifacts: Url,
    experiment: HeaderValue,
    credential: Credential,
    stall_timeout: Duration,
}

impl Client {
    /// Begins a client of the server at `base_url` (such as `http://127.0.0.1:8080`; a path in it
    /// is kept as a prefix) and of one experiment there.
    pub fn builder(base_url: &str, experiment: &str, credential: Credential) -> ClientBuilder {
        ClientBuilder {
            base_url: base_url.to_owned(),
            experiment: experiment.to_owned(),
            credential,
            connect_timeout: Duration::from_secs(10),
            stall_timeout: Duration::from_mins(1),
        }
    }

    /// The address of the experiment's artifacts.
    pub(crate) fn artifacts(&self) -> Url {
        self.0.artifacts.clone()
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
            .field("artifacts", &self.0.artifacts.as_str())
            .field("credential", &self.0.credential)
            .field("stall_timeout", &self.0.stall_timeout)
            .finish_non_exhaustive()
    }
}

/// A [`Client`] in the making.
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until build is called"]
pub struct ClientBuilder {
    base_url: String,
    experiment: String,
    credential: Credential,
    connect_timeout: Duration,
    stall_timeout: Duration,
}

impl ClientBuilder {
    /// How long a connection may take to come about; 10 s by default.
    pub fn with_connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = limit;
        self
    }

    /// How long a transfer may stand still, waiting for the server; 60 s by default. It covers the
    /// time that the server needs to make a deposit durable after its last byte. Time in which the
    /// body of a deposit has nothing to give does not count, nor does the whole time of a transfer.
    pub fn with_stall_timeout(mut self, limit: Duration) -> Self {
        self.stall_timeout = limit;
        self
    }

    /// Checks everything and makes the client. Nothing is sent.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput), with a sentence on what to change.
    pub fn build(self) -> Result<Client> {
        let Self {
            base_url,
            experiment,
            credential,
            connect_timeout,
            stall_timeout,
        } = self;
        let experiment_header = check_experiment(&experiment)?;
        let mut artifacts = parse_base_url(&base_url)?;
        let path = artifacts.path().trim_end_matches('/');
        let path = format!("{path}/v0/experiments/{experiment}/artifacts");
        artifacts.set_path(&path);

        let mut http = reqwest::Client::builder()
            .user_agent(concat!("artifact-client/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .connect_timeout(connect_timeout)
            .tcp_nodelay(true)
            .http1_only();
        if is_loopback(&artifacts) {
            // A proxy of the environment cannot reach this machine's own loopback.
            http = http.no_proxy();
        }
        let http = tls(http).build().map_err(|error| {
            Error::invalid("the HTTP client cannot be set up").with_source(error)
        })?;
        Ok(Client(Arc::new(Inner {
            http,
            artifacts,
            experiment: experiment_header,
            credential,
            stall_timeout,
        })))
    }
}

/// An experiment id is 1 to 128 unreserved characters of RFC 3986, so it needs no escape in a path.
fn check_experiment(experiment: &str) -> Result<HeaderValue> {
    let unreserved = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    let fits = (1..=128).contains(&experiment.len())
        && experiment.bytes().all(unreserved)
        && !matches!(experiment, "." | "..");
    let header = fits
        .then(|| HeaderValue::from_str(experiment).ok())
        .flatten();
    header.ok_or_else(|| {
        Error::invalid("an experiment id is 1 to 128 of the characters A-Z a-z 0-9 - . _ ~")
    })
}

fn parse_base_url(text: &str) -> Result<Url> {
    let example = "a server's address is written like http://127.0.0.1:8080";
    let url = Url::parse(text).map_err(|error| Error::invalid(example).with_source(error))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(Error::invalid(example));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Error::invalid(
            "a credential does not belong in the server's address, where logs would show it",
        ));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(Error::invalid(
            "a server's address has neither a query nor a fragment",
        ));
    }
    if url.scheme() == "https" && !cfg!(feature = "tls") {
        return Err(Error::invalid(
            "https:// is not compiled in; build with the feature `tls`",
        ));
    }
    Ok(url)
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let address = host.parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(not(feature = "tls"))]
fn tls(builder: reqwest::ClientBuilder) -> reqwest::ClientBuilder {
    builder
}

#[cfg(feature = "tls")]
fn tls(builder: reqwest::ClientBuilder) -> reqwest::ClientBuilder {
    // Who has installed a provider for the process keeps it; the loser of a race uses the winner's.
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
    builder.tls_backend_rustls()
}
