//! What is kept of a worker's token: enough to verify it, and nothing that is the token.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::names::ExperimentId;

/// What a token is verified by: an argon2id hash as a PHC string, with its salt and costs
/// (<https://github.com/P-H-C/phc-string-format/blob/master/phc-sf-spec.md>). `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct CredentialHash(Arc<str>);

impl CredentialHash {
    /// The greatest length, in bytes.
    pub const MAX_LEN: usize = 255;

    const PREFIX: &'static str = "$argon2id$";

    /// The PHC string.
    pub fn as_phc(&self) -> &str {
        &self.0
    }
}

impl FromStr for CredentialHash {
    type Err = InvalidCredentialHash;

    /// Checks the algorithm and the characters. Whoever verifies a token reads the rest.
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

/// A text is not the PHC string of an argon2id hash. The message does not repeat it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a stored credential is an argon2id hash as a PHC string of up to 255 visible ASCII letters"
)]
pub struct InvalidCredentialHash(());

/// What a request of a worker is checked by, as it was at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredCredential {
    /// The one experiment that the worker belongs to.
    pub experiment: ExperimentId,
    /// What its token is verified by.
    pub hash: CredentialHash,
    /// Whether it is in the group named `admins` of its experiment, directly or through others.
    pub in_admins: bool,
}

impl StoredCredential {
    /// A stored credential, for implementors of [`IdentityStore`](super::IdentityStore).
    pub fn new(experiment: ExperimentId, hash: CredentialHash, in_admins: bool) -> Self {
        Self {
            experiment,
            hash,
            in_admins,
        }
    }
}
