//! The admin token that the servers of a database share: its digest, never the token.

use std::fmt;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::error::Result;
use crate::time::truncate_to_micros;

/// The BLAKE2b-256 (RFC 7693) of an admin token.
///
/// Only tokens of 256 random bits are recorded, so no hash makes it easier or harder to guess one: a slow hash such as argon2id
/// protects texts that people choose. A fast one lets a server check the token of each request. `Debug` does not show it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AdminTokenDigest([u8; 32]);

impl AdminTokenDigest {
    /// Wraps the bytes of a digest.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes. Compare them in constant time.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for AdminTokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdminTokenDigest(..)")
    }
}

/// The token that was valid before the current one, and still is for a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OldAdminToken {
    /// The digest of the token.
    pub digest: AdminTokenDigest,
    /// The time from which on the token is invalid, by the clock of the server that checks it.
    pub valid_until: Timestamp,
}

/// The digests of the admin tokens that are valid: the current one, and for a time the one before it. There are never more.
///
/// ```
/// use artifact_store::{AdminTokenDigest, OldAdminToken, Timestamp, ValidAdminTokens};
///
/// let [current, old] = [1, 2].map(|byte| AdminTokenDigest::from_bytes([byte; 32]));
/// let noon: Timestamp = "2026-11-30T12:00:00Z".parse().unwrap();
/// let old = OldAdminToken { digest: old, valid_until: noon };
/// let tokens = ValidAdminTokens { current, old: Some(old) };
/// assert_eq!(tokens.old_at("2026-11-30T11:59:59Z".parse().unwrap()), Some(old.digest));
/// assert_eq!(tokens.old_at(noon), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ValidAdminTokens {
    /// The digest of the current token.
    pub current: AdminTokenDigest,
    /// The token before it.
    pub old: Option<OldAdminToken>,
}

impl ValidAdminTokens {
    /// Returns the digest of the old token, if it is still valid at this time.
    pub fn old_at(&self, now: Timestamp) -> Option<AdminTokenDigest> {
        let old = self.old.filter(|old| now < old.valid_until)?;
        Some(old.digest)
    }
}

/// What a database knows of the admin token that its servers share.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordedAdminToken {
    /// The digest of the token.
    pub digest: AdminTokenDigest,
    /// Where the token is, for people: a host and a file.
    pub kept_in: String,
    /// When it was recorded, in whole microseconds since 1970.
    pub created_at: Timestamp,
    /// The token before it, if that was given time to end. It may be over.
    pub old: Option<OldAdminToken>,
}

impl RecordedAdminToken {
    /// The greatest length of `kept_in` in bytes.
    pub const MAX_KEPT_IN: usize = 8192;

    /// Creates a record. Truncates `created_at` to microseconds, and `kept_in` to
    /// [`MAX_KEPT_IN`](Self::MAX_KEPT_IN) bytes without NUL.
    pub fn new(
        digest: AdminTokenDigest,
        kept_in: impl Into<String>,
        created_at: Timestamp,
    ) -> Self {
        let mut kept_in = kept_in.into().replace('\0', "");
        kept_in.truncate(kept_in.floor_char_boundary(Self::MAX_KEPT_IN));
        Self {
            digest,
            kept_in,
            created_at: truncate_to_micros(created_at),
            old: None,
        }
    }

    /// Returns the digests of the current and of the old token.
    pub fn valid_tokens(&self) -> ValidAdminTokens {
        ValidAdminTokens {
            current: self.digest,
            old: self.old,
        }
    }

    /// Returns the record that takes the place of this one.
    pub(crate) fn replaced_by(&self, new: &Self, old_valid_until: Option<Timestamp>) -> Self {
        let old = old_valid_until.map(|valid_until| OldAdminToken {
            digest: self.digest,
            valid_until: truncate_to_micros(valid_until),
        });
        Self { old, ..new.clone() }
    }
}

