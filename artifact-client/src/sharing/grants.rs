//! Grants.

use std::time::Duration;

use reqwest::{Method, StatusCode, Url};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::address::with_parameters;
use crate::client::{Client, Repeat};
use crate::error::{Operation, Result};
use crate::identity::{check_id, id_segment, json};
use crate::response::{MAX_LIST, read_json};

/// The worker or group that a grant lets read an artifact or a collection, by its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Grantee<'i> {
    /// A worker.
    Worker(&'i str),
    /// The direct and nested members of a group.
    Group(&'i str),
}

/// A grant: it lets a worker or a group read an artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Grant {
    /// The id, by which the grant is revoked.
    pub id: String,
    /// The experiment.
    pub experiment: String,
    /// The id of the artifact.
    pub artifact: String,
    /// The worker that may read, or `None` if a group may.
    pub worker: Option<String>,
    /// The group whose members may read, or `None` if a worker may.
    pub group: Option<String>,
    /// When it was made, RFC 3339 in UTC.
    pub created_at: String,
    /// The principal that made it.
    pub created_by: String,
    /// When it ends, RFC 3339 in UTC, if it ends by itself.
    pub expires_at: Option<String>,
}

/// One page of the grants of an artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct GrantPage {
    /// The grants that count, in the order of their ids.
    pub grants: Vec<Grant>,
    /// The position of the next page, or `None` if this page is the last one.
    pub next: Option<String>,
}

#[derive(Serialize)]
struct NewGrant<'i> {
    #[serde(skip_serializing_if = "Option::is_none")]
    worker: Option<&'i str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<&'i str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_in: Option<u64>,
}

impl Client {
    /// Lets a worker, or the members of a group, read an artifact: for this time, in whole seconds, or until the grant is
    /// revoked. Allowed for the depositor of the artifact and administrators. A grant that the same grantee has for the artifact
    /// is replaced, so the request is repeated after a lost response.
    ///
    /// If the future is dropped, the grant is made or not.
    ///
    /// ```no_run
    /// # async fn example(client: &artifact_client::Client, uri: &str) -> artifact_client::Result<()> {
    /// use artifact_client::Grantee;
    ///
    /// let week = std::time::Duration::from_hours(7 * 24);
    /// let grant = client
    ///     .grant(uri, Grantee::Worker("wkr_0123456789abcdefghjkmnpqrs"), Some(week))
    ///     .await?;
    /// client.revoke_grant(uri, &grant.id).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such artifact, worker or group, or if the server shares nothing; `Forbidden`; `BadRequest`
    /// for another time than 1 second to 100 years, and if the artifact has 1,000 grants; `InvalidInput` if one of the
    /// arguments is no URI or id; and those of every request.
    pub async fn grant(
        &self,
        uri: &str,
        grantee: Grantee<'_>,
        expires_in: Option<Duration>,
    ) -> Result<Grant> {
        let operation = Operation::CreateGrant;
        let url = self.managed_url(operation, uri, &["grants"])?;
        let grant: Grant = self.send_grant(url, grantee, expires_in).await?;
        check_id(operation, &grant.id)?;
        Ok(grant)
    }

    /// Asks for a grant, and reads it from the response.
    pub(super) async fn send_grant<G: DeserializeOwned>(
        &self,
        url: Url,
        grantee: Grantee<'_>,
        expires_in: Option<Duration>,
    ) -> Result<G> {
        let operation = Operation::CreateGrant;
        let (worker, group) = match grantee {
            Grantee::Worker(id) => (Some(id_segment(operation, id)?), None),
            Grantee::Group(id) => (None, Some(id_segment(operation, id)?)),
        };
        let expires_in = expires_in.map(|period| period.as_secs());
        let new = NewGrant {
            worker,
            group,
            expires_in,
        };
        let body = json(operation, &new)?;
        let (repeat, expected) = (Repeat::Always, StatusCode::CREATED);
        let response = self
            .send_write(operation, Method::POST, url, body, repeat, expected)
            .await?;
        read_json(operation, response, MAX_LIST, self.stall_timeout()).await
    }

    /// Reads one page of the grants of an artifact: the first one, or the one after `after`, which is
    /// [`next`](GrantPage::next) of the page before it.
    ///
    /// # Errors
    ///
    /// `NotFound`, `Forbidden` and `InvalidInput` as [`grant`](Self::grant), and those of every request.
    pub async fn grants(&self, uri: &str, after: Option<&str>) -> Result<GrantPage> {
        let operation = Operation::ListGrants;
        let mut url = self.managed_url(operation, uri, &["grants"])?;
        with_parameters(&mut url, after.map(|after| ("after", after)));
        let page: GrantPage = self.read(operation, url).await?;
        for grant in &page.grants {
            check_id(operation, &grant.id)?;
        }
        Ok(page)
    }

    /// Revokes a grant. When this returns, it counts for no request any more. Repeated after a lost response.
    ///
    /// # Errors
    ///
    /// `NotFound` if the artifact has no such grant; `Forbidden` and `InvalidInput` as [`grant`](Self::grant); and those of
    /// every request.
    pub async fn revoke_grant(&self, uri: &str, id: &str) -> Result<()> {
        let operation = Operation::RevokeGrant;
        let id = id_segment(operation, id)?;
        let url = self.managed_url(operation, uri, &["grants", id])?;
        self.delete(operation, url, true).await
    }
}
