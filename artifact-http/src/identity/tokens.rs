//! What the endpoints of workers and of administrators share about their tokens.

use std::time::Duration;

use artifact_store::{CredentialHash, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::json_body::present;
use super::request::IdentityRequest;
use crate::credential::Secret;
use crate::identity_authenticator::Issued;
use crate::management::MAX_KEEP_SECONDS;
use crate::problem::Problem;

/// The body of a request for a new token.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewToken {
    /// How many seconds the token is valid, 1 to 3153600000. Without it, it does not expire.
    #[serde(default, deserialize_with = "present")]
    #[schemars(range(min = 1, max = MAX_KEEP_SECONDS), extend("examples" = [86_400]))]
    pub(super) expires_in: Option<u64>,
}

/// A record of a principal, with its new token.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Registered{R}")]
pub(super) struct Registered<'t, R> {
    #[serde(flatten)]
    record: R,
    /// The principal's secret. It is returned only once; the server keeps only a hash of it.
    #[schemars(extend("examples" = ["q3Vw0b2mJ8Yx5cR1tK7nD4sF6hL9pZaEuG3iO0wXyQk"]))]
    registration_token: &'t str,
}

impl<'t, R> Registered<'t, R> {
    pub(super) fn new(record: R, token: &'t Secret) -> Self {
        Self {
            record,
            registration_token: token.expose(),
        }
    }
}

/// Returns when a token expires that is valid for this number of seconds.
pub(super) fn expiry(now: Timestamp, seconds: Option<u64>) -> Result<Option<Timestamp>, Problem> {
    let Some(seconds) = seconds else {
        return Ok(None);
    };
    let valid = Some(seconds).filter(|seconds| (1..=MAX_KEEP_SECONDS).contains(seconds));
    let seconds = valid.ok_or_else(|| {
        Problem::bad_request(format!(
            "`expires_in` must be a number of seconds from 1 to {MAX_KEEP_SECONDS}"
        ))
    })?;
    let expires_at = now.checked_add(Duration::from_secs(seconds));
    expires_at.map(Some).map_err(|error| {
        Problem::bad_request("`expires_in` ends after the last representable time")
            .with_source(error)
    })
}

/// Makes a token for a principal. It is valid once its hash is stored.
pub(super) async fn issue<S: Sync>(
    request: &IdentityRequest<'_, S>,
    principal: &str,
    expires_at: Option<Timestamp>,
) -> Result<Issued, Problem> {
    let Issued { token, hash } = request.authenticator.issue(principal).await?;
    let hash = hash.with_expires_at(expires_at);
    Ok(Issued { token, hash })
}

/// Returns the member `token_expires_at` of a record.
pub(super) fn token_expires_at(hash: &CredentialHash) -> Option<String> {
    hash.expires_at().map(|time| time.to_string())
}
