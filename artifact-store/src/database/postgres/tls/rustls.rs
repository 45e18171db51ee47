//! The TLS configuration, and the errors of its handshake.

use std::error::Error as StdError;
use std::io;
use std::path::Path;
use std::sync::Arc;

use artifact_backend::blocking;
use rustls::client::WebPkiServerVerifier;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{CertificateError, ClientConfig, RootCertStore};
use rustls_platform_verifier::Verifier;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::Tls;
use crate::error::{Error, ErrorKind, Operation, Result};

impl Tls {
    /// Uses the program's own configuration.
    pub(in super::super) fn with_config(config: &ClientConfig) -> Self {
        Self::Rustls(MakeRustlsConnect::new(config.clone()))
    }

    /// Verifies the server's certificate with the CA certificates of a PEM file, or with those of the
    /// platform.
    pub(in super::super) async fn verified(roots: Option<&Path>) -> Result<Self> {
        let roots = roots.map(Path::to_owned);
        let config = blocking::run(move || config(roots.as_deref())).await;
        let config = config.map_err(|error| {
            Error::new(ErrorKind::Unavailable, Operation::OpenDatabase).with_source(error)
        })??;
        Ok(Self::Rustls(MakeRustlsConnect::new(config)))
    }
}

/// Makes a configuration with the cryptography that the program has installed, or with `ring`.
fn config(roots: Option<&Path>) -> Result<ClientConfig> {
    let provider = CryptoProvider::get_default()
        .cloned()
        .unwrap_or_else(|| Arc::new(ring::default_provider()));
    let unusable = |error: rustls::Error| {
        misconfigured(
            "TLS cannot be set up; if the system has no CA certificates, install them or set sslrootcert"
                .to_owned(),
        )
        .with_source(error)
    };
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(unusable)?;
    let builder = match roots {
        Some(path) => {
            let roots = Arc::new(read_roots(path)?);
            let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider).build();
            let verifier =
                verifier.map_err(|error| unusable(rustls::Error::General(error.to_string())))?;
            builder.with_webpki_verifier(verifier)
        }
        None => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Verifier::new(provider).map_err(unusable)?)),
    };
    Ok(builder.with_no_client_auth())
}

fn read_roots(path: &Path) -> Result<RootCertStore> {
    let unusable = |problem: &str| {
        misconfigured(format!(
            "the file {} of sslrootcert {problem}; it must hold CA certificates in PEM",
            path.display()
        ))
    };
    let unreadable = |error| unusable("cannot be read").with_source(error);
    let certificates = CertificateDer::pem_file_iter(path).map_err(unreadable)?;
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        let certificate = certificate.map_err(unreadable)?;
        roots
            .add(certificate)
            .map_err(|error| unusable("has an invalid certificate").with_source(error))?;
    }
    if roots.is_empty() {
        return Err(unusable("has no certificate"));
    }
    Ok(roots)
}

fn misconfigured(detail: String) -> Error {
    Error::new(ErrorKind::Misconfigured, Operation::OpenDatabase).with_detail(detail)
}

/// Returns what to do about an error of rustls.
pub(super) fn advice(source: &(dyn StdError + 'static)) -> Option<&'static str> {
    let error = source.downcast_ref::<io::Error>()?.get_ref()?;
    if error.is::<rustls::pki_types::InvalidDnsNameError>() {
        return Some(
            "the host in the URL of the database is no name that a certificate can have; use a DNS name \
             or an address",
        );
    }
    Some(match error.downcast_ref::<rustls::Error>()? {
        rustls::Error::InvalidCertificate(problem) => match problem {
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "the certificate of the database is for another host name; write a name of the \
                 certificate in the URL"
            }
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                "the certificate of the database is not trusted; set sslrootcert to a file with the \
                 certificate of its CA"
            }
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => {
                "the certificate of the database has expired or is not valid yet; renew it, or set the \
                 clock"
            }
            _ => {
                "the certificate of the database is invalid or not trusted; set sslrootcert to a file with \
                 the certificate of its CA, or replace it"
            }
        },
        rustls::Error::AlertReceived(_) => {
            "the server of the database ended TLS; see its log, and check whether it needs a certificate \
             of the client"
        }
        _ => "the server of the database does not speak TLS as it should; check what listens there",
    })
}
