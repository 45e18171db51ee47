//! TLS: the certificate and its key, which can be replaced while the server runs.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use x509_cert::der::Decode as _;

use crate::connection::SocketRef;
use crate::listener::Io;
use crate::tls_error::TlsError;

/// A certificate chain and its private key. Clones share them, so that one clone can [replace](Self::replace)
/// what a running server uses.
#[derive(Clone)]
pub struct Tls(Arc<Mutex<Loaded>>);

/// What was parsed last.
#[derive(Clone)]
struct Loaded {
    config: Arc<ServerConfig>,
    expires_at: Option<SystemTime>,
}

/// Shows nothing, since the content includes the key.
impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

impl Tls {
    /// Parses a certificate chain and its private key, both in PEM.
    ///
    /// # Errors
    ///
    /// If either is not PEM, or they do not belong together. Without the feature `tls`: always.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        Ok(Self(Arc::new(Mutex::new(parse(chain, key)?))))
    }

    /// Replaces the certificate and key for all clones. Open connections keep the former ones.
    ///
    /// # Errors
    ///
    /// As [`from_pem`](Self::from_pem); the former certificate then stays in use.
    pub fn replace(&self, chain: &[u8], key: &[u8]) -> Result<(), TlsError> {
        let loaded = parse(chain, key)?;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = loaded;
        Ok(())
    }

    /// Returns when the certificate expires: the first one of the chain, which is that of the server. `None` if its date cannot be
    /// read.
    pub fn expires_at(&self) -> Option<SystemTime> {
        self.loaded().expires_at
    }

    fn loaded(&self) -> Loaded {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Performs the handshake with a client.
    pub(crate) async fn accept(&self, stream: Box<dyn Io>) -> io::Result<Box<dyn Io>> {
        let config = self.loaded().config;
        let stream = TlsAcceptor::from(config).accept(stream).await?;
        Ok(Box::new(stream))
    }
}

impl Io for TlsStream<Box<dyn Io>> {
    fn poll_input(&self, context: &mut Context<'_>) -> Poll<()> {
        self.get_ref().0.poll_input(context)
    }

    fn socket(&self) -> Option<SocketRef<'_>> {
        self.get_ref().0.socket()
    }
}

fn parse(chain: &[u8], key: &[u8]) -> Result<Loaded, TlsError> {
    let chain = CertificateDer::pem_slice_iter(chain)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| TlsError::new("the certificate is not valid PEM"))?;
    if chain.is_empty() {
        return Err(TlsError::new("no certificate was found in the PEM"));
    }
    let expires_at = chain.first().and_then(expiry);
    // The parser's error could repeat what it found in the key.
    let key = PrivateKeyDer::from_pem_slice(key)
        .map_err(|_| TlsError::new("no private key was found in the PEM"))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError::new("this build supports no TLS version").with_source(error))?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| {
            TlsError::new("the certificate and the key do not belong together").with_source(error)
        })?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Loaded {
        config: Arc::new(config),
        expires_at,
    })
}

/// Returns the end of the validity of a certificate (RFC 5280, section 4.1.2.5).
fn expiry(certificate: &CertificateDer<'_>) -> Option<SystemTime> {
    let parsed = x509_cert::Certificate::from_der(certificate).ok()?;
    let not_after = parsed.tbs_certificate.validity.not_after;
    UNIX_EPOCH.checked_add(not_after.to_unix_duration())
}
