//! Serves one connection from its first byte to its end.

use std::convert::Infallible;
use std::error::Error;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use http::{Request, Response};
use http_body::Body;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tower::Service;

use super::guarded_stream::GuardedStream;
use super::request_body::RequestBody;
use super::server_state::ServerState;
use super::service::ConnectionService;
use super::state::{ConnectionState, Shutdown};
use crate::client_timeout::{ClientTimeout, ClientTimer};
use crate::config::ServerConfig;
use crate::lingering_close::LingeringClose;
use crate::listener::{Io, Peer};

/// Interval of pings on a silent HTTP/2 connection.
const PING_INTERVAL: Duration = Duration::from_secs(30);
/// How long an idle HTTP/2 connection stays open after a GOAWAY whose receipt the client does not confirm
/// (RFC 9113, section 6.8).
const GOAWAY_TIME: Duration = Duration::from_millis(250);
/// Maximum number of open requests on one HTTP/2 connection.
const MAX_STREAMS: u32 = 64;
/// Bytes buffered per HTTP/2 stream in each direction. A client may send this much of a request before
/// the service reads it.
const STREAM_BUFFER: u32 = 256 << 10;
/// Bytes that a client may send on one HTTP/2 connection before the services read them.
const CONNECTION_BUFFER: u32 = 1 << 20;
/// Streams that a client may open and reset before they are accepted (CVE-2023-44487). More end the
/// connection.
const MAX_RESETS: usize = 20;
/// Streams that may be reset because of the client's errors (RUSTSEC-2024-0003). More end the
/// connection.
const MAX_STREAM_ERRORS: usize = 64;

/// Returns the HTTP implementation with the limits that it enforces itself.
pub(crate) fn builder(config: &ServerConfig) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(ClientTimer)
        // A client may close its write side after its request. The guarded stream detects one that is gone.
        .half_close(true)
        // The guarded stream enforces the header time-out and answers 408. This one covers what it
        // cannot see: the rest of a header that began in the same segment as the request before it.
        .header_read_timeout(config.idle_timeout + config.header_timeout)
        .max_buf_size(config.max_header_bytes.max(128 << 10));
    builder
        .http2()
        .timer(ClientTimer)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(config.header_timeout)
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(u32::try_from(config.max_header_bytes).unwrap_or(u32::MAX))
        .initial_stream_window_size(STREAM_BUFFER)
        .initial_connection_window_size(CONNECTION_BUFFER)
        .max_send_buf_size(STREAM_BUFFER as usize)
        .max_pending_accept_reset_streams(MAX_RESETS)
        .max_local_error_reset_streams(MAX_STREAM_ERRORS);
    builder
}

/// Serves a connection until it ends or is ended. Dropping the future closes the connection at once.
pub(crate) async fn serve<S, B>(
    stream: Box<dyn Io>,
    peer: Peer,
    builder: Builder<TokioExecutor>,
    service: S,
    server: Arc<ServerState>,
    state: Arc<ConnectionState>,
    draining: CancellationToken,
) where
    S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + Unpin + 'static,
{
    let window = server.config.throughput_window;
    let stream = GuardedStream::new(
        LingeringClose::new(stream),
        Arc::clone(&state),
        Arc::clone(&server),
        peer.clone(),
    );
    let service = ConnectionService {
        service,
        server,
        state: Arc::clone(&state),
        peer: peer.clone(),
    };
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let mut orders = orders(&state, &draining);
    let mut ending = false;
    let mut deadline = pin!(None::<ClientTimeout>);
    loop {
        tokio::select! {
            biased;
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    // Clients often disconnect; an operator does not need to know.
                    tracing::debug!(%peer, error = &*error, "a connection ended");
                }
                return;
            }
            Some(order) = orders.next() => match order {
                Order::Shutdown(Shutdown::Abort) => return,
                Order::Shutdown(Shutdown::Idle) if state.idle_since().is_some() => {
                    tracing::debug!(%peer, "closed an idle connection to make room for another");
                    return;
                }
                Order::Shutdown(Shutdown::Idle) => orders.push(shutdown(&state)),
                Order::Shutdown(Shutdown::Graceful) => {
                    orders.push(shutdown(&state));
                    connection.as_mut().graceful_shutdown();
                    ending = true;
                    // A response that the client does not read must not keep it open.
                    if deadline.is_none() {
                        deadline.set(Some(ClientTimeout::new(window)));
                    }
                }
                Order::Drain => {
                    ending = true;
                    connection.as_mut().graceful_shutdown();
                    state.drain();
                }
            },
            () = sleep(GOAWAY_TIME), if ending => if state.idle_since().is_some() {
                state.close();
            },
            () = expired(deadline.as_mut()) => return,
        }
    }
}

/// What the task of a connection is to do.
enum Order {
    Shutdown(Shutdown),
    Drain,
}

/// The orders to one connection. A future in it is polled only when it was woken: each poll takes several
/// locks, of which all connections share two, and the task is polled for each request.
type Orders<'c> = FuturesUnordered<BoxFuture<'c, Order>>;

fn orders<'c>(state: &'c ConnectionState, draining: &'c CancellationToken) -> Orders<'c> {
    let drain = async {
        draining.cancelled().await;
        Order::Drain
    };
    [shutdown(state), drain.boxed()].into_iter().collect()
}

fn shutdown(state: &ConnectionState) -> BoxFuture<'_, Order> {
    state.wait_for_shutdown().map(Order::Shutdown).boxed()
}

/// Waits until the time-out is over, if there is one.
async fn expired(timeout: Pin<&mut Option<ClientTimeout>>) {
    match timeout.as_pin_mut() {
        Some(timeout) => timeout.await,
        None => std::future::pending().await,
    }
}
