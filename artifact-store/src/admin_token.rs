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
        }
    }
}

/// Keeps the digest of the admin token that all servers of a database accept. It is part of every
/// [`IdentityStore`](crate::IdentityStore).
///
/// - There is at most one at a time. A token that was replaced stays known as such, so that no server takes it again from a file
///   that was left behind.
/// - `Ok` of a write means that it is durable, and that every later read by any process on the same database sees it. A
///   replaced token is invalid from then on in all of them.
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
/// database.replace_admin_token(&two).await?;
/// assert!(database.was_admin_token_replaced(one.digest).await?);
/// # Ok(())
/// # }
/// ```
#[async_trait]
pub trait AdminTokenRecord: fmt::Debug + Send + Sync + 'static {
    /// Returns the record. Always reads the database, never a cache.
    async fn admin_token(&self) -> Result<Option<RecordedAdminToken>>;

    /// Returns the digest of the record, if that is known without waiting. It is current, in the sense of
    /// [`cached_credential`](crate::IdentityStore::cached_credential). `None` means that it is not cached, that it may have
    /// changed, or that no token is recorded. Then call [`admin_token`](Self::admin_token), which fills the cache.
    ///
    /// Never waits for a query or another task, and cannot fail. The default implementation has no cache.
    fn cached_admin_token(&self) -> Option<AdminTokenDigest> {
        None
    }

    /// Records a token, unless one is recorded. Returns the one that is recorded then. Of concurrent calls, by any processes,
    /// all return the same.
    async fn record_admin_token(&self, token: &RecordedAdminToken) -> Result<RecordedAdminToken>;

    /// Records a token in place of the one that is recorded, if there is one.
    async fn replace_admin_token(&self, token: &RecordedAdminToken) -> Result<()>;

    /// Returns whether this is the digest of a token that was replaced by another one.
    async fn was_admin_token_replaced(&self, digest: AdminTokenDigest) -> Result<bool>;
}
