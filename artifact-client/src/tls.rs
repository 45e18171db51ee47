//! The TLS configuration of the HTTP client.
//!
//! If any crate of a program enables TLS in reqwest, every reqwest client of the program gets it. reqwest
//! then panics unless the program has installed a crypto provider. So each client here brings its own
//! configuration. It installs no provider for the process: that choice belongs to the program.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::crypto::{CryptoProvider, ring};

use crate::error::{Error, Result};

/// Gives the HTTP client its TLS configuration, if reqwest is built with rustls.
pub(crate) fn configure(builder: reqwest::ClientBuilder) -> Result<reqwest::ClientBuilder> {
    #[cfg(not(feature = "tls"))]
    #[allow(unused_imports, reason = "unused if reqwest is built with rustls")]
    use without_rustls::TlsBackendRustls as _;

    Ok(builder
        .tls_backend_rustls()
        .tls_backend_preconfigured(config()?))
}

/// Makes a configuration with the provider that the program has installed, or with `ring`.
fn config() -> Result<ClientConfig> {
    let provider = CryptoProvider::get_default()
        .cloned()
        .unwrap_or_else(|| Arc::new(ring::default_provider()));
    let unusable = |error| Error::invalid_input("TLS cannot be set up").with_source(error);
    let versions = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(unusable)?;
    #[cfg(feature = "tls")]
    let trust = {
        let verifier = rustls_platform_verifier::Verifier::new(provider).map_err(unusable)?;
        versions
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
    };
    // Only the feature `tls` allows https:// addresses. Without it, no server is trusted.
    #[cfg(not(feature = "tls"))]
    let trust = versions.with_root_certificates(rustls::RootCertStore::empty());
    let mut config = trust.with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
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
