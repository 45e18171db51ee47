//! The TLS configuration of the HTTP client.
//!
//! If any crate of a program enables TLS in reqwest, every reqwest client of the program gets it. reqwest
//! then panics unless the program has installed a crypto provider. So each client here brings its own
//! configuration. It installs no provider for the process: that choice belongs to the program.

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

use crate::error::{Error, Result};

/// The certificates that are trusted, or `None` for those of the platform.
#[derive(Debug, Clone, Default)]
pub(crate) struct Trust(Option<Arc<RootCertStore>>);

impl Trust {
    /// Reads certificates in PEM form. There must be at least one.
    pub(crate) fn of_pem(pem: &[u8]) -> Result<Self> {
        let unusable = |error: Box<dyn std::error::Error + Send + Sync>| {
            Error::invalid_input("a certificate in the PEM cannot be read").with_source(error)
        };
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|error| unusable(error.into()))?;
            roots
                .add(certificate)
                .map_err(|error| unusable(error.into()))?;
        }
        if roots.is_empty() {
            return Err(Error::invalid_input("there is no certificate in the PEM"));
        }
        Ok(Self(Some(Arc::new(roots))))
    }
}

/// Gives the HTTP client its TLS configuration, if reqwest is built with rustls.
pub(crate) fn configure(
    builder: reqwest::ClientBuilder,
    trust: &Trust,
) -> Result<reqwest::ClientBuilder> {
    #[cfg(not(feature = "tls"))]
    #[allow(unused_imports, reason = "unused if reqwest is built with rustls")]
    use without_rustls::TlsBackendRustls as _;

    Ok(builder
        .tls_backend_rustls()
        .tls_backend_preconfigured(config(trust)?))
}

/// Makes a configuration with the provider that the program has installed, or with `ring`.
fn config(trust: &Trust) -> Result<ClientConfig> {
    let provider = CryptoProvider::get_default()
        .cloned()
        .unwrap_or_else(|| Arc::new(ring::default_provider()));
    let unusable = |error| Error::invalid_input("TLS cannot be set up").with_source(error);
    let versions = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(unusable)?;
    let verified = match &trust.0 {
        Some(roots) => versions.with_root_certificates(Arc::clone(roots)),
        #[cfg(feature = "tls")]
        None => {
            let verifier = rustls_platform_verifier::Verifier::new(provider).map_err(unusable)?;
            versions
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(verifier))
        }
        // Only the feature `tls` allows https:// addresses. Without it, no server is trusted.
        #[cfg(not(feature = "tls"))]
        None => versions.with_root_certificates(RootCertStore::empty()),
    };
    let mut config = verified.with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Whether a request failed because of the certificate of the server.
pub(crate) fn is_about_certificate(error: &reqwest::Error) -> bool {
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        // An I/O error has the error of TLS inside, and passes over it in its own source.
        let inner = error
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref);
        let found = match inner {
            Some(inner) => inner.downcast_ref(),
            None => error.downcast_ref(),
        };
        if let Some(rustls::Error::InvalidCertificate(_)) = found {
            return true;
        }
        source = match inner {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    false
}

/// Replaces the two methods that reqwest has only if it is built with rustls. Where reqwest has them, they
/// take precedence over these.
#[cfg(not(feature = "tls"))]
mod without_rustls {
    #![allow(dead_code, reason = "unused if reqwest is built with rustls")]

    pub(super) struct Builder(reqwest::ClientBuilder);

    pub(super) trait TlsBackendRustls {
        fn tls_backend_rustls(self) -> Builder;
    }

    impl TlsBackendRustls for reqwest::ClientBuilder {
        fn tls_backend_rustls(self) -> Builder {
            Builder(self)
        }
    }

    impl Builder {
        /// Returns the builder unchanged.
        pub(super) fn tls_backend_preconfigured(
            self,
            _: rustls::ClientConfig,
        ) -> reqwest::ClientBuilder {
            self.0
        }
    }
}
