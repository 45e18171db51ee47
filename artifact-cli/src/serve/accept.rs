//! Connections: taken, served, and let finish at the end.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use artifact_http::{HttpConfig, Refusal};
use tokio::io::AsyncWriteExt;
use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::connection::{self, Front};
use super::connections::Connections;
use super::linger::Linger;
use super::listen::{Io, Listener};
use super::tls::Tls;
use crate::signals::{Hangup, Signals};

/// How long to wait after the operating system gave no connection, in the hope of one being closed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
/// Connections beyond the limit that are told so at once; still more are closed without a word.
const REFUSED_AT_ONCE: usize = 64;

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
    listener: Listener,
    tls: Option<Tls>,
    front: Front,
    signals: &mut Signals,
    hangup: &mut Hangup,
) -> Ended {
    let limits = front.limits;
    let front = Arc::new(front);
    let tls = tls.map(Arc::new);
    let builder = connection::builder(&limits);
    let seats = Connections::new(limits.connections);
    let draining = CancellationToken::new();
    let mut tasks = JoinSet::new();
    let signal = loop {
        tokio::select! {
            biased;
            signal = signals.next() => break signal,
            () = hangup.next() => if let Some(tls) = &tls {
                tls.reload();
            },
            Some(ended) = tasks.join_next() => log_panic(ended),
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    let Some(seat) = seats.seat() else {
                        if tls.is_none() && tasks.len() < limits.connections + REFUSED_AT_ONCE {
                            tasks.spawn(refuse(stream, Arc::clone(&front)));
                        }
                        continue;
                    };
                    let (tls, front) = (tls.clone(), Arc::clone(&front));
                    let (builder, draining) = (builder.clone(), draining.clone());
                    tasks.spawn(async move {
                        let pulse = Arc::clone(&seat.pulse);
                        let secured = tokio::select! {
                            secured = secure(tls, stream, limits.header) => secured,
                            // Nothing was asked for yet.
                            () = draining.cancelled() => return,
                            () = pulse.evicted() => return,
                        };
                        match secured {
                            Ok(stream) => {
                                connection::serve(stream, peer, builder, front, pulse, draining).await;
                            }
                            Err(error) => tracing::debug!(%peer, %error, "no TLS was agreed on"),
                        }
                        drop(seat);
                    });
                }
                Err(error) => after_accept_error(&error).await,
            },
        }
    };

    // New connections are refused from here on, rather than left waiting.
    drop(listener);
    tracing::info!(
        signal = signal.name(),
        open = tasks.len(),
        "finishing what is in flight"
    );
    draining.cancel();
    let all = async {
        while let Some(ended) = tasks.join_next().await {
            log_panic(ended);
        }
    };
    tokio::select! {
        biased;
        () = all => return Ended::Drained,
        signal = signals.next() => tracing::warn!(signal = signal.name(), "cutting what is in flight"),
        () = tokio::time::sleep(limits.drain) => tracing::warn!("the drain time-out is over"),
    }
    let mut cut = 0;
    tasks.abort_all();
    while let Some(ended) = tasks.join_next().await {
        cut += usize::from(ended.is_err_and(|error| error.is_cancelled()));
    }
    Ended::Cut(cut)
}

/// The stream with TLS around it, where there is TLS.
async fn secure(
    tls: Option<Arc<Tls>>,
    stream: Box<dyn Io>,
    limit: Duration,
) -> io::Result<Box<dyn Io>> {
    let Some(tls) = tls else {
        return Ok(stream);
    };
    let agreed = timeout(limit, tls.accept(stream)).await;
    agreed.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// Says that there are too many connections.
async fn refuse(stream: Box<dyn Io>, front: Arc<Front>) {
    let config: &HttpConfig = &front.config;
    let wire = connection::wire(Refusal::Busy, config);
    let mut stream = Linger::new(stream);
    // Whether the client hears it is its own business; it is not waited for longer than a linger.
    let told = async {
        stream.write_all(&wire).await?;
        stream.shutdown().await
    };
    let _ = timeout(Duration::from_secs(1), told).await;
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
