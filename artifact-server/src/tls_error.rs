//! Why a certificate and key cannot be used.

use std::error::Error;
use std::fmt;

/// A certificate and key cannot be used. No message repeats any of their content.
#[derive(Debug)]
pub struct TlsError {
    message: &'static str,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl TlsError {
    pub(crate) fn new(message: &'static str) -> Self {
        Self {
            message,
            source: None,
        }
    }

    #[cfg(feature = "tls")]
    pub(crate) fn with_source(mut self, source: impl Error + Send + Sync + 'static) -> Self {
        self.source = Some(Box::new(source));
        self
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message)
    }
}

impl Error for TlsError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|error| &**error as _)
    }
}
