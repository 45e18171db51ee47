//! TLS to the server.

use std::fmt;

use deadpool_postgres::ClientWrapper;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_postgres::{CancelToken, Client, Config, Connection, NoTls};

#[cfg(feature = "postgres-tls")]
mod rustls;

/// Makes the TLS of new connections. Whether a connection uses it is a setting of the connection.
#[derive(Clone)]
pub(super) enum Tls {
    None,
    #[cfg(feature = "postgres-tls")]
    Rustls(tokio_postgres_rustls::MakeRustlsConnect),
}

impl Tls {
    /// Opens a connection, and starts the task that drives it.
    pub(super) async fn connect(
        &self,
        config: &Config,
    ) -> Result<ClientWrapper, tokio_postgres::Error> {
        match self {
            Self::None => config.connect(NoTls).await.map(drive),
            #[cfg(feature = "postgres-tls")]
            Self::Rustls(tls) => config.connect(tls.clone()).await.map(drive),
        }
    }

    /// Sends a cancel request on a connection of its own.
    pub(super) async fn cancel(&self, cancel: &CancelToken) -> Result<(), tokio_postgres::Error> {
        match self {
            Self::None => cancel.cancel_query(NoTls).await,
            #[cfg(feature = "postgres-tls")]
            Self::Rustls(tls) => cancel.cancel_query(tls.clone()).await,
        }
    }
}

fn drive<S, T>((client, connection): (Client, Connection<S, T>)) -> ClientWrapper
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let task = tokio::spawn(async move {
        if let Err(error) = connection.await {
            // Its own text is often only "db error".
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "a connection to the database failed");
        }
    });
    // Ends the task when it is dropped.
    ClientWrapper::new(client, task)
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            #[cfg(feature = "postgres-tls")]
            Self::Rustls(_) => "Rustls",
        })
    }
}

/// Returns what to do about an error of the handshake that a retry does not change.
pub(super) fn advice(error: &tokio_postgres::Error) -> Option<&'static str> {
    let source = std::error::Error::source(error)?;
    if source.to_string() == "server does not support TLS" {
        return Some(
            "the server of the database has no TLS: set ssl = on in postgresql.conf, or, on a private \
             network, write sslmode=disable",
        );
    }
    #[cfg(feature = "postgres-tls")]
    return rustls::advice(source);
    #[cfg(not(feature = "postgres-tls"))]
    None
}
