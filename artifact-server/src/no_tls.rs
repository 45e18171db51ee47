//! The TLS API of a build without TLS. No value of the type can be created.

use std::convert::Infallible;
use std::io;
use std::time::SystemTime;

use crate::listener::Io;
use crate::tls_error::TlsError;

/// A certificate chain and its private key. This build lacks the feature `tls`, so no value exists.
#[derive(Debug, Clone)]
pub struct Tls(Infallible);

impl Tls {
    /// Returns an error: this build has no TLS.
    ///
    /// # Errors
    ///
    /// Always.
    pub fn from_pem(_chain: &[u8], _key: &[u8]) -> Result<Self, TlsError> {
        Err(TlsError::new(
            "this build has no TLS; build it with the feature tls",
        ))
    }

    /// Cannot be called, since no value exists.
    ///
    /// # Errors
    ///
    /// Never.
    pub fn replace(&self, _chain: &[u8], _key: &[u8]) -> Result<(), TlsError> {
        match self.0 {}
    }

    /// Cannot be called, since no value exists.
    pub fn expires_at(&self) -> Option<SystemTime> {
        match self.0 {}
    }

    #[expect(clippy::unused_async, reason = "has the signature of the real one")]
    pub(crate) async fn accept(&self, _stream: Box<dyn Io>) -> io::Result<Box<dyn Io>> {
        match self.0 {}
    }
}
