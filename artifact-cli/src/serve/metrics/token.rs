//! The token of the metrics.

use std::sync::{Arc, PoisonError, RwLock};

use anyhow::Result;
use artifact_http::{AdminToken, Secret};
use secrecy::ExposeSecret as _;

use crate::failure::setup;
use crate::files;
use crate::settings::{ServeSettings, Sources};

/// The token that programs send to read the metrics; none if everything that can connect may read them. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct MetricsToken(Arc<RwLock<Option<Secret>>>);

impl MetricsToken {
    pub(crate) fn new(token: Option<Secret>) -> Self {
        Self(Arc::new(RwLock::new(token)))
    }

    /// Reads the token from the file that the settings name, if they name one.
    pub(crate) fn read(settings: &ServeSettings, sources: &Sources) -> Result<Option<Secret>> {
        let Some(path) = &settings.metrics_token_file else {
            return Ok(None);
        };
        let (name, shown) = (sources.name("metrics_token_file"), path.display());
        let least = AdminToken::MIN_LEN;
        let token = files::read_secret(path)?.ok_or_else(|| {
            setup(format!(
                "there is no file {shown}; put a token of at least {least} characters into it, or leave {name} out"
            ))
        })?;
        let token = token.expose_secret();
        AdminToken::digest(token).map_err(|error| {
            let reason = error.reason();
            setup(format!(
                "the token in {shown} {reason}; use at least {least} random characters"
            ))
        })?;
        Ok(Some(Secret::new(token)))
    }

    /// Returns whether requests need no token.
    pub(crate) fn is_open(&self) -> bool {
        let token = self.0.read().unwrap_or_else(PoisonError::into_inner);
        token.is_none()
    }

    /// Returns whether a request with this token may read the metrics.
    pub(super) fn accepts(&self, sent: Option<&Secret>) -> bool {
        let token = self.0.read().unwrap_or_else(PoisonError::into_inner);
        // `Secret` compares in constant time.
        token.is_none() || token.as_ref() == sent
    }

    /// Reads the file again. The former token is refused from then on. If this fails, it stays in use.
    pub(crate) fn reload(&self, settings: &ServeSettings, sources: &Sources) -> Result<()> {
        let read = Self::read(settings, sources)?;
        let mut token = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if token.is_some() != read.is_some() {
            return Err(setup(format!(
                "{} was added or left out, which takes effect when the server restarts",
                sources.name("metrics_token_file")
            )));
        }
        *token = read;
        Ok(())
    }
}
