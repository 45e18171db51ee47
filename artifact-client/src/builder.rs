//! The builder of a client.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::HeaderValue;
use reqwest::redirect;

use crate::address::{is_loopback, is_path_segment, parse_server};
use crate::binding::Names;
use crate::client::{Client, Inner};
use crate::credential::Credential;
use crate::error::{Error, Result};
use crate::resolver::Resolver;
use crate::retry::{RetryCallback, RetryPolicy};
use crate::tls::{self, Trust};

/// How long the pool keeps an idle connection. It is shorter than the idle time-out of servers (60 s in
/// artifact-server), so a deposit never starts on a connection that the server is closing.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(20);

/// How long a transfer waits for the server by default. It is longer than the time in which a server answers a
/// deposit that its storage does not finish (90 s in artifact-server), so that the client gets that answer.
const STALL_TIMEOUT: Duration = Duration::from_mins(2);

/// Collects the settings of a [`Client`].
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until build is called"]
pub struct ClientBuilder {
    base_url: String,
    experiment: String,
    credential: Credential,
    names: Names,
    connect_timeout: Duration,
    stall_timeout: Duration,
    retry_policy: RetryPolicy,
    on_retry: RetryCallback,
    trust: Trust,
}

impl Client {
    /// Starts a client of one experiment on the server at `base_url`, such as
    /// `http://127.0.0.1:8080`. A path in the URL is kept as a prefix. On Unix systems, `unix:/run/artifact.sock` is a
    /// server on a Unix socket.
    pub fn builder(base_url: &str, experiment: &str, credential: Credential) -> ClientBuilder {
        ClientBuilder {
            base_url: base_url.to_owned(),
            experiment: experiment.to_owned(),
            credential,
            names: Names::default(),
            connect_timeout: Duration::from_secs(10),
            stall_timeout: STALL_TIMEOUT,
            retry_policy: RetryPolicy::default(),
            on_retry: RetryCallback::default(),
            trust: Trust::default(),
        }
    }
}

impl ClientBuilder {
    /// Sets the path, after that of the server's address, under which the endpoints are; `/v0` by default. Servers
    /// that embed `artifact-http` may have another, or the empty one.
    pub fn with_base_path(mut self, path: &str) -> Self {
        path.clone_into(&mut self.names.base_path);
        self
    }

    /// Sets the path, after that of the server's address, under which the endpoints of management are; `/v1` by
    /// default. They deposit, list, remove, hold and expire artifacts.
    pub fn with_management_path(mut self, path: &str) -> Self {
        path.clone_into(&mut self.names.management_path);
        self
    }

    /// Deposits by the form under the [base path](Self::with_base_path), for servers without the endpoints of management. Such
    /// a server has no idempotency keys, so a deposit whose response was lost is not retried. Without this setting, the client
    /// notices it when the server answers the first deposit with 404, and deposits again if the body can be sent again.
    pub fn with_form_deposits(mut self) -> Self {
        self.names.form_deposits = true;
        self
    }

    /// Sets what the URIs of artifacts begin with; `eden://artifacts/` by default. Only requests of management need it:
    /// they name an artifact by the id at the end of its URI.
    pub fn with_uri_prefix(mut self, prefix: &str) -> Self {
        prefix.clone_into(&mut self.names.uri_prefix);
        self
    }

    /// Sets the name of the header field that repeats the experiment; `X-Eden-Experiment-Id` by default.
    pub fn with_experiment_header(mut self, name: &str) -> Self {
        name.clone_into(&mut self.names.experiment_header);
        self
    }

    /// Sets what the types of the server's problems begin with; `eden://error/` by default. With another prefix
    /// than the server's, only the status of a response decides the kind of an error.
    pub fn with_error_prefix(mut self, prefix: &str) -> Self {
        prefix.clone_into(&mut self.names.error_prefix);
        self
    }

