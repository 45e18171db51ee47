//! Lists, removes, holds and expires artifacts.

mod artifact;
mod filter;
mod quota;
mod receipt;
mod retention;
mod usage;

use artifact_backend::ArtifactId;
use reqwest::{Method, StatusCode, Url};

use crate::client::{Client, Repeat};
use crate::error::{Error, Operation, Result};

pub(crate) use artifact::{read_digest, write_digest};

pub use artifact::{Artifact, ArtifactHold, ArtifactInfo, ArtifactPage};
pub use filter::ListFilter;
pub use quota::{Quota, QuotaPage, QuotaStatus};
pub use usage::{PrincipalUsage, Usage};

impl Client {
    /// Returns the URL of an artifact, with `more` appended.
    pub(crate) fn managed_url(
        &self,
        operation: Operation,
        uri: &str,
        more: &[&str],
    ) -> Result<Url> {
        let id = self.id_of(operation, uri)?.to_string();
        Ok(self.management_url(&[&["artifacts", &*id], more].concat()))
    }

    /// Finds the id in a URI.
    fn id_of(&self, operation: Operation, uri: &str) -> Result<ArtifactId> {
        let prefix = self.uri_prefix();
        let parsed = prefix.parse(uri).map_err(|error| {
            let detail = format!(
                "this is not the URI of an artifact: it must be {prefix} and 32 hexadecimal digits in lower case"
            );
            Error::invalid_input(detail)
                .with_operation(operation)
                .with_source(error)
        })?;
        Ok(parsed.id())
    }

    /// Sends a request that is answered without content.
    async fn write(
        &self,
        operation: Operation,
        method: Method,
        url: Url,
        body: Option<bytes::Bytes>,
        repeat: Repeat,
    ) -> Result<()> {
        let expected = StatusCode::NO_CONTENT;
        self.send_write(operation, method, url, body, repeat, expected)
            .await
            .map(drop)
    }
}
