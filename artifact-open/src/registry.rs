//! Schemes that a program registers.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use artifact_backend::Result;
use futures_core::future::BoxFuture;

use crate::backend::Backend;
use crate::backend_url::{BackendUrl, misconfigured};
use crate::location;
use crate::options::BackendOptions;

type Opener =
    dyn Fn(BackendUrl, BackendOptions) -> BoxFuture<'static, Result<Backend>> + Send + Sync;

/// The schemes that a program can open: those of this crate, and those that it registers.
///
/// A registry is a value without global state. A clone has the same schemes.
#[derive(Clone, Default)]
pub struct SchemeRegistry {
    openers: BTreeMap<String, Arc<Opener>>,
}

impl SchemeRegistry {
    /// Creates a registry with the schemes of this crate only.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a scheme, without its colon. `opener` gets the URL, whose [`rest`](BackendUrl::rest) it
    /// interprets, and the options of the call. Replaces an opener that this scheme had before.
    ///
    /// # Errors
    ///
    /// `Misconfigured` if the text is not a scheme of at least two characters in lower case (RFC 3986,
    /// section 3.1), or is a scheme of this crate: its meaning does not depend on the program or the
    /// build.
    pub fn with_scheme<F, O>(mut self, scheme: &str, opener: F) -> Result<Self>
    where
        F: Fn(BackendUrl, BackendOptions) -> O + Send + Sync + 'static,
        O: Future<Output = Result<Backend>> + Send + 'static,
    {
        if scheme.len() < 2 || !location::is_scheme(scheme) || scheme.contains(char::is_uppercase) {
            return Err(misconfigured(
                "a scheme has at least two characters: a lower-case letter, then lower-case letters, \
                 digits, + - or .",
            ));
        }
        if BackendUrl::is_reserved(scheme) {
            let detail = format!("the scheme {scheme}: is built in; choose another name");
            return Err(misconfigured(detail));
        }
        let opener = move |url, options| -> BoxFuture<'static, Result<Backend>> {
            Box::pin(opener(url, options))
        };
        self.openers.insert(scheme.to_owned(), Arc::new(opener));
        Ok(self)
    }

    /// Parses a URL or a bare path, as [`BackendUrl::parse`] does, or a URL of a registered scheme. Its
    /// rest is kept letter for letter.
    ///
    /// # Errors
    ///
    /// As [`BackendUrl::parse`]. The rest of a registered scheme must not contain an `@`, because it
    /// may follow credentials, and URLs are logged and listed; write `%40`.
    pub fn parse(&self, text: &str) -> Result<BackendUrl> {
        BackendUrl::parse_with(text, |scheme| self.openers.contains_key(scheme))
    }

    /// Opens the backend that a URL names.
    ///
    /// # Errors
    ///
    /// As [`BackendUrl::open_with`], or the error of the registered opener.
    pub async fn open(&self, url: &BackendUrl, options: BackendOptions) -> Result<Backend> {
        match self.openers.get(url.scheme()) {
            Some(opener) => opener(url.clone(), options).await,
            None => url.open_with(options).await,
        }
    }

    /// Parses a URL or a bare path, and opens the backend that it names, with the default options.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse) and [`open`](Self::open).
    pub async fn from_url(&self, text: &str) -> Result<Backend> {
        self.open(&self.parse(text)?, BackendOptions::default())
            .await
    }
}

impl fmt::Debug for SchemeRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SchemeRegistry")
            .field("registered", &self.openers.keys())
            .finish()
    }
}