    /// Sets how long connecting may take; 10 s by default.
    pub fn with_connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = limit;
        self
    }

    /// Sets how long a transfer may wait for the server without progress; 120 s by default.
    ///
    /// The limit includes the time that the server needs to make a deposit durable after its last
    /// byte. A server gives up on that after its commit time-out, 90 s by default, and answers 503. Keep
    /// this limit longer, or a deposit ends without an answer and may exist. The limit excludes time in which the body of a deposit has no data to send, and it does not
    /// limit the total time of a transfer.
    pub fn with_stall_timeout(mut self, limit: Duration) -> Self {
        self.stall_timeout = limit;
        self
    }

    /// Sets how often and how soon failed requests are retried.
    pub fn with_retry_policy(mut self, policy: RetryPolicy) -> Self {
        self.retry_policy = policy;
        self
    }

    /// Sets a function that is called before each retry, with the error and the delay until the
    /// retry. It must not block.
    pub fn with_on_retry(
        mut self,
        call: impl Fn(&Error, Duration) + Send + Sync + 'static,
    ) -> Self {
        self.on_retry = RetryCallback::new(call);
        self
    }

    /// Trusts only servers whose certificate is one of these or was issued by one of these, instead of those that the
    /// platform trusts. `pem` has one or more certificates in PEM form (RFC 7468). Without the feature `tls` it has no effect.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) if there is no certificate in it, or one that cannot be read.
    pub fn with_root_certificates(mut self, pem: &[u8]) -> Result<Self> {
        self.trust = Trust::of_pem(pem)?;
        Ok(self)
    }

    /// Checks the settings and makes the client. Nothing is sent.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput), with a sentence that says what to change.
    pub fn build(self) -> Result<Client> {
        let Self {
            base_url,
            experiment,
            credential,
            names,
            connect_timeout,
            stall_timeout,
            retry_policy,
            on_retry,
            trust,
        } = self;
        let binding = names.check()?;
        let experiment_header = check_experiment(&experiment)?;
        let (base_url, socket) = parse_server(&base_url)?;
        let experiment_url = |base_path: &str| {
            let mut url = base_url.clone();
            let path = base_url.path().trim_end_matches('/');
            url.set_path(&format!("{path}{base_path}/experiments/{experiment}"));
            url
        };

        let mut http = reqwest::Client::builder()
            .user_agent(concat!("artifact-client/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .connect_timeout(connect_timeout)
            .pool_idle_timeout(POOL_IDLE_TIMEOUT)
            .tcp_nodelay(true)
            .dns_resolver(Arc::new(Resolver))
            .http1_only()
            // Another crate may enable these features of reqwest. The digest covers the bytes as sent.
            .no_gzip()
            .no_brotli()
            .no_zstd()
            .no_deflate();
        if is_loopback(&base_url) {
            // A proxy from the environment cannot reach this machine's loopback.
            http = http.no_proxy();
        }
        let is_on_socket = socket.is_some();
        #[cfg(unix)]
        if let Some(path) = socket {
            http = http.unix_socket(path);
        }
        #[cfg(not(unix))]
        debug_assert_eq!(socket, None, "only Unix systems have such addresses");
        let http = tls::configure(http, &trust)?.build().map_err(|error| {
            Error::invalid_input("the HTTP client cannot be created").with_source(error)
        })?;
        Ok(Client::from_inner(Inner {
            http,
            experiment_url: experiment_url(&binding.base_path),
            management_url: experiment_url(&binding.management_path),
            is_on_socket,
            experiment: experiment_header,
            binding: Arc::new(binding),
            credential,
            stall_timeout,
            retry_policy,
            on_retry,
        }))
    }
}

fn check_experiment(experiment: &str) -> Result<HeaderValue> {
    let header = is_path_segment(experiment)
        .then(|| HeaderValue::from_str(experiment).ok())
        .flatten();
    header.ok_or_else(|| {
        Error::invalid_input(
            "an experiment id has 1 to 128 characters from A-Z a-z 0-9 - . _ ~ and is not . or ..",
        )
    })
}
