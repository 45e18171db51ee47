//! Accepts connections, serves them, and lets open requests finish at the end.

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tokio::io::AsyncWriteExt;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use tower::Service;

use crate::client_timeout::ClientTimeout;
use crate::config::ServerConfig;
use crate::connection::{self, RequestBody, ServerState};
use crate::hooks::{DefaultHooks, Hooks};
use crate::lingering_close::LingeringClose;
use crate::listener::{Io, Listener};
use crate::metrics::ServerMetrics;
use crate::permits::ConnectionLimiter;
use crate::rejection::{self, Rejection};
use crate::tls::Tls;

/// The pause after a failed accept, which gives other connections time to close.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
/// The maximum number of concurrent 503 responses to connections over the limit. Further connections are
/// closed without a response.
const MAX_REJECTIONS: usize = 64;
/// The maximum time to send a 503 to a connection over the limit.
const REJECTION_TIMEOUT: Duration = Duration::from_secs(1);

/// Serves a tower service. See the [crate documentation](crate) for an example.
#[derive(Debug)]
#[must_use = "a server does nothing until `serve` is called"]
pub struct Server<S> {
    service: S,
    config: ServerConfig,
    hooks: Arc<dyn Hooks>,
    tls: Option<Tls>,
    handle: ServerHandle,
    metrics: ServerMetrics,
}

/// Stops a server. Clones stop the same server.
#[derive(Debug, Clone, Default)]
pub struct ServerHandle {
    drain: CancellationToken,
    abort: CancellationToken,
}

impl ServerHandle {
    /// Stops accepting connections, lets open requests finish for up to the drain time-out, and closes all
    /// other connections: silent and idle ones, and those in a TLS handshake or in a header.
    pub fn drain(&self) {
        self.drain.cancel();
    }

    /// Returns whether the server is stopping, or has stopped.
    pub fn is_draining(&self) -> bool {
        self.drain.is_cancelled()
    }

    /// Closes all connections at once, including those with open requests.
    pub fn abort(&self) {
        self.abort.cancel();
        self.drain.cancel();
    }
}

/// How serving ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServeOutcome {
    /// All requests were finished.
    Drained,
    /// Connections were closed while a request was open.
    Aborted {
        /// The number of these connections.
        connections: usize,
    },
}

impl<S> Server<S> {
    /// Creates a server without TLS and with the [`DefaultHooks`].
    pub fn new(service: S, config: ServerConfig) -> Self {
        Self {
            service,
            config,
            hooks: Arc::new(DefaultHooks),
            tls: None,
            handle: ServerHandle::default(),
            metrics: ServerMetrics::none(),
        }
    }

