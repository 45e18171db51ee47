//! The stored credential of a worker: a hash that verifies its token, never the token itself.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use jiff::Timestamp;

use crate::experiment::ExperimentId;
use crate::time::truncate_to_micros;

/// The hash that verifies a token, and the time from which on the token is invalid.
///
/// The hash is argon2id as a PHC string, with its salt and costs
/// (<https://github.com/P-H-C/phc-string-format/blob/master/phc-sf-spec.md>). `Debug` does not show it.
///
/// ```
/// use artifact_store::{CredentialHash, Timestamp};
///
/// let hash: CredentialHash = "$argon2id$v=19$m=1024,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2g".parse()?;
/// let until = Timestamp::from_second(2_000_000_000)?;
/// assert!(!hash.has_expired(until), "without a time it never expires");
/// let hash = hash.with_expires_at(until);
/// assert!(hash.has_expired(until));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct CredentialHash {
    phc: Arc<str>,
    expires_at: Option<Timestamp>,
}

impl CredentialHash {
    /// The maximum length in bytes.
    pub const MAX_LEN: usize = 255;

    const PREFIX: &'static str = "$argon2id$";
    /// The hash of no token. An older server, which does not know of expiry, cannot verify anything against it.
    pub(crate) const OF_NO_TOKEN: &'static str = "$argon2id$revoked";

    /// Returns the PHC string.
    pub fn as_phc(&self) -> &str {
        &self.phc
    }

    /// Returns the time from which on the token is invalid. `None` means never.
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.expires_at
    }

    /// Sets the time from which on the token is invalid, truncated to microseconds.
    #[must_use = "returns the changed hash"]
    pub fn with_expires_at(mut self, expires_at: impl Into<Option<Timestamp>>) -> Self {
        self.expires_at = expires_at.into().map(truncate_to_micros);
        self
    }

    /// Returns whether the token is invalid at this time. An implementation that verifies tokens must ask this too.
    pub fn has_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|expires_at| expires_at <= now)
    }

    /// Returns a hash that belongs to no token and has expired, for a worker whose token was revoked.
    pub fn revoked() -> Self {
        Self {
            phc: Self::OF_NO_TOKEN.into(),
            expires_at: Some(Timestamp::UNIX_EPOCH),
        }
    }

    /// Returns whether this is the hash of no token.
    pub(crate) fn is_revoked(&self) -> bool {
        *self.phc == *Self::OF_NO_TOKEN
    }
}

impl FromStr for CredentialHash {
    type Err = InvalidCredentialHash;

    /// Checks the algorithm and the characters. The code that verifies a token parses the rest.
    fn from_str(text: &str) -> Result<Self, InvalidCredentialHash> {
        let plain = text.bytes().all(|byte| byte.is_ascii_graphic());
        if text.starts_with(Self::PREFIX) && text.len() <= Self::MAX_LEN && plain {
            Ok(Self {
                phc: text.into(),
                expires_at: None,
            })
        } else {
            Err(InvalidCredentialHash(()))
        }
    }
}

impl fmt::Debug for CredentialHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CredentialHash(..)")
    }
}

/// The error for a text that is not the PHC string of an argon2id hash. Its message does not repeat
/// the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a stored credential is an argon2id hash as a PHC string of up to 255 visible ASCII characters"
)]
pub struct InvalidCredentialHash(());

/// The data that a worker's request is authenticated with, read at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredCredential {
    /// The experiment that the worker belongs to.
    pub experiment: ExperimentId,
    /// The hash that verifies its token, and until when the token is valid.
    pub hash: CredentialHash,
    /// Whether it is in the group `admins` of its experiment, directly or through other groups.
    pub in_admins: bool,
}

impl StoredCredential {
    /// Creates a stored credential, for implementations of [`IdentityStore`](super::IdentityStore).
    pub fn new(experiment: ExperimentId, hash: CredentialHash, in_admins: bool) -> Self {
        Self {
            experiment,
            hash,
            in_admins,
        }
    }
}
