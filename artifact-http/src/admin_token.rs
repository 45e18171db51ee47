//! The administrator's token: which tokens are strong enough, and the authenticator of a server
//! without workers.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use artifact_backend::{Clock as _, SystemClock};
use artifact_store::{
    AdminTokenDigest, OldAdminToken, Principal, PrincipalId, Timestamp, ValidAdminTokens,
};
use async_trait::async_trait;
use blake2::{Blake2b256, Digest};
use http::request::Parts;
use subtle::{Choice, ConstantTimeEq};

use crate::authenticate::{Authenticate, AuthenticateError};
use crate::credential::{Credential, Secret};

/// Words that often stand in for a secret until a better one is chosen, and then stay.
const WELL_KNOWN: [&str; 12] = [
    "admin", "artifact", "changeme", "default", "eden", "example", "letmein", "password", "secret",
    "test", "token", "qwertz",
];

/// Beginnings of tokens that were typed along the keyboard.
const RUNS: [&str; 3] = ["0123456789", "1234567890", "abcdefghij"];

/// Accepts one principal: `admin`, with one token, or with two while clients [change](Self::replace_slowly) from one to the other.
///
/// The token is given, or is the one whose digest the identity store records, see [`recorded`](Self::recorded).
///
/// Keeps only the token's BLAKE2b-256 (RFC 7693) and compares digests in constant time, so response times
/// reveal neither the token's length nor how much of a guess is right. Without instructions for it, SHA-256
/// takes five times as long, with every request. Clones share the token, so that one clone can
/// [replace](Self::replace) what a running router accepts.
#[derive(Clone)]
pub struct AdminToken {
    /// `None`: the one in the identity store.
    tokens: Arc<RwLock<Option<ValidAdminTokens>>>,
}

impl AdminToken {
    /// The least length of a token, in characters.
    pub const MIN_LEN: usize = 16;

    /// Creates an authenticator for this token.
    ///
    /// ```
    /// use artifact_http::AdminToken;
    ///
    /// assert!(AdminToken::new("9f86d081884c7d65").is_ok());
    /// let error = AdminToken::new("changeme").unwrap_err();
    /// assert_eq!(error.reason(), "has fewer than 16 characters");
    /// ```
    ///
    /// # Errors
    ///
    /// [`WeakAdminToken`] if the token can be guessed or cannot be sent in a header field.
    pub fn new(token: &str) -> Result<Self, WeakAdminToken> {
        let tokens = only(Self::digest(token)?);
        Ok(Self {
            tokens: Arc::new(RwLock::new(Some(tokens))),
        })
    }

    /// Creates an authenticator for the token that the identity store of an
    /// [`IdentityAuthenticator`](crate::IdentityAuthenticator) records
    /// ([`AdminTokenRecord`](artifact_store::AdminTokenRecord)), so that all servers of a database accept the same one. A
    /// token that takes its place counts on each of them once the change is acknowledged, and the old one is valid on each of
    /// them until the time that the record has.
    ///
    /// Without a record, and without an `IdentityAuthenticator`, no token is accepted.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use artifact_http::{AdminToken, IdentityAuthenticator};
    /// use artifact_store::{AdminTokenRecord, Database, RecordedAdminToken, Timestamp};
    ///
    /// let identities = Database::from_url("mem:").await?.identities;
    /// // The first server has made this token of 256 random bits.
    /// let token = "8c1f0f3e6b1f4a3f9d9a6b0d2f6c7e5a8c1f0f3e6b1f4a3f9d9a6b0d2f6c7e5a";
    /// let new = RecordedAdminToken::new(AdminToken::digest(token)?, "host: /srv/token", Timestamp::now());
    /// let recorded = identities.record_admin_token(&new).await?;
    /// assert_eq!(recorded, new);
    /// let authenticator = IdentityAuthenticator::new(identities, AdminToken::recorded());
    /// # drop(authenticator);
    /// # Ok(())
    /// # }
    /// ```
    pub fn recorded() -> Self {
        Self {
            tokens: Arc::default(),
        }
    }

