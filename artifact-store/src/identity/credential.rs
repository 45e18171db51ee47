//! The stored credential of a worker: a hash that verifies its token, never the token itself.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::experiment::ExperimentId;

/// The hash that verifies a token: argon2id as a PHC string, with its salt and costs
/// (<https://github.com/P-H-C/phc-string-format/blob/master/phc-sf-spec.md>). `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct CredentialHash(Arc<str>);

impl CredentialHash {
    /// The maximum length in bytes.
    pub const MAX_LEN: usize = 255;

    const PREFIX: &'static str = "$argon2id$";

    /// Returns the PHC string.
    pub fn as_phc(&self) -> &str {
        &self.0
    }
}

impl FromStr for CredentialHash {
    type Err = InvalidCredentialHash;

    /// Checks the algorithm and the characters. The code that verifies a token parses the rest.
    fn from_str(text: &str) -> Result<Self, InvalidCredentialHash> {
        let plain = text.bytes().all(|byte| byte.is_ascii_graphic());
        if text.starts_with(Self::PREFIX) && text.len() <= Self::MAX_LEN && plain {
            Ok(Self(text.into()))
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
    /// The hash that verifies its token.
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
