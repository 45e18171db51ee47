//! Verifies secrets: from memory, or by argon2 with a bounded queue.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use artifact_backend::{BoxError, blocking, random};
use artifact_store::CredentialHash;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tokio::sync::{OnceCell, Semaphore};

use super::hashing;
use super::two_generation_set::{Key, TwoGenerationSet};
use crate::authenticate::AuthenticateError;
use crate::credential::Secret;

/// The least number of valid secrets that are remembered: one for each active worker.
const VALID_CAPACITY: usize = 16 << 10;
/// The minimum number of invalid secrets in the cache. A client that keeps using a replaced token then
/// causes no hash computations.
const INVALID_CAPACITY: usize = 4 << 10;
/// The maximum number of different credentials that wait for a core. Each takes about a millisecond, so
/// the last one waits for less than a tenth of a second.
const MAX_WAITING: usize = 64;

pub(super) struct Verifier {
    /// The key of the cached hashes, random in every process.
    key: [u8; 32],
    /// The hash of a random secret. Secrets of unknown workers are compared with it.
    decoy: CredentialHash,
    valid: TwoGenerationSet,
    invalid: TwoGenerationSet,
    /// The computations in progress. Concurrent requests with one credential share one.
    running: Mutex<HashMap<Key, Computation>>,
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
            key: random::bytes(),
            decoy,
            valid: TwoGenerationSet::new(VALID_CAPACITY),
            invalid: TwoGenerationSet::new(INVALID_CAPACITY),
            running: Mutex::default(),
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
        self.valid.insert(self.key_of(principal, secret, &hash));
        Ok(hash)
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
        let key = self.key_of(principal, secret, hash);
        if self.valid.contains(&key) {
            return Ok(stored.is_some());
        }
        if self.invalid.contains(&key) {
            return Ok(false);
        }
        let running = Running::join(self, key);
        let valid = running
            .cell
            .get_or_try_init(|| self.compute(key, secret, hash))
            .await?;
        Ok(*valid && stored.is_some())
    }

    /// Waits for a core and runs argon2. If the future is dropped, a computation that has begun still
    /// runs to its end.
    async fn compute(
        &self,
        key: Key,
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
        let valid = valid.await?;
        let known = if valid { &self.valid } else { &self.invalid };
        known.insert(key);
        Ok(valid)
    }

    /// Returns the key under which a secret is remembered. It includes the principal, because all
    /// unknown principals share the decoy: a secret tried on one of them must not be remembered for
    /// another, or a fast answer would reveal that the principal is unknown.
    fn key_of(&self, principal: &str, secret: &Secret, hash: &CredentialHash) -> Key {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC accepts keys of every length");
        // The first two parts contain no NUL, so different inputs give different texts.
        for part in [hash.as_phc(), "\0", principal, "\0", secret.expose()] {
            mac.update(part.as_bytes());
        }
        mac.finalize().into_bytes().into()
    }

    fn running(&self) -> MutexGuard<'_, HashMap<Key, Computation>> {
        // No code that can panic runs between two changes that belong together.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A computation in progress.
#[derive(Default)]
struct Computation {
    /// The number of requests that share it. It changes only under the lock of the map, so exactly
    /// one request finds that it is the last.
    shares: usize,
    cell: Arc<OnceCell<bool>>,
}

/// A request's share in a computation. The last share removes the computation on drop.
struct Running<'v> {
    verifier: &'v Verifier,
    key: Key,
    cell: Arc<OnceCell<bool>>,
}

impl<'v> Running<'v> {
    fn join(verifier: &'v Verifier, key: Key) -> Self {
        let mut running = verifier.running();
        let computation = running.entry(key).or_default();
        computation.shares += 1;
        Self {
            verifier,
            key,
            cell: Arc::clone(&computation.cell),
        }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if let Entry::Occupied(mut entry) = self.verifier.running().entry(self.key) {
            entry.get_mut().shares -= 1;
            if entry.get().shares == 0 {
                entry.remove();
            }
        }
    }
}

/// Runs work on the blocking pool once a permit is free.
async fn compute<T: Send + 'static>(
    permits: &Arc<Semaphore>,
    work: impl FnOnce() -> Result<T, BoxError> + Send + 'static,
) -> Result<T, AuthenticateError> {
    let permit = Arc::clone(permits).acquire_owned().await;
    let permit = permit.expect("the semaphore is never closed");
    let working = blocking::run(move || {
        // The task holds the permit, because the core stays busy if the request is dropped.
        let _permit = permit;
        work()
    });
    let unavailable = AuthenticateError::Unavailable;
    let done = working.await.map_err(|error| unavailable(error.into()))?;
    done.map_err(unavailable)
}

#[cfg(test)]
mod tests;
