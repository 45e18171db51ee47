//! The administrator's token alone: the authenticator of a server without workers.

use std::fmt;

use artifact_store::Principal;
use async_trait::async_trait;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::authenticate::{Authenticate, AuthenticateError};
use crate::credential::Credential;

/// Accepts the principal `admin` with one token, and nobody else.
///
/// Only the token's SHA-256 is kept, and digests are compared in constant time, so neither the
/// length of a guess nor how much of it is right can be timed.
pub struct AdminToken {
    digest: [u8; 32],
}

impl AdminToken {
    /// The least length of a token, in characters.
    pub const MIN_LEN: usize = 16;

    /// An authenticator for this token.
    ///
    /// # Errors
    ///
    /// [`WeakAdminToken`] for one that could be guessed, or that no header could carry.
    pub fn new(token: &str) -> Result<Self, WeakAdminToken> {
        const WELL_KNOWN: [&str; 6] = [
            "admin", "artifact", "changeme", "password", "secret", "token",
        ];
        let plain = token.bytes().all(|byte| byte.is_ascii_graphic());
        if !plain {
            return Err(WeakAdminToken("has characters other than visible ASCII"));
        }
        if token.len() < Self::MIN_LEN {
            return Err(WeakAdminToken("has fewer than 16 characters"));
        }
        // `changeme-changeme`, `adminadminadminadmin`, `0000000000000000`.
        let lower = token.to_ascii_lowercase();
        let mut left = lower.clone();
        for word in WELL_KNOWN {
            left = left.replace(word, "");
        }
        let first = lower.as_bytes()[0];
        let repeated = lower.bytes().all(|byte| byte == first);
        let counted = ["0123456789", "1234567890", "abcdefghij"]
            .iter()
            .any(|run| lower.starts_with(run));
        if repeated || counted || left.bytes().all(|byte| !byte.is_ascii_alphanumeric()) {
            return Err(WeakAdminToken("is a well-known one"));
        }
        Ok(Self {
            digest: Sha256::digest(token).into(),
        })
    }
}

impl fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdminToken(..)")
    }
}

#[async_trait]
impl Authenticate for AdminToken {
    async fn authenticate(&self, credential: &Credential) -> Result<Principal, AuthenticateError> {
        // The digest is made for a stranger too: an unknown principal costs the same work.
        let digest: [u8; 32] = Sha256::digest(credential.secret().expose()).into();
        let right = digest.ct_eq(&self.digest);
        if credential.principal() == "admin" && bool::from(right) {
            Ok(Principal::admin())
        } else {
            Err(AuthenticateError::Rejected)
        }
    }
}

/// An admin token that a server must not start with. The message does not repeat it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the admin token {0}; use at least 16 random characters, such as those of: openssl rand -hex 32"
)]
pub struct WeakAdminToken(&'static str);

#[cfg(test)]
mod tests {
    use super::AdminToken;

    #[test]
    fn weak_tokens_are_refused_without_being_repeated() {
        let weak = [
            "",
            "short",
            "fifteen-chars-x",
            "0000000000000000",
            "changeme-changeme",
            "AdminAdminAdminAdmin",
            "0123456789abcdef",
            "with space 1234567",
            "line\nbreak-1234567",
            "ümlaut-1234567890",
        ];
        for token in weak {
            let said = AdminToken::new(token).unwrap_err().to_string();
            assert!(token.is_empty() || !said.contains(token), "{said}");
            assert!(said.contains("at least 16 random characters"), "{said}");
        }
    }

    #[test]
    fn random_tokens_are_taken() {
        for token in ["f3a9c1d27b6e4805", "correct-horse-battery-staple"] {
            assert!(AdminToken::new(token).is_ok(), "{token}");
        }
    }

    #[test]
    fn debug_shows_nothing() {
        let token = AdminToken::new("canary-4411-canary").unwrap();
        assert_eq!(format!("{token:?}"), "AdminToken(..)");
    }
}
