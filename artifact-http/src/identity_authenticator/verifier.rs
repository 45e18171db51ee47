//! Whether a secret is right: remembered, or computed in a bounded queue.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use artifact_backend::{BoxError, random};
use artifact_store::CredentialHash;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tokio::sync::{OnceCell, Semaphore};

use super::two_generation_set::{Key, TwoGenerationSet};
use super::hashing;
use crate::authenticate::AuthenticateError;
use crate::credential::Secret;

/// How many right secrets are remembered, at least: one for each worker that is at work.
const RIGHT: usize = 16 << 10;
/// How many wrong ones: a client that goes on with a token that was replaced costs nothing.
const WRONG: usize = 4 << 10;
/// How many different credentials may wait to be computed. Each takes about a millisecond, so the
/// last of them waits for less than a tenth of a second.
const WAITING: usize = 64;

pub(super) struct Verifier {
    /// Of this process alone: what is remembered means nothing outside of it.
    key: [u8; 32],
    /// What the secret of a worker that is not there is compared with. Nobody has its secret.
    nobody: CredentialHash,
    right: TwoGenerationSet,
    wrong: TwoGenerationSet,
    /// What is being computed, so that many requests with one credential compute it once.
    running: Mutex<HashMap<Key, Arc<OnceCell<bool>>>>,
    places: Arc<Semaphore>,
    cores: Arc<Semaphore>,
    /// Tokens are made one at a time, however many wrong ones wait: only the administrator asks.
    making: Arc<Semaphore>,
}

impl Verifier {
    pub(super) fn new() -> Self {
        // Half of them are left to those whose credential is known.
        let cores = thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).max(1));
        let secret: [u8; 32] = random::bytes();
        let nobody =
            hashing::hash(&secret).expect("argon2 takes the costs and the salt as they are");
        Self {
            key: random::bytes(),
            nobody,
            right: TwoGenerationSet::new(RIGHT),
            wrong: TwoGenerationSet::new(WRONG),
            running: Mutex::default(),
            places: Arc::new(Semaphore::new(WAITING + cores)),
            cores: Arc::new(Semaphore::new(cores)),
            making: Arc::new(Semaphore::new(1)),
        }
    }

    /// What is stored of a secret that was just made for this principal. It is remembered as right.
    pub(super) async fn hash(
        &self,
        principal: &str,
        secret: &Secret,
    ) -> Result<CredentialHash, AuthenticateError> {
        let of = secret.clone();
        let hash = compute(&self.making, move || hashing::hash(of.expose().as_bytes())).await?;
        self.right.insert(self.key_of(principal, secret, &hash));
        Ok(hash)
    }

    /// Whether this is the principal's secret, which is stored so; never where nothing is stored, at
    /// the same cost.
    pub(super) async fn verify(
        &self,
        principal: &str,
        secret: &Secret,
        stored: Option<&CredentialHash>,
    ) -> Result<bool, AuthenticateError> {
        let hash = stored.unwrap_or(&self.nobody);
        let key = self.key_of(principal, secret, hash);
        if self.right.contains(&key) {
            return Ok(stored.is_some());
        }
        if self.wrong.contains(&key) {
            return Ok(false);
        }
        let running = Running::join(self, key);
        let right = running
            .cell
            .get_or_try_init(|| self.compute(key, secret, hash))
            .await?;
        Ok(*right && stored.is_some())
    }

    /// Computes in turn. If the future is dropped, a computation that has begun runs to its end.
    async fn compute(
        &self,
        key: Key,
        secret: &Secret,
        hash: &CredentialHash,
    ) -> Result<bool, AuthenticateError> {
        let Ok(_place) = self.places.try_acquire() else {
            return Err(AuthenticateError::Busy);
        };
        let (secret, hash) = (secret.clone(), hash.clone());
        let computing = compute(&self.cores, move || {
            hashing::is_right(secret.expose().as_bytes(), &hash)
        });
        let right = computing.await?;
        if right {
            self.right.insert(key);
        } else {
            self.wrong.insert(key);
        }
        Ok(right)
    }

    /// The principal is in it, since all who are not there share one hash: a secret that was tried on
    /// one of them must not be known for the others, or an answer in no time would tell who is not
    /// there.
    fn key_of(&self, principal: &str, secret: &Secret, hash: &CredentialHash) -> Key {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes every length");
        // Neither of the first two has a NUL, so no two questions come to the same text.
        for part in [hash.as_phc(), "\0", principal, "\0", secret.expose()] {
            mac.update(part.as_bytes());
        }
        mac.finalize().into_bytes().into()
    }

    fn running(&self) -> MutexGuard<'_, HashMap<Key, Arc<OnceCell<bool>>>> {
        // One insertion or removal at a time.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One request's share in a computation. The last one takes it off the list.
struct Running<'v> {
    verifier: &'v Verifier,
    key: Key,
    cell: Arc<OnceCell<bool>>,
}

impl<'v> Running<'v> {
    fn join(verifier: &'v Verifier, key: Key) -> Self {
        let cell = Arc::clone(verifier.running().entry(key).or_default());
        Self {
            verifier,
            key,
            cell,
        }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let mut running = self.verifier.running();
        // The list's and this one's. Nobody takes another without the lock.
        if Arc::strong_count(&self.cell) == 2 {
            running.remove(&self.key);
        }
    }
}

/// Runs on the blocking pool, once one of these is free.
async fn compute<T: Send + 'static>(
    free: &Arc<Semaphore>,
    work: impl FnOnce() -> Result<T, BoxError> + Send + 'static,
) -> Result<T, AuthenticateError> {
    let permit = Arc::clone(free).acquire_owned().await;
    let permit = permit.expect("it is never closed");
    let working = tokio::task::spawn_blocking(move || {
        // The permit is the task's: where who asked has gone, the core is still taken.
        let _permit = permit;
        work()
    });
    let unavailable = AuthenticateError::Unavailable;
    let done = working.await.map_err(|error| unavailable(error.into()))?;
    done.map_err(unavailable)
}

#[cfg(test)]
mod tests;
