//! TLS: the certificate and its key, read anew when the operator says so.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, anyhow};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use secrecy::ExposeSecret;
use tokio_rustls::TlsAcceptor;

use super::listen::Io;
use crate::failure::setup_from;
use crate::files;

/// The files, and what was read from them last.
pub(crate) struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    config: Mutex<Arc<ServerConfig>>,
}

/// Only the files: the rest has the key in it.
impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("certificate", &self.certificate)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

impl Tls {
    pub(crate) fn open(certificate: PathBuf, key: PathBuf) -> Result<Self> {
        let config = read(&certificate, &key).map_err(|error| {
            setup_from(
                error,
                "TLS cannot be used; look at --tls-cert and --tls-key",
            )
        })?;
        Ok(Self {
            certificate,
            key,
            config: Mutex::new(Arc::new(config)),
        })
    }

    /// Reads the files anew. Where that fails, what was read before stays in use.
    pub(crate) fn reload(&self) {
        match read(&self.certificate, &self.key) {
            Ok(config) => {
                *self.config.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
                tracing::info!("the certificate was read anew");
            }
            Err(error) => tracing::error!(
                error = &*error as &dyn std::error::Error,
                "the certificate could not be read anew; the former one stays"
            ),
        }
    }

    /// Agrees with a client on TLS.
    pub(crate) async fn accept(&self, stream: Box<dyn Io>) -> std::io::Result<Box<dyn Io>> {
        let config = Arc::clone(&self.config.lock().unwrap_or_else(PoisonError::into_inner));
        let stream = TlsAcceptor::from(config).accept(stream).await?;
        Ok(Box::new(stream))
    }
}

/// A chain and the key that belongs to it, and to nobody else: the key's file must be its owner's
/// alone, and no message repeats what is in it.
fn read(certificate: &Path, key: &Path) -> Result<ServerConfig> {
    let shown = certificate.display();
    let chain = files::read_small(certificate).with_context(|| format!("cannot read {shown}"))?;
    let chain = CertificateDer::pem_slice_iter(chain.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| anyhow!("{shown} is not PEM"))?;
    if chain.is_empty() {
        return Err(anyhow!("there is no certificate in {shown}"));
    }
    let shown = key.display();
    let key = files::read_secret(key)?.ok_or_else(|| anyhow!("there is no file {shown}"))?;
    let key = PrivateKeyDer::from_pem_slice(key.expose_secret().as_bytes())
        .map_err(|_| anyhow!("there is no private key in {shown}"))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .context("this build of TLS has no version of it")?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .context("the certificate and the key do not belong together")?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}