/// Keeps the digest of the admin token that all servers of a database accept. It is part of every
/// [`IdentityStore`](crate::IdentityStore).
///
/// - There is one current token at most. The one before it is valid until a time that the caller of
///   [`replace_admin_token`](Self::replace_admin_token) chooses; an older one never is. So there are never more than two.
/// - A token that was replaced stays known as such, so that no server takes it again from a file that was left behind.
/// - `Ok` of a write means that it is durable, and that every later read by any process on the same database sees it. A new
///   token is valid in all of them from then on, and one that was ended is not.
/// - Every write can be repeated after any error and after a dropped future.
/// - Every method can fail with `Unavailable` and the kinds that an operator must resolve. Every write can fail with
///   `OutOfSpace`, every read with `Corrupt`.
///
/// A copy or a backup of the database does not contain it.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> artifact_store::Result<()> {
/// use artifact_store::{AdminTokenDigest, AdminTokenRecord, Database, RecordedAdminToken, Timestamp};
///
/// let database = Database::from_url("mem:").await?.identities;
/// // `AdminToken::digest` of artifact-http makes the digest of a token.
/// let entry = |byte| {
///     let digest = AdminTokenDigest::from_bytes([byte; 32]);
///     RecordedAdminToken::new(digest, "host: /srv/artifacts/admin-token", Timestamp::UNIX_EPOCH)
/// };
/// let (one, two) = (entry(1), entry(2));
/// assert_eq!(database.record_admin_token(&one).await?, one);
/// // The second server takes what the first one has recorded.
/// assert_eq!(database.record_admin_token(&two).await?, one);
///
/// // Clients have an hour to change to the new token.
/// let hour = Timestamp::now() + std::time::Duration::from_secs(3600);
/// database.replace_admin_token(&two, Some(hour)).await?;
/// assert!(database.was_admin_token_replaced(one.digest).await?);
/// let recorded = database.admin_token().await?.unwrap();
/// assert_eq!(recorded.valid_tokens().old_at(Timestamp::now()), Some(one.digest));
///
/// // All have changed.
/// database.end_old_admin_token().await?;
/// assert_eq!(database.admin_token().await?, Some(two));
/// # Ok(())
/// # }
/// ```
#[async_trait]
pub trait AdminTokenRecord: fmt::Debug + Send + Sync + 'static {
    /// Returns the record. Always reads the database, never a cache.
    async fn admin_token(&self) -> Result<Option<RecordedAdminToken>>;

    /// Returns the digests of the record, if they are known without waiting. They are current, in the sense of
    /// [`cached_credential`](crate::IdentityStore::cached_credential). `None` means that they are not cached, that they may have
    /// changed, or that no token is recorded. Then call [`admin_token`](Self::admin_token), which fills the cache.
    ///
    /// Never waits for a query or another task, and cannot fail. The default implementation has no cache.
    fn cached_admin_token(&self) -> Option<ValidAdminTokens> {
        None
    }

    /// Records a token, unless one is recorded. Returns the one that is recorded then. Of concurrent calls, by any processes,
    /// all return the same.
    async fn record_admin_token(&self, token: &RecordedAdminToken) -> Result<RecordedAdminToken>;

    /// Records a token in place of the one that is recorded, if there is one. The former one is valid until `old_valid_until`,
    /// truncated to microseconds; with `None`, or a time that is over, it is invalid once this returns. The token before that one
    /// is invalid in any case. `token.old` has no effect.
    ///
    /// Changes nothing if the token is the current one already, so a caller that got no answer repeats the call. The token
    /// before, if it is still valid at `token.created_at`, can be made the current one again.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the token was replaced and is over.
    async fn replace_admin_token(
        &self,
        token: &RecordedAdminToken,
        old_valid_until: Option<Timestamp>,
    ) -> Result<()>;

    /// Ends the old token, if there is one. It is invalid once this returns; the current token stays.
    async fn end_old_admin_token(&self) -> Result<()>;

    /// Returns whether this is the digest of a token that was replaced by another one.
    async fn was_admin_token_replaced(&self, digest: AdminTokenDigest) -> Result<bool>;
}
