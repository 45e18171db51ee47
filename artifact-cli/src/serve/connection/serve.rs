//! One connection, from its first byte to its end.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::guard::Guard;
use super::limits::Limits;
use super::pulse::{Order, Pulse};
use super::requests::{Front, Requests};
use crate::serve::linger::Linger;
use crate::serve::listen::{Io, Peer};

/// How often a silent HTTP/2 connection is asked whether it is still there.
const PING_INTERVAL: Duration = Duration::from_secs(30);
/// Requests at once on one HTTP/2 connection.
const STREAMS: u32 = 64;
/// What is kept of one answer, and of one request, beyond what the client takes and the endpoint
/// has read. Over HTTP/2 the second is what a client may send unasked.
const STREAM_BUFFER: u32 = 256 << 10;
const CONNECTION_BUFFER: u32 = 1 << 20;
/// Streams that a client opened and reset before anybody looked at them, and that were reset on
/// account of its errors (CVE-2023-44487, RUSTSEC-2024-0003); more end the connection.
const RESETS: usize = 20;
const ERRORS: usize = 64;

pub(crate) fn builder(limits: &Limits) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        // The guard keeps this time and answers 408; this is for what it does not see: the rest of
        // a header that came together with the request before it.
        .header_read_timeout(limits.idle + limits.header)
        .max_buf_size(limits.header_bytes.max(128 << 10));
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(limits.header)
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
        .initial_stream_window_size(STREAM_BUFFER)
        .initial_connection_window_size(CONNECTION_BUFFER)
        .max_send_buf_size(STREAM_BUFFER as usize)
        .max_pending_accept_reset_streams(RESETS)
        .max_local_error_reset_streams(ERRORS);
    builder
}

/// Serves a connection until it ends by itself, or is to. Dropped, it is cut.
pub(crate) async fn serve(
    stream: Box<dyn Io>,
    peer: Peer,
    builder: Builder<TokioExecutor>,
    front: Arc<Front>,
    pulse: Arc<Pulse>,
    draining: CancellationToken,
) {
    let limits = front.limits;
    let stream = Guard::new(
        Linger::new(stream),
        Arc::clone(&pulse),
        Arc::clone(&front),
        peer.clone(),
    );
    let service = Requests {
        front,
        pulse: Arc::clone(&pulse),
        peer: peer.clone(),
    };
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let mut ending = false;
    let mut deadline = None;
    loop {
        tokio::select! {
            biased;
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    // Clients come and go; that is no news to the operator.
                    tracing::debug!(%peer, error = &*error, "a connection ended");
                }
                return;
            }
            order = pulse.order() => match order {
                Order::Cut => return,
                Order::Evict if pulse.idle_since().is_some() => {
                    tracing::debug!(%peer, "an idle connection made room for another");
                    return;
                }
                Order::Evict => {}
                Order::Retire => {
                    connection.as_mut().graceful_shutdown();
                    ending = true;
                    // What was asked for and not taken must not hold it open.
                    deadline.get_or_insert_with(|| Instant::now() + limits.window);
                }
            },
            () = draining.cancelled(), if !ending => {
                connection.as_mut().graceful_shutdown();
                ending = true;
            }
            () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => return,
        }
    }
}
