//! Artifacts without their bytes: list, read, remove, hold.

use artifact_backend::Sha256Digest;
use reqwest::Method;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::ListFilter;
use crate::client::{Client, Repeat};
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::identity::check_id;

/// What a server has recorded about an artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Artifact {
    /// The URI: visible ASCII, at most 512 bytes.
    #[serde(rename = "artifacts_uri")]
    pub uri: String,
    /// The id at the end of the URI.
    pub id: String,
    /// The experiment.
    pub experiment: String,
    /// The size in bytes.
    pub size_bytes: u64,
    /// The recorded content type.
    pub content_type: String,
    /// The recorded file name.
    pub file_name: Option<String>,
    /// The SHA-256 of the bytes.
    #[serde(serialize_with = "write_digest", deserialize_with = "read_digest")]
    pub sha256: Sha256Digest,
    /// The principal that deposited it.
    pub created_by: String,
    /// When it was deposited, RFC 3339 in UTC.
    pub created_at: String,
    /// When it may be removed, RFC 3339 in UTC, if its depositor said so.
    pub expires_at: Option<String>,
    /// The id of the collection of which it is a file, for its depositor and administrators. `None` also if the server is
    /// too old to say so.
    #[serde(default)]
    pub collection: Option<String>,
    /// Its name in the collection. It comes from the depositor: check it before it becomes a path on a disk.
    #[serde(default)]
    pub path: Option<String>,
}

/// An artifact and the hold on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ArtifactInfo {
    /// The artifact.
    #[serde(flatten)]
    pub artifact: Artifact,
    /// The hold, if there is one.
    pub hold: Option<ArtifactHold>,
}

/// A hold on an artifact: while it is there, the server does not remove the artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ArtifactHold {
    /// The principal that placed it.
    pub placed_by: String,
    /// When it was placed, RFC 3339 in UTC.
    pub placed_at: String,
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ArtifactPage {
    /// The artifacts in the order of their deposits. May be empty although more pages follow.
    pub artifacts: Vec<Artifact>,
    /// How many records the server left out because it cannot read them.
    pub unreadable: u64,
    /// The position of the next page, or `None` if this page is the last one.
    pub next: Option<String>,
}

pub(crate) fn write_digest<S: Serializer>(
    digest: &Sha256Digest,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_str(digest)
}

pub(crate) fn read_digest<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Sha256Digest, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse()
        .map_err(|_| serde::de::Error::custom("a SHA-256 has 64 hexadecimal digits"))
}

impl Client {
    /// Reads one page of the list of artifacts: the first one, or the one after `after`, which is
    /// [`next`](ArtifactPage::next) of the page before it. Only administrators see what others deposited.
    ///
    /// Each artifact that exists while all pages are read is on exactly one of them.
    ///
    /// ```no_run
    /// # async fn sizes(client: &artifact_client::Client) -> artifact_client::Result<()> {
    /// let filter = artifact_client::ListFilter::default().with_min_size(1 << 20);
    /// let mut after = None;
    /// loop {
    ///     let page = client.list(&filter, after.as_deref()).await?;
    ///     for artifact in page.artifacts {
    ///         println!("{} {}", artifact.uri, artifact.size_bytes);
    ///     }
    ///     after = page.next;
    ///     if after.is_none() {
    ///         return Ok(());
    ///     }
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// `Forbidden` if the filter names another depositor and the credential is not an administrator's; `NotFound` if the
    /// server does not list artifacts; `BadRequest` for a filter that the server cannot read; and those of every request.
    pub async fn list(&self, filter: &ListFilter, after: Option<&str>) -> Result<ArtifactPage> {
        let operation = Operation::ListArtifacts;
        let mut url = self.management_url(&["artifacts"]);
        filter.write_query(after, &mut url);
        let page: ArtifactPage = self.read(operation, url).await?;
        for artifact in &page.artifacts {
            check_names(operation, artifact)?;
        }
        Ok(page)
    }

    /// Returns what is recorded about an artifact. Allowed for those who may fetch it.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if this is not the URI of an artifact; `NotFound`, also for an artifact of another experiment;
    /// `Forbidden`; and those of every request.
    pub async fn info(&self, uri: &str) -> Result<ArtifactInfo> {
        let operation = Operation::ReadArtifact;
        let url = self.managed_url(operation, uri, &[])?;
        let info: ArtifactInfo = self.read(operation, url).await?;
        check_names(operation, &info.artifact)?;
        Ok(info)
    }

    /// Removes an artifact. Allowed for its depositor and the admin. When this returns, no server of the deployment finds
    /// it any more after a second at most.
    ///
    /// The request is repeated after a lost response. If the server then has no such artifact, an earlier attempt has removed it,
    /// and the call succeeds. If the future is dropped, or the last response is lost too, the artifact is removed or not.
    ///
    /// # Errors
    ///
    /// `Held` if a hold is on it; `InvalidInput`, `NotFound` and `Forbidden` as [`info`](Self::info); and those of every
    /// request. After [`Interrupted`](ErrorKind::Interrupted) it may be removed.
    pub async fn remove(&self, uri: &str) -> Result<()> {
        let operation = Operation::RemoveArtifact;
        let url = self.managed_url(operation, uri, &[])?;
        self.delete(operation, url, true).await
    }

    /// Checks whether [`remove`](Self::remove) would remove an artifact now, without removing it: whether it is there, whether
    /// the credential has the right, and whether a hold is on it. Returns the artifact.
    ///
    /// # Errors
    ///
    /// Those of [`remove`](Self::remove); `BadRequest` if the server is too old to check without removing.
    pub async fn check_removal(&self, uri: &str) -> Result<Artifact> {
        let operation = Operation::RemoveArtifact;
        let mut url = self.managed_url(operation, uri, &[])?;
        url.query_pairs_mut().append_pair("dry_run", "true");
        let artifact: Artifact = self.read_by(operation, Method::DELETE, url).await?;
        check_names(operation, &artifact)?;
        Ok(artifact)
    }

    /// Places a hold on an artifact, so that the server does not remove it. A hold that is there stays as it is. Only the
    /// admin may call this.
    ///
    /// If the future is dropped, the hold is placed or not.
    ///
    /// # Errors
    ///
    /// `InvalidInput`, `NotFound` and `Forbidden` as [`info`](Self::info), and those of every request.
    pub async fn place_hold(&self, uri: &str) -> Result<()> {
        let operation = Operation::PlaceHold;
        let url = self.managed_url(operation, uri, &["hold"])?;
        self.write(operation, Method::PUT, url, None, Repeat::Always)
            .await
    }

    /// Releases the hold on an artifact, if there is one. Only the admin may call this.
    ///
    /// If the future is dropped, the hold is released or not.
    ///
    /// # Errors
    ///
    /// As [`place_hold`](Self::place_hold).
    pub async fn release_hold(&self, uri: &str) -> Result<()> {
        let operation = Operation::ReleaseHold;
        let url = self.managed_url(operation, uri, &["hold"])?;
        self.write(operation, Method::DELETE, url, None, Repeat::Always)
            .await
    }
}

/// Checks the URI and the id in a response, because they go on to terminals and scripts.
fn check_names(operation: Operation, artifact: &Artifact) -> Result<()> {
    check_id(operation, &artifact.id)?;
    let uri = &artifact.uri;
    if uri.bytes().all(|byte| byte.is_ascii_graphic()) && (1..=512).contains(&uri.len()) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Protocol, operation)
        .with_response(200, None)
        .with_detail("a URI in the response is not 1 to 512 bytes of visible ASCII"))
}
