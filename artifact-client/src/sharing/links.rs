//! Links.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use reqwest::{Method, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use crate::address::with_parameters;
use crate::client::Client;
use crate::error::{Operation, Result};
use crate::identity::{check_id, id_segment, json};
use crate::response::{MAX_LIST, read_json};

/// A link to an artifact, without its URL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Link {
    /// The id, by which the link is revoked. It is no secret.
    pub id: String,
    /// The experiment.
    pub experiment: String,
    /// The id of the artifact.
    pub artifact: String,
    /// When it was made, RFC 3339 in UTC.
    pub created_at: String,
    /// The principal that made it.
    pub created_by: String,
    /// When it ends, RFC 3339 in UTC.
    pub expires_at: String,
    /// After how many downloads it ends, if they are limited.
    pub max_downloads: Option<u32>,
    /// How many downloads there were, if they are limited.
    pub downloads: Option<u32>,
}

/// A new link and its URL, which the server returns only once.
#[derive(Clone, Deserialize)]
#[non_exhaustive]
pub struct CreatedLink {
    /// The link.
    #[serde(flatten)]
    pub link: Link,
    /// The URL. Everyone who knows it can fetch the artifact.
    pub url: SecretString,
    /// Whether the URL begins with `http://localhost` only because this client reaches the server through a Unix socket, and the
    /// server does not know the URL under which others reach it. Replace that beginning by the right one, or set the public URL
    /// of the server (`artifact serve --public-url`) and make another link.
    #[serde(skip)]
    pub has_placeholder_host: bool,
}

impl fmt::Debug for CreatedLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreatedLink")
            .field("link", &self.link)
            .field("has_placeholder_host", &self.has_placeholder_host)
            .finish_non_exhaustive()
    }
}

/// One page of the links to an artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LinkPage {
    /// The links that work, in the order of their ids.
    pub links: Vec<Link>,
    /// The position of the next page, or `None` if this page is the last one.
    pub next: Option<String>,
}

#[derive(Serialize)]
struct NewLink {
    expires_in: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_downloads: Option<NonZeroU32>,
}

impl Client {
    /// Makes a link that fetches an artifact without a credential, for this time in whole seconds, and for this number of
    /// downloads if one is given. Allowed for the depositor of the artifact and administrators.
    ///
    /// If the future is dropped, or the response is lost, the link is made or not. Without its URL it is of no use.
    ///
    /// ```no_run
    /// # async fn example(client: &artifact_client::Client, uri: &str) -> artifact_client::Result<()> {
    /// use artifact_client::ExposeSecret as _;
    ///
    /// let day = std::time::Duration::from_hours(24);
    /// let created = client.create_link(uri, day, None).await?;
    /// println!("{}", created.url.expose_secret());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such artifact, or if the server has no links; `Forbidden`; `BadRequest` for another time than
    /// 1 second to 100 years, and if the artifact has 1,000 links; `InvalidInput` if this is not the URI of an artifact; and
    /// those of every request.
    pub async fn create_link(
        &self,
        uri: &str,
        expires_in: Duration,
        max_downloads: Option<NonZeroU32>,
    ) -> Result<CreatedLink> {
        let operation = Operation::CreateLink;
        let url = self.managed_url(operation, uri, &["links"])?;
        let expires_in = expires_in.as_secs();
        let new = NewLink {
            expires_in,
            max_downloads,
        };
        let body = json(operation, &new)?;
        let response = self
            .send_change(operation, Method::POST, url, body, StatusCode::CREATED)
            .await?;
        let mut created: CreatedLink =
            read_json(operation, response, MAX_LIST, self.stall_timeout()).await?;
        check_id(operation, &created.link.id)?;
        created.has_placeholder_host = self.has_placeholder_host(created.url.expose_secret());
        Ok(created)
    }

    /// Reads one page of the links to an artifact: the first one, or the one after `after`, which is
    /// [`next`](LinkPage::next) of the page before it.
    ///
    /// # Errors
    ///
    /// `NotFound`, `Forbidden` and `InvalidInput` as [`create_link`](Self::create_link), and those of every request.
    pub async fn links(&self, uri: &str, after: Option<&str>) -> Result<LinkPage> {
        let operation = Operation::ListLinks;
        let mut url = self.managed_url(operation, uri, &["links"])?;
        with_parameters(&mut url, after.map(|after| ("after", after)));
        let page: LinkPage = self.read(operation, url).await?;
        for link in &page.links {
            check_id(operation, &link.id)?;
        }
        Ok(page)
    }

    /// Revokes a link. When this returns, it works for no request any more. Repeated after a lost response.
    ///
    /// # Errors
    ///
    /// `NotFound` if the artifact has no such link; `Forbidden` and `InvalidInput` as [`create_link`](Self::create_link); and
    /// those of every request.
    pub async fn revoke_link(&self, uri: &str, id: &str) -> Result<()> {
        let operation = Operation::RevokeLink;
        let id = id_segment(operation, id)?;
        let url = self.managed_url(operation, uri, &["links", id])?;
        self.delete(operation, url, true).await
    }
}

#[cfg(test)]
mod tests {
    use crate::{Client, Credential};

    #[test]
    fn only_the_host_that_stands_for_a_socket_is_a_placeholder() {
        let client = |server: &str| {
            let credential = Credential::new("admin", "secret").unwrap();
            Client::builder(server, "exp-1", credential)
                .build()
                .unwrap()
        };
        let link = |origin: &str| format!("{origin}/v1/links/5e5e");
        let tcp = client("http://localhost");
        assert!(!tcp.has_placeholder_host(&link("http://localhost")));
        #[cfg(unix)]
        {
            let socket = client("unix:/run/artifact.sock");
            assert!(socket.has_placeholder_host(&link("http://localhost")));
            for origin in [
                "http://localhost:8080",
                "https://localhost",
                "https://files.example",
                "",
            ] {
                assert!(!socket.has_placeholder_host(&link(origin)), "{origin}");
            }
        }
    }
}