    /// Returns the digest of a token, for [`RecordedAdminToken`](artifact_store::RecordedAdminToken). Record only tokens of 256
    /// random bits: the digest does not protect a text that can be guessed.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn digest(token: &str) -> Result<AdminTokenDigest, WeakAdminToken> {
        check(token)?;
        Ok(digest(token))
    }

    /// Replaces the token for all clones. Requests that are authenticated from now on need the new one.
    ///
    /// ```
    /// use artifact_http::AdminToken;
    ///
    /// let admin = AdminToken::new("9f86d081884c7d65")?;
    /// admin.replace("f3a9c1d27b6e4805")?;
    /// assert!(admin.replace("changeme").is_err());
    /// # Ok::<(), artifact_http::WeakAdminToken>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new); the former token then stays valid.
    pub fn replace(&self, token: &str) -> Result<(), WeakAdminToken> {
        self.set(Some(only(Self::digest(token)?)));
        Ok(())
    }

    /// Replaces the token for all clones, and accepts an old one too, until a time by the clock of this process. These are the two
    /// tokens that are valid then; each other one is not.
    ///
    /// ```
    /// use artifact_http::AdminToken;
    /// use artifact_store::Timestamp;
    ///
    /// let admin = AdminToken::new("9f86d081884c7d65")?;
    /// let until: Timestamp = "2026-12-01T12:00:00Z".parse().unwrap();
    /// admin.replace_slowly("f3a9c1d27b6e4805", "9f86d081884c7d65", until)?;
    /// # Ok::<(), artifact_http::WeakAdminToken>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new), for either token; nothing is changed then.
    pub fn replace_slowly(
        &self,
        token: &str,
        old: &str,
        valid_until: Timestamp,
    ) -> Result<(), WeakAdminToken> {
        let current = Self::digest(token)?;
        let digest = Self::digest(old)?;
        let old = Some(OldAdminToken {
            digest,
            valid_until,
        });
        self.set(Some(ValidAdminTokens { current, old }));
        Ok(())
    }

    /// Makes all clones accept the token that the identity store records, as [`recorded`](Self::recorded) does, and no other.
    pub fn use_recorded(&self) {
        self.set(None);
    }

    fn set(&self, tokens: Option<ValidAdminTokens>) {
        *self.tokens.write().unwrap_or_else(PoisonError::into_inner) = tokens;
    }

    /// Returns the tokens that are accepted. `None` means those that the identity store records.
    pub(crate) fn given(&self) -> Option<ValidAdminTokens> {
        *self.tokens.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Authenticates without waiting.
    pub(crate) fn check(&self, credential: &Credential) -> Result<Principal, AuthenticateError> {
        // Hashes first: an unknown principal must cost the same work as a wrong token.
        let matches = matches(credential.secret(), self.given(), SystemClock.now());
        if matches && credential.principal() == PrincipalId::ADMIN {
            Ok(Principal::admin())
        } else {
            Err(AuthenticateError::Rejected)
        }
    }
}

fn only(current: AdminTokenDigest) -> ValidAdminTokens {
    ValidAdminTokens { current, old: None }
}

fn digest(token: &str) -> AdminTokenDigest {
    AdminTokenDigest::from_bytes(Blake2b256::digest(token).into())
}

/// Returns whether a secret is one of the tokens that are valid at this time; without any, none is. Takes the same time for every
/// guess of the same length. A time that cannot be represented ends an old token.
pub(crate) fn matches(
    secret: &Secret,
    expected: Option<ValidAdminTokens>,
    now: SystemTime,
) -> bool {
    let given = digest(secret.expose());
    let is = |expected: AdminTokenDigest| given.as_bytes().ct_eq(expected.as_bytes());
    expected.is_some_and(|expected| {
        let now = Timestamp::try_from(now).ok();
        let old = now.and_then(|now| expected.old_at(now));
        (is(expected.current) | old.map_or(Choice::from(0), is)).into()
    })
}

impl fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdminToken(..)")
    }
}

#[async_trait]
impl Authenticate for AdminToken {
    async fn authenticate(&self, request: &Parts) -> Result<Principal, AuthenticateError> {
        self.check(&Credential::from_request(request)?)
    }
}

fn check(token: &str) -> Result<(), WeakAdminToken> {
    if token.is_empty() {
        return Err(WeakAdminToken("is empty"));
    }
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(WeakAdminToken(
            "contains white space, control or non-ASCII characters",
        ));
    }
    if token.len() < AdminToken::MIN_LEN {
        return Err(WeakAdminToken("has fewer than 16 characters"));
    }
    if is_guessable(token) {
        return Err(WeakAdminToken("is easy to guess"));
    }
    Ok(())
}

/// Whether an ASCII token has fewer than five different characters, begins with or mostly consists
/// of consecutive ones, or has hardly anything but well-known words, digits and punctuation.
fn is_guessable(token: &str) -> bool {
    let lower = token.to_ascii_lowercase();
    if RUNS.iter().any(|run| lower.starts_with(run)) {
        return true;
    }
    let mut letters: Vec<u8> = lower.bytes().collect();
    let consecutive = letters
        .windows(2)
        .filter(|pair| pair[0].abs_diff(pair[1]) <= 1)
        .count();
    let mostly_consecutive = consecutive * 5 >= (letters.len() - 1) * 4;
    letters.sort_unstable();
    letters.dedup();

    let mut rest = lower;
    for word in WELL_KNOWN {
        rest = rest.replace(word, "");
    }
    let rest = rest.trim_matches(|c: char| c.is_ascii_digit() || c.is_ascii_punctuation());
    letters.len() < 5 || mostly_consecutive || rest.len() < 4
}

