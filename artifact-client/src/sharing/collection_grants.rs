//! Grants of collections.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Grantee;
use crate::address::with_parameters;
use crate::client::Client;
use crate::error::{Operation, Result};
use crate::identity::{check_id, id_segment};

/// A grant of a collection: it lets a worker or a group read the collection with its files, also those that it gets later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CollectionGrant {
    /// The id, by which the grant is revoked.
    pub id: String,
    /// The experiment.
    pub experiment: String,
    /// The id of the collection.
    pub collection: String,
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

/// One page of the grants of a collection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CollectionGrantPage {
    /// The grants that count, in the order of their ids.
    pub grants: Vec<CollectionGrant>,
    /// The position of the next page, or `None` if this page is the last one.
    pub next: Option<String>,
}

impl Client {
    /// Lets a worker, or the members of a group, read a collection with its files: for this time, in whole seconds, or until the
    /// grant is revoked. Allowed for the owner of the collection and administrators. A grant that the same grantee has for the
    /// collection is replaced, so the request is repeated after a lost response.
    ///
    /// If the future is dropped, the grant is made or not.
    ///
    /// ```no_run
    /// # async fn example(client: &artifact_client::Client, collection: &str) -> artifact_client::Result<()> {
    /// use artifact_client::Grantee;
    ///
    /// let readers = Grantee::Group("grp_0123456789abcdefghjkmnpqrs");
    /// let grant = client.grant_collection(collection, readers, None).await?;
    /// client.revoke_collection_grant(collection, &grant.id).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such collection, worker or group, or if the server shares nothing; `Forbidden`; `BadRequest`
    /// for another time than 1 second to 100 years, and if the collection has 1,000 grants; `InvalidInput` if one of the
    /// arguments is no id; and those of every request.
    pub async fn grant_collection(
        &self,
        collection: &str,
        grantee: Grantee<'_>,
        expires_in: Option<Duration>,
    ) -> Result<CollectionGrant> {
        let operation = Operation::CreateGrant;
        let url = self.collection_url(operation, collection, &["grants"])?;
        let grant: CollectionGrant = self.send_grant(url, grantee, expires_in).await?;
        check_id(operation, &grant.id)?;
        Ok(grant)
    }

    /// Reads one page of the grants of a collection: the first one, or the one after `after`, which is
    /// [`next`](CollectionGrantPage::next) of the page before it.
    ///
    /// # Errors
    ///
    /// `NotFound`, `Forbidden` and `InvalidInput` as [`grant_collection`](Self::grant_collection), and those of every request.
    pub async fn collection_grants(
        &self,
        collection: &str,
        after: Option<&str>,
    ) -> Result<CollectionGrantPage> {
        let operation = Operation::ListGrants;
        let mut url = self.collection_url(operation, collection, &["grants"])?;
        with_parameters(&mut url, after.map(|after| ("after", after)));
        let page: CollectionGrantPage = self.read(operation, url).await?;
        for grant in &page.grants {
            check_id(operation, &grant.id)?;
        }
        Ok(page)
    }

    /// Revokes a grant of a collection. When this returns, it counts for no request any more. Repeated after a lost response.
    ///
    /// # Errors
    ///
    /// `NotFound` if the collection has no such grant; `Forbidden` and `InvalidInput` as
    /// [`grant_collection`](Self::grant_collection); and those of every request.
    pub async fn revoke_collection_grant(&self, collection: &str, id: &str) -> Result<()> {
        let operation = Operation::RevokeGrant;
        let id = id_segment(operation, id)?;
        let url = self.collection_url(operation, collection, &["grants", id])?;
        self.delete(operation, url, true).await
    }
}
