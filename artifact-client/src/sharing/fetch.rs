//! The fetch through a link.

use reqwest::Url;

use crate::builder::ClientBuilder;
use crate::client::Client;
use crate::credential::Credential;
use crate::error::{Error, Operation, Result};
use crate::fetch::{FetchOptions, Fetched};
use crate::metadata::Metadata;

/// The experiment of a client that only fetches through links. It is in no request.
const NO_EXPERIMENT: &str = "none";

impl Client {
    /// Starts a client that only [fetches through links](Self::fetch_link) on the server of this link. It has no credential and
    /// no experiment, so every other request is refused.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) if this is not the URL of a link. The message does not repeat it.
    pub fn builder_of_link(link: &str) -> Result<ClientBuilder> {
        let mut server = parse(link)?;
        server.set_path("");
        let server = server.as_str().trim_end_matches('/').to_owned();
        Ok(Self::builder(&server, NO_EXPERIMENT, Credential::none()))
    }

    /// Fetches an artifact through a link on the server of this client. The request carries no credential.
    ///
    /// Works as [`fetch`](Self::fetch): the bytes are verified, and the stream goes on if the connection breaks. If the
    /// downloads of the link are limited, each request counts as one, also one that goes on.
    ///
    /// # Errors
    ///
    /// `NotFound` if the link does not work, whatever the reason is; `InvalidInput` if this is not the URL of a link, or that of
    /// another server; and the others of [`fetch`](Self::fetch).
    pub async fn fetch_link(&self, link: &str) -> Result<Fetched> {
        let url = self.link_url(link)?;
        let client = self.without_credential();
        client
            .fetch_url(Operation::FetchLink, url, FetchOptions::default())
            .await
    }

    /// Returns the metadata of the artifact that a link leads to. The request carries no credential, and does not count as a
    /// download.
    ///
    /// # Errors
    ///
    /// Those of [`fetch_link`](Self::fetch_link). They have no [`problem`](Error::problem), because a response to `HEAD` has no
    /// body.
    pub async fn stat_link(&self, link: &str) -> Result<Metadata> {
        let url = self.link_url(link)?;
        let client = self.without_credential();
        client.stat_url(Operation::FetchLink, url).await
    }

    /// Returns the URL of a link on the server of this client.
    fn link_url(&self, link: &str) -> Result<Url> {
        let url = parse(link)?;
        if url.origin() != self.server_url().origin() {
            return Err(
                Error::invalid_input("the link is on another server than this client's")
                    .with_operation(Operation::FetchLink),
            );
        }
        Ok(url)
    }
}

/// Parses the URL of a link.
fn parse(link: &str) -> Result<Url> {
    let invalid = || {
        Error::invalid_input("this is not the URL of a link, such as http://HOST/v1/links/...")
            .with_operation(Operation::FetchLink)
    };
    let url = Url::parse(link).map_err(|_| invalid())?;
    let mut segments = url.path().rsplit('/');
    let secret = segments.next().unwrap_or_default();
    let is_secret = secret.len() >= 32 && secret.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let is_plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    let is_http = matches!(url.scheme(), "http" | "https") && url.has_host();
    if is_secret && segments.next() == Some("links") && is_plain && is_http {
        Ok(url)
    } else {
        Err(invalid())
    }
}