/// The reason why a server must not start with an admin token. Does not contain the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the admin token {0}; use at least 16 random characters, for example the output of: openssl rand -hex 32"
)]
pub struct WeakAdminToken(&'static str);

impl WeakAdminToken {
    /// Returns the reason as the predicate of a sentence, such as `is empty`. For callers that say
    /// in their own message where the token came from.
    pub fn reason(self) -> &'static str {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_replaced_token_is_valid_for_all_clones_and_the_former_one_is_not() {
        let (first, second) = ("9f86d081884c7d65", "f3a9c1d27b6e4805");
        let admin = AdminToken::new(first).unwrap();
        let used = admin.clone();
        let accepts = async |token: &str| {
            let request = http::Request::builder()
                .header(http::header::AUTHORIZATION, format!("Bearer admin:{token}"));
            let request = request.body(()).unwrap().into_parts().0;
            used.authenticate(&request).await.is_ok()
        };
        assert_eq!((accepts(first).await, accepts(second).await), (true, false));
        admin.replace(second).unwrap();
        assert_eq!((accepts(first).await, accepts(second).await), (false, true));
        let weak = admin.replace("changeme").unwrap_err();
        assert_eq!(weak.reason(), "has fewer than 16 characters");
        assert!(accepts(second).await);
    }

    #[test]
    fn two_tokens_are_valid_until_the_old_one_is_over() {
        let (first, second, third) = ("9f86d081884c7d65", "f3a9c1d27b6e4805", "5d41402abc4b2a76");
        let admin = AdminToken::new(first).unwrap();
        let accepted = |at: u64| {
            let at = SystemTime::UNIX_EPOCH + Duration::from_secs(at);
            [first, second, third].map(|token| {
                let secret = Secret::new(token.to_owned());
                matches(&secret, admin.given(), at)
            })
        };
        assert_eq!(accepted(100), [true, false, false]);
        let end = Timestamp::from_second(100).unwrap();
        admin.replace_slowly(second, first, end).unwrap();
        assert_eq!(accepted(99), [true, true, false]);
        assert_eq!(accepted(100), [false, true, false]);
        // There are never three.
        admin.replace_slowly(third, second, end).unwrap();
        assert_eq!(accepted(99), [false, true, true]);
        let weak = admin.replace_slowly(first, "changeme", end).unwrap_err();
        assert_eq!(weak.reason(), "has fewer than 16 characters");
        assert_eq!(accepted(99), [false, true, true]);
        admin.replace(third).unwrap();
        assert_eq!(accepted(99), [false, false, true]);
    }

    #[test]
    fn weak_tokens_are_refused_and_not_repeated() {
        for (token, reason) in [
            ("", "is empty"),
            ("short", "has fewer than 16 characters"),
            ("fifteen-chars-x", "has fewer than 16 characters"),
            ("0000000000000000", "is easy to guess"),
            ("aaaaaaaaaaaaaaaa", "is easy to guess"),
            ("abababababababab", "is easy to guess"),
            ("0123456789abcdef", "is easy to guess"),
            ("changeme-changeme", "is easy to guess"),
            ("changemechangeme", "is easy to guess"),
            ("password12345678", "is easy to guess"),
            ("admin-token-2024", "is easy to guess"),
            ("AdminAdminAdminAdmin", "is easy to guess"),
            ("0123456789-zQx!vK", "is easy to guess"),
            (
                "with space 1234567",
                "contains white space, control or non-ASCII characters",
            ),
            (
                "line\nbreak-1234567",
                "contains white space, control or non-ASCII characters",
            ),
            (
                "\u{fc}mlaut-1234567890",
                "contains white space, control or non-ASCII characters",
            ),
        ] {
            let error = AdminToken::new(token).unwrap_err();
            assert_eq!(error.reason(), reason, "{token:?}");
            let message = error.to_string();
            assert!(token.is_empty() || !message.contains(token), "{message}");
            assert!(
                message.contains("at least 16 random characters"),
                "{message}"
            );
        }
    }

    #[test]
    fn random_tokens_are_accepted() {
        for token in [
            "f3a9c1d27b6e4805",
            "9f86d081884c7d65",
            "correct-horse-battery-staple",
            "Zk3:vQ9!mR7?xT2&",
        ] {
            assert!(AdminToken::new(token).is_ok(), "{token}");
        }
    }

    #[test]
    fn debug_output_hides_the_token() {
        let token = AdminToken::new("canary-4411-canary").unwrap();
        assert_eq!(format!("{token:?}"), "AdminToken(..)");
    }
}
