//! Reads the TLS certificate and its key from files, again on SIGHUP.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use artifact_server::Tls;
use secrecy::{ExposeSecret, SecretString};

use crate::failure::{setup, setup_from};
use crate::files;

/// The files of a certificate chain and its private key.
#[derive(Debug, Clone)]
pub(crate) struct CertificateFiles {
    certificate: PathBuf,
    key: PathBuf,
}

impl CertificateFiles {
    pub(crate) fn new((certificate, key): (&Path, &Path)) -> Self {
        Self {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
        }
    }

    /// Reads both files at the start.
    pub(crate) fn open(&self) -> Result<Tls> {
        if !cfg!(feature = "tls") {
            return Err(setup(
                "this build has no TLS; leave --tls-cert and --tls-key out, or build it with \
                 --features tls",
            ));
        }
        let tls = self.read().and_then(|(chain, key)| {
            Ok(Tls::from_pem(
                chain.as_bytes(),
                key.expose_secret().as_bytes(),
            )?)
        });
        tls.map_err(|error| {
            setup_from(
                error,
                format!(
                    "cannot use TLS; check --tls-cert ({}) and --tls-key ({})",
                    self.certificate.display(),
                    self.key.display()
                ),
            )
        })
    }

    /// Reads both files again. If that fails, the former certificate stays in use.
    pub(crate) fn reload(&self, tls: &Tls) -> Result<()> {
        let (chain, key) = self.read()?;
        Ok(tls.replace(chain.as_bytes(), key.expose_secret().as_bytes())?)
    }

    /// Returns the certificate chain and the key, both in PEM. Only the owner may be able to read the
    /// key's file.
    fn read(&self) -> Result<(String, SecretString)> {
        let shown = self.certificate.display();
        let chain =
            files::read_small(&self.certificate).with_context(|| format!("cannot read {shown}"))?;
        let key = files::read_secret(&self.key)?
            .ok_or_else(|| anyhow!("there is no file {}", self.key.display()))?;
        Ok((chain, key))
    }
}