    /// Sets the certificate. Clients must then speak TLS.
    pub fn with_tls(mut self, tls: Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Sets the hooks.
    pub fn with_hooks(mut self, hooks: impl Hooks) -> Self {
        self.hooks = Arc::new(hooks);
        self
    }

    /// Records [metrics](crate::METRICS) by the facade [`metrics`](https://docs.rs/metrics). Install the recorder before. Several servers
    /// of a process that have metrics are added up.
    pub fn with_metrics(mut self) -> Self {
        self.metrics = ServerMetrics::register();
        self
    }

    /// Returns a handle that stops this server.
    pub fn handle(&self) -> ServerHandle {
        self.handle.clone()
    }
}

impl<S, B> Server<S>
where
    S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + Unpin + 'static,
{
    /// Serves until a [`ServerHandle`] stops it.
    ///
    /// Dropping the future closes the listener and all connections at once.
    pub async fn serve(self, listener: Listener) -> ServeOutcome {
        let Self {
            service,
            config,
            hooks,
            tls,
            handle,
            metrics,
        } = self;
        metrics.set_limit(config.max_connections);
        let state = Arc::new(ServerState {
            config,
            hooks,
            metrics,
        });
        let builder = connection::builder(&config);
        let limiter = ConnectionLimiter::new(config.max_connections);
        let mut tasks = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                () = handle.drain.cancelled() => break,
                Some(ended) = tasks.join_next() => log_panic(ended),
                accepted = listener.accept(config.unsent_bytes()) => match accepted {
                    Ok((stream, peer)) => {
                        state.metrics.accepted.increment(1);
                        let Some(permit) = limiter.acquire() else {
                            // A client that expects TLS could not read the response.
                            if tls.is_none() && tasks.len() < config.max_connections + MAX_REJECTIONS {
                                tasks.spawn(reject(stream, Arc::clone(&state)));
                            }
                            continue;
                        };
                        let (tls, state, service) = (tls.clone(), Arc::clone(&state), service.clone());
                        let (builder, draining) = (builder.clone(), handle.drain.clone());
                        let open = state.metrics.connection();
                        tasks.spawn(async move {
                            let connection = Arc::clone(&permit.state);
                            let secured = tokio::select! {
                                secured = secure(tls, stream, config.header_timeout) => secured,
                                // There is no request yet.
                                () = draining.cancelled() => return,
                                () = connection.wait_for_close_if_idle() => return,
                            };
                            match secured {
                                Ok(stream) => {
                                    connection::serve(
                                        stream, peer, builder, service, state, connection, draining,
                                    )
                                    .await;
                                }
                                Err(error) => {
                                    state.metrics.tls_failures.increment(1);
                                    tracing::debug!(%peer, %error, "the TLS handshake failed");
                                }
                            }
                            drop((permit, open));
                        });
                    }
                    Err(error) => handle_accept_error(&error).await,
                },
            }
        }

        // From here on, the kernel refuses new connections instead of queueing them.
        drop(listener);
        tracing::info!(
            connections = tasks.len(),
            "draining: waiting for open requests"
        );
        drain(tasks, &limiter, &handle, config.drain_timeout).await
    }
}

/// Waits until all connections have ended; closes them after the time-out.
async fn drain(
    mut tasks: JoinSet<()>,
    limiter: &ConnectionLimiter,
    handle: &ServerHandle,
    limit: Duration,
) -> ServeOutcome {
    let all_ended = async {
        while let Some(ended) = tasks.join_next().await {
            log_panic(ended);
        }
    };
    tokio::select! {
        biased;
        () = all_ended => return ServeOutcome::Drained,
        () = handle.abort.cancelled() => tracing::warn!("closing connections with open requests"),
        () = ClientTimeout::new(limit) => {
            tracing::warn!("the drain time-out is over; closing connections with open requests");
        }
    }
    // Connections that only linger after their last response do not count.
    let connections = limiter.busy();
    tasks.shutdown().await;
    match connections {
        0 => ServeOutcome::Drained,
        connections => ServeOutcome::Aborted { connections },
    }
}

/// Performs the TLS handshake, if the server has a certificate.
async fn secure(tls: Option<Tls>, stream: Box<dyn Io>, limit: Duration) -> io::Result<Box<dyn Io>> {
    let Some(tls) = tls else {
        return Ok(stream);
    };
    tokio::select! {
        biased;
        secured = tls.accept(stream) => secured,
        () = ClientTimeout::new(limit) => Err(io::ErrorKind::TimedOut.into()),
    }
}

/// Answers a connection beyond the limit with 503.
async fn reject(stream: Box<dyn Io>, state: Arc<ServerState>) {
    let response = state.reject(Rejection::TooManyConnections, None);
    let wire = rejection::encode(response);
    let mut stream = LingeringClose::new(stream);
    let send = async {
        stream.write_all(&wire).await?;
        stream.shutdown().await
    };
    // A client that does not read it loses only the explanation.
    tokio::select! {
        biased;
        _ = send => {}
        () = ClientTimeout::new(REJECTION_TIMEOUT) => {}
    }
}

/// Pauses if the system lacks descriptors or memory. An error of a single connection needs no pause.
async fn handle_accept_error(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    match error.kind() {
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted => {}
        _ => {
            tracing::warn!(%error, "cannot accept a connection; trying again");
            tokio::time::sleep(ACCEPT_PAUSE).await;
        }
    }
}

fn log_panic(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!("the task of a connection panicked");
    }
}
