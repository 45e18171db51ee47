//! Tests which secrets are hashed, cached or rejected.

use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use artifact_store::CredentialHash;
use futures_util::FutureExt;
use futures_util::future::join_all;
use quick_cache::sync::GuardResult;
use tokio::task::unconstrained;

use super::{MAX_WAITING, Verifier};
use crate::authenticate::AuthenticateError;
use crate::credential::Secret;

const WORKER: &str = "wkr_00000000000000000000000001";

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

/// Returns a hash that no verifier remembers.
fn stored(text: &str) -> CredentialHash {
    super::hashing::hash(text.as_bytes()).unwrap()
}

/// Returns whether the verifier believes that a request computes this result.
fn computes(verifier: &Verifier, text: &str, hash: &CredentialHash) -> bool {
    let key = verifier.key_of(&[hash.as_phc(), WORKER, text]);
    let place = verifier
        .valid
        .get_value_or_guard(&key, Some(Duration::ZERO));
    matches!(place, GuardResult::Timeout)
}

#[tokio::test]
async fn valid_and_invalid_secrets_are_remembered() {
    let verifier = Verifier::new();
    let hash = stored("right");
    for _ in 0..2 {
        assert!(
            verifier
                .verify(WORKER, &secret("right"), Some(&hash))
                .await
                .unwrap()
        );
        assert!(
            !verifier
                .verify(WORKER, &secret("wrong"), Some(&hash))
                .await
                .unwrap()
        );
        assert!(
            !verifier
                .verify(WORKER, &secret("right"), None)
                .await
                .unwrap()
        );
        // No secret can be computed from here on.
        verifier.cores.close();
        verifier.queue.close();
    }
    assert!(!computes(&verifier, "right", &hash) && !computes(&verifier, "wrong", &hash));
    let outcome = verifier
        .verify(WORKER, &secret("another"), Some(&hash))
        .await;
    assert!(
        matches!(outcome, Err(AuthenticateError::Busy)),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn results_for_new_tokens_are_cached() {
    let verifier = Verifier::new();
    let hash = verifier.hash(WORKER, &secret("made")).await.unwrap();
    verifier.queue.close();
    assert!(
        verifier
            .verify(WORKER, &secret("made"), Some(&hash))
            .await
            .unwrap()
    );
}

#[tokio::test]
async fn results_for_unknown_principals_are_cached_per_principal() {
    let verifier = Verifier::new();
    assert!(!verifier.verify(WORKER, &secret("x"), None).await.unwrap());
    verifier.queue.close();
    assert!(!verifier.verify(WORKER, &secret("x"), None).await.unwrap());
    let other = "wkr_00000000000000000000000002";
    let outcome = verifier.verify(other, &secret("x"), None).await;
    assert!(
        matches!(outcome, Err(AuthenticateError::Busy)),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn results_are_cached_per_stored_hash() {
    let verifier = Verifier::new();
    let (former, later) = (stored("former"), stored("later"));
    assert!(
        verifier
            .verify(WORKER, &secret("former"), Some(&former))
            .await
            .unwrap()
    );
    assert!(
        !verifier
            .verify(WORKER, &secret("former"), Some(&later))
            .await
            .unwrap()
    );
    assert!(
        verifier
            .verify(WORKER, &secret("later"), Some(&later))
            .await
            .unwrap()
    );
}

#[tokio::test]
async fn a_secret_is_remembered_for_the_stored_hash_that_it_was_verified_with() {
    let verifier = Verifier::new();
    let (former, later) = (stored("former"), stored("later"));
    let remembered = |text, hash| verifier.remembers(WORKER, &secret(text), hash);
    for (text, hash) in [("former", &former), ("later", &later)] {
        assert!(!remembered(text, hash));
        let valid = verifier.verify(WORKER, &secret(text), Some(hash)).await;
        assert!(valid.unwrap() && remembered(text, hash));
    }
    assert!(!remembered("former", &later) && !remembered("later", &former));
    // Neither a wrong secret nor an unknown worker forgets it.
    for hash in [Some(&later), None] {
        let valid = verifier.verify(WORKER, &secret("former"), hash).await;
        assert!(!valid.unwrap() && !remembered("former", &later));
    }
    assert!(remembered("former", &former) && remembered("later", &later));
    assert!(!verifier.remembers("wkr_00000000000000000000000002", &secret("later"), &later));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_requests_with_one_credential_share_one_hash_computation() {
    let verifier = Arc::new(Verifier::new());
    let hash = stored("right");
    let requests = (0..10 * MAX_WAITING).map(|_| {
        let (verifier, hash) = (Arc::clone(&verifier), hash.clone());
        tokio::spawn(async move { verifier.verify(WORKER, &secret("right"), Some(&hash)).await })
    });
    for outcome in join_all(requests).await {
        assert!(outcome.unwrap().unwrap());
    }
    assert!(!computes(&verifier, "right", &hash));
}

#[tokio::test]
async fn floods_are_refused_but_remembered_secrets_are_accepted() {
    let verifier = Verifier::new();
    let hash = verifier.hash(WORKER, &secret("known")).await.unwrap();
    let cores = verifier.cores.available_permits();
    let all = u32::try_from(cores).unwrap();
    let held = verifier.cores.acquire_many(all).await.unwrap();

    let flood: Vec<_> = (0..2 * MAX_WAITING)
        .map(|n| secret(&format!("wrong-{n}")))
        .collect();
    let mut requests: Vec<_> = flood
        .iter()
        .map(|secret| Box::pin(unconstrained(verifier.verify(WORKER, secret, Some(&hash)))))
        .collect();
    let mut refused = 0;
    for request in &mut requests {
        if let Some(outcome) = request.now_or_never() {
            assert!(
                matches!(outcome, Err(AuthenticateError::Busy)),
                "{outcome:?}"
            );
            refused += 1;
        }
    }
    assert_eq!(refused, 2 * MAX_WAITING - (MAX_WAITING + cores));
    assert!(
        verifier
            .verify(WORKER, &secret("known"), Some(&hash))
            .await
            .unwrap()
    );
    let another = verifier.hash(WORKER, &secret("another")).await.unwrap();
    assert!(
        verifier
            .verify(WORKER, &secret("another"), Some(&another))
            .await
            .unwrap()
    );

    // Dropped requests leave the queue.
    drop(requests);
    assert!((0..2 * MAX_WAITING).all(|n| !computes(&verifier, &format!("wrong-{n}"), &hash)));
    drop(held);
    assert!(
        !verifier
            .verify(WORKER, &secret("wrong"), Some(&hash))
            .await
            .unwrap()
    );
}

#[tokio::test]
async fn two_requests_dropped_at_once_leave_nothing_behind() {
    let verifier = Verifier::new();
    let hash = stored("right");
    let all = u32::try_from(verifier.cores.available_permits()).unwrap();
    let _held = verifier.cores.acquire_many(all).await.unwrap();
    for n in 0..5_000 {
        let text = format!("secret-{n}");
        let secret = secret(&text);
        let begun = [(); 2].map(|()| {
            let mut request =
                Box::pin(unconstrained(verifier.verify(WORKER, &secret, Some(&hash))));
            assert!((&mut request).now_or_never().is_none());
            request
        });
        let barrier = Barrier::new(begun.len());
        thread::scope(|scope| {
            for request in begun {
                let barrier = &barrier;
                scope.spawn(move || {
                    barrier.wait();
                    drop(request);
                });
            }
        });
        assert!(!computes(&verifier, &text, &hash), "request {n}");
    }
}

#[tokio::test]
async fn malformed_hashes_are_unavailable_and_not_remembered() {
    let verifier = Verifier::new();
    let hash = "$argon2id$canary".parse().unwrap();
    for _ in 0..2 {
        let outcome = verifier.verify(WORKER, &secret("x"), Some(&hash)).await;
        let Err(AuthenticateError::Unavailable(error)) = outcome else {
            panic!("{outcome:?}");
        };
        assert!(!error.to_string().contains("canary"), "{error}");
    }
}
