//! A client in the making: every setting checked before anything is sent.

use std::time::Duration;

use reqwest::header::HeaderValue;
use reqwest::{Url, redirect};

use crate::client::{Client, Inner};
use crate::credential::Credential;
use crate::error::{Error, Result};
use crate::retry::{Observer, RetryPolicy};

/// How long a connection is kept without a request on it. Shorter than servers keep it (ours: 60 s),
/// so that no deposit is begun on one that its server is just closing.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(20);

/// A [`Client`] in the making.
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until build is called"]
pub struct ClientBuilder {
    base_url: String,
    experiment: String,
    credential: Credential,
    connect_timeout: Duration,
    stall_timeout: Duration,
    retry: RetryPolicy,
    on_retry: Observer,
}

impl ClientBuilder {
    pub(crate) fn new(base_url: &str, experiment: &str, credential: Credential) -> Self {
        Self {
            base_url: base_url.to_owned(),
            experiment: experiment.to_owned(),
            credential,
            connect_timeout: Duration::from_secs(10),
            stall_timeout: Duration::from_mins(1),
            retry: RetryPolicy::default(),
            on_retry: Observer::default(),
        }
    }

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

    /// How often what may be tried again is; see [`RetryPolicy`] for the default.
    pub fn with_retry_policy(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// What is called before each further try, with why there must be one and how long is waited
    /// before it. It must not block.
    pub fn with_on_retry(
        mut self,
        call: impl Fn(&Error, Duration) + Send + Sync + 'static,
    ) -> Self {
        self.on_retry = Observer::new(call);
        self
    }

    /// Checks everything and makes the client. Nothing is sent.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput), with a sentence on what to change.
    pub fn build(self) -> Result<Client> {
        let Self {
            base_url,
            experiment,
            credential,
            connect_timeout,
            stall_timeout,
            retry,
            on_retry,
        } = self;
        let experiment_header = check_experiment(&experiment)?;
        let mut address = parse_base_url(&base_url)?;
        let path = address.path().trim_end_matches('/');
        let path = format!("{path}/v0/experiments/{experiment}");
        address.set_path(&path);

        let mut http = reqwest::Client::builder()
            .user_agent(concat!("artifact-client/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .connect_timeout(connect_timeout)
            .pool_idle_timeout(POOL_IDLE_TIMEOUT)
            .tcp_nodelay(true)
            .http1_only();
        if is_loopback(&address) {
            // A proxy of the environment cannot reach this machine's own loopback.
            http = http.no_proxy();
        }
        let http = tls(http).build().map_err(|error| {
            Error::invalid("the HTTP client cannot be set up").with_source(error)
        })?;
        Ok(Client::from_inner(Inner {
            http,
            address,
            experiment: experiment_header,
            credential,
            stall_timeout,
            retry,
            on_retry,
        }))
    }
}

/// Whether a text can stand in a path as it is: 1 to 128 unreserved characters of RFC 3986, and no
/// dot segment.
pub(crate) fn is_segment(text: &str) -> bool {
    let unreserved = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    (1..=128).contains(&text.len()) && text.bytes().all(unreserved) && !matches!(text, "." | "..")
}

fn check_experiment(experiment: &str) -> Result<HeaderValue> {
    let header = is_segment(experiment)
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
