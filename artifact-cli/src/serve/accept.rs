//! Connections: taken, served, and let finish at the end.

use std::io;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::task::{JoinError, JoinSet};

use super::first_bytes::FirstBytes;
use super::linger::Linger;
use crate::signals::Signals;

/// How long to wait after the operating system gave no connection, in the hope of one being closed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
/// How often a silent HTTP/2 connection is asked whether it is still there.
const PING_INTERVAL: Duration = Duration::from_secs(30);

/// What a connection, and the end of the server, may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) header: Duration,
    pub(crate) drain: Duration,
}

/// How serving came to its end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Everything in flight was finished.
    Drained,
    /// So many connections were cut with something in flight.
    Cut(usize),
}

/// Serves until a signal, then lets what is in flight finish within the drain time-out.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    signals: &mut Signals,
) -> Ended {
    let builder = builder(limits);
    let service = TowerToHyperService::new(router);
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let signal = loop {
        tokio::select! {
            biased;
            signal = signals.next() => break signal,
            Some(ended) = connections.join_next() => log_panic(ended),
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    // Answers are written whole; Nagle's algorithm would only delay their ends.
                    if let Err(error) = stream.set_nodelay(true) {
                        tracing::debug!(%peer, %error, "TCP_NODELAY");
                    }
                    let io = TokioIo::new(FirstBytes::new(Linger::new(stream), limits.header));
                    let connection = builder.serve_connection(io, service.clone()).into_owned();
                    let connection = graceful.watch(connection);
                    connections.spawn(async move {
                        if let Err(error) = connection.await {
                            // Clients come and go; that is no news to the operator.
                            tracing::debug!(%peer, error = &*error, "a connection ended");
                        }
                    });
                }
                Err(error) => after_accept_error(&error).await,
            },
        }
    };

    // New connections are refused from here on, rather than left waiting.
    drop(listener);
    let open = connections.len();
    tracing::info!(signal = signal.name(), open, "finishing what is in flight");
    tokio::select! {
        biased;
        () = graceful.shutdown() => return Ended::Drained,
        signal = signals.next() => tracing::warn!(signal = signal.name(), "cutting what is in flight"),
        () = tokio::time::sleep(limits.drain) => tracing::warn!("the drain time-out is over"),
    }
    let mut cut = 0;
    connections.abort_all();
    while let Some(ended) = connections.join_next().await {
        cut += usize::from(ended.is_err_and(|error| error.is_cancelled()));
    }
    Ended::Cut(cut)
}

fn builder(limits: Limits) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(limits.header);
    builder
}

/// One connection that came to nothing concerns nobody else; too few descriptors or too little
/// memory concern all, and pass.
async fn after_accept_error(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    match error.kind() {
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted => {}
        _ => {
            tracing::warn!(%error, "no connection can be taken; trying again");
            tokio::time::sleep(ACCEPT_PAUSE).await;
        }
    }
}

fn log_panic(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!("a connection's task panicked");
    }
}
