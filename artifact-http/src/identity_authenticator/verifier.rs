//! Verifies secrets: from memory, or by argon2 with a bounded queue.

use std::sync::Arc;
use std::thread;

use artifact_backend::{BoxError, blocking, random};
use artifact_store::CredentialHash;
use blake2::{Blake2b256, Digest};
use quick_cache::sync::Cache;
use tokio::sync::Semaphore;

use super::hashing;
use crate::authenticate::AuthenticateError;
use crate::credential::Secret;

/// The number of valid secrets that are remembered: one for each active worker.
const VALID_CAPACITY: usize = 32 << 10;
/// The number of invalid secrets that are remembered. A client that keeps using a replaced token then
/// causes no hash computations.
const INVALID_CAPACITY: usize = 8 << 10;
/// The maximum number of different credentials that wait for a core. Each takes about a millisecond, so
/// the last one waits for less than a tenth of a second.
const MAX_WAITING: usize = 64;

/// A keyed hash of a principal and a secret, and in some caches of the stored hash.
type Key = [u8; 32];

pub(super) struct Verifier {
    /// Has hashed the key of the cached hashes, random in every process. `BLAKE2b` (RFC 7693) needs no HMAC,
    /// because a hash cannot be extended without the key. It takes a fifth of the time of an HMAC with
    /// SHA-256 where the processor has no instructions for SHA-256.
    keyed: Blake2b256,
    /// The hash of a random secret. Secrets of unknown workers are compared with it.
    decoy: CredentialHash,
    /// Valid secrets, and the computations in progress. Concurrent requests with one credential share
    /// one.
    valid: Cache<Key, ()>,
    /// The stored hash for which a secret of a principal was last found to be valid. Its keys do not
    /// include that hash, so that the text of each fits into one block of `BLAKE2b`.
    recent: Cache<Key, CredentialHash>,
    /// Invalid secrets. A flood of them evicts no valid secret.
    invalid: Cache<Key, ()>,
    queue: Arc<Semaphore>,
    cores: Arc<Semaphore>,
    /// New tokens are hashed one at a time and do not wait in the queue: only the administrator creates
    /// them.
    issuing: Arc<Semaphore>,
}

impl Verifier {
    pub(super) fn new() -> Self {
        // The other half of the cores serves requests whose credentials are cached.
        let cores = thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).max(1));
        let secret: [u8; 32] = random::bytes();
        let decoy = hashing::hash(&secret).expect("argon2 accepts these costs and this salt");
        Self {
            keyed: Blake2b256::new_with_prefix(random::bytes::<32>()),
            decoy,
            valid: Cache::new(VALID_CAPACITY),
            recent: Cache::new(VALID_CAPACITY),
            invalid: Cache::new(INVALID_CAPACITY),
            queue: Arc::new(Semaphore::new(MAX_WAITING + cores)),
            cores: Arc::new(Semaphore::new(cores)),
            issuing: Arc::new(Semaphore::new(1)),
        }
    }

    /// Hashes a new secret of a principal, and caches it as valid.
    pub(super) async fn hash(
        &self,
        principal: &str,
        secret: &Secret,
    ) -> Result<CredentialHash, AuthenticateError> {
        let text = secret.clone();
        let hash = compute(&self.issuing, move || {
            hashing::hash(text.expose().as_bytes())
        });
        let hash = hash.await?;
        let key = self.key_of(&[hash.as_phc(), principal, secret.expose()]);
        self.valid.insert(key, ());
        Ok(hash)
    }

    /// Returns whether this is known to be the principal's secret. Never waits.
    pub(super) fn remembers(
        &self,
        principal: &str,
        secret: &Secret,
        stored: &CredentialHash,
    ) -> bool {
        let key = self.key_of(&[principal, secret.expose()]);
        self.recent.get(&key).is_some_and(|hash| hash == *stored)
    }

    /// Returns whether this is the principal's secret. `stored` is `None` for an unknown principal,
    /// which costs the same work and is never valid.
    pub(super) async fn verify(
        &self,
        principal: &str,
        secret: &Secret,
        stored: Option<&CredentialHash>,
    ) -> Result<bool, AuthenticateError> {
        let hash = stored.unwrap_or(&self.decoy);
        let key = self.key_of(&[hash.as_phc(), principal, secret.expose()]);
        let valid = self.is_valid(key, secret, hash).await?;
        if let Some(stored) = stored
            && valid
        {
            let key = self.key_of(&[principal, secret.expose()]);
            self.recent.insert(key, stored.clone());
            return Ok(true);
        }
        Ok(false)
    }

    /// Returns whether a secret has this hash.
    async fn is_valid(
        &self,
        key: Key,
        secret: &Secret,
        hash: &CredentialHash,
    ) -> Result<bool, AuthenticateError> {
        // Waits for another request that computes the same key. If that one fails or is dropped, or if
        // the secret is invalid, the next request gets the place.
        let Err(place) = self.valid.get_value_or_guard_async(&key).await else {
            return Ok(true);
        };
        if self.invalid.get(&key).is_some() {
            return Ok(false);
        }
        let valid = self.compute(secret, hash).await?;
        if valid {
            // This fails if `hash` has inserted the key meanwhile, which means the same.
            let _inserted = place.insert(());
        } else {
            self.invalid.insert(key, ());
        }
        Ok(valid)
    }

    /// Waits for a core and runs argon2. If the future is dropped, a computation that has begun still
    /// runs to its end.
    async fn compute(
        &self,
        secret: &Secret,
        hash: &CredentialHash,
    ) -> Result<bool, AuthenticateError> {
        let Ok(_permit) = self.queue.try_acquire() else {
            return Err(AuthenticateError::Busy);
        };
        let (secret, hash) = (secret.clone(), hash.clone());
        let valid = compute(&self.cores, move || {
            hashing::verify(secret.expose().as_bytes(), &hash)
        });
        valid.await
    }

    /// Returns the key under which a secret is remembered. It includes the principal, because all
    /// unknown principals share the decoy: a secret tried on one of them must not be remembered for
    /// another, or a fast answer would reveal that the principal is unknown.
    fn key_of(&self, parts: &[&str]) -> Key {
        let mut hasher = self.keyed.clone();
        // No part contains NUL, which a header field cannot have, so different parts give different texts.
        for (number, part) in parts.iter().enumerate() {
            if number > 0 {
                hasher.update(b"\0");
            }
            hasher.update(part.as_bytes());
        }
        hasher.finalize().into()
    }
}

/// Runs work on the blocking pool once a permit is free.
async fn compute<T: Send + 'static>(
    permits: &Arc<Semaphore>,
    work: impl FnOnce() -> Result<T, BoxError> + Send + 'static,
) -> Result<T, AuthenticateError> {
    let permit = Arc::clone(permits).acquire_owned().await;
    let permit = permit.expect("the semaphore is never closed");
    let done = blocking::run(move || {
        // The task holds the permit, because the core stays busy if the request is dropped.
        let _permit = permit;
        work()
    });
    let done = done
        .await
        .map_err(|closed| AuthenticateError::Unavailable(closed.into()))?;
    done.map_err(AuthenticateError::Unavailable)
}

#[cfg(test)]
mod tests;
