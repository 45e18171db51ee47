//! What is computed, what is remembered, and what is refused.

use std::sync::Arc;

use artifact_store::CredentialHash;
use futures_util::future::join_all;
use tokio::task::unconstrained;

use super::{Verifier, WAITING};
use crate::authenticate::AuthenticateError;
use crate::credential::Secret;

const WHO: &str = "wkr_00000000000000000000000001";

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

/// A hash that this verifier does not remember.
fn stored(text: &str) -> CredentialHash {
    super::hashing::hash(text.as_bytes()).unwrap()
}

#[tokio::test]
async fn right_and_wrong_are_told_apart_and_remembered() {
    let verifier = Verifier::new();
    let hash = stored("right");
    for _ in 0..2 {
        assert!(
            verifier
                .verify(WHO, &secret("right"), Some(&hash))
                .await
                .unwrap()
        );
        assert!(
            !verifier
                .verify(WHO, &secret("wrong"), Some(&hash))
                .await
                .unwrap()
        );
        assert!(!verifier.verify(WHO, &secret("right"), None).await.unwrap());
        // From here on nothing can be computed.
        verifier.cores.close();
        verifier.places.close();
    }
    assert!(verifier.running().is_empty());
    let outcome = verifier.verify(WHO, &secret("another"), Some(&hash)).await;
    assert!(
        matches!(outcome, Err(AuthenticateError::Busy)),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn a_token_that_was_just_made_is_remembered() {
    let verifier = Verifier::new();
    let hash = verifier.hash(WHO, &secret("made")).await.unwrap();
    verifier.places.close();
    assert!(
        verifier
            .verify(WHO, &secret("made"), Some(&hash))
            .await
            .unwrap()
    );
}

#[tokio::test]
async fn what_was_tried_on_one_who_is_not_there_tells_nothing_of_another() {
    let verifier = Verifier::new();
    assert!(!verifier.verify(WHO, &secret("x"), None).await.unwrap());
    verifier.places.close();
    assert!(!verifier.verify(WHO, &secret("x"), None).await.unwrap());
    let other = "wkr_00000000000000000000000002";
    let outcome = verifier.verify(other, &secret("x"), None).await;
    assert!(
        matches!(outcome, Err(AuthenticateError::Busy)),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn another_stored_hash_is_another_question() {
    let verifier = Verifier::new();
    let (former, later) = (stored("former"), stored("later"));
    assert!(
        verifier
            .verify(WHO, &secret("former"), Some(&former))
            .await
            .unwrap()
    );
    assert!(
        !verifier
            .verify(WHO, &secret("former"), Some(&later))
            .await
            .unwrap()
    );
    assert!(
        verifier
            .verify(WHO, &secret("later"), Some(&later))
            .await
            .unwrap()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_requests_with_one_credential_compute_once() {
    let verifier = Arc::new(Verifier::new());
    let hash = stored("right");
    let asking = (0..10 * WAITING).map(|_| {
        let (verifier, hash) = (Arc::clone(&verifier), hash.clone());
        tokio::spawn(async move { verifier.verify(WHO, &secret("right"), Some(&hash)).await })
    });
    for outcome in join_all(asking).await {
        assert!(outcome.unwrap().unwrap());
    }
    assert!(verifier.running().is_empty());
}

#[tokio::test]
async fn a_flood_is_refused_and_what_is_known_is_not() {
    let verifier = Verifier::new();
    let hash = verifier.hash(WHO, &secret("known")).await.unwrap();
    let cores = verifier.cores.available_permits();
    let all = u32::try_from(cores).unwrap();
    let held = verifier.cores.acquire_many(all).await.unwrap();

    let flood: Vec<_> = (0..2 * WAITING)
        .map(|n| secret(&format!("wrong-{n}")))
        .collect();
    let mut asking: Vec<_> = flood
        .iter()
        .map(|secret| Box::pin(unconstrained(verifier.verify(WHO, secret, Some(&hash)))))
        .collect();
    let mut refused = 0;
    for asking in &mut asking {
        if let Some(outcome) = futures_util::FutureExt::now_or_never(asking) {
            assert!(
                matches!(outcome, Err(AuthenticateError::Busy)),
                "{outcome:?}"
            );
            refused += 1;
        }
    }
    assert_eq!(refused, 2 * WAITING - (WAITING + cores));
    assert!(
        verifier
            .verify(WHO, &secret("known"), Some(&hash))
            .await
            .unwrap()
    );
    let another = verifier.hash(WHO, &secret("another")).await.unwrap();
    assert!(
        verifier
            .verify(WHO, &secret("another"), Some(&another))
            .await
            .unwrap()
    );

    // Those who give up make room.
    drop(asking);
    assert!(verifier.running().is_empty());
    drop(held);
    assert!(
        !verifier
            .verify(WHO, &secret("wrong"), Some(&hash))
            .await
            .unwrap()
    );
}

#[tokio::test]
async fn a_broken_hash_is_unavailable_and_not_remembered() {
    let verifier = Verifier::new();
    let hash = "$argon2id$canary".parse().unwrap();
    for _ in 0..2 {
        let outcome = verifier.verify(WHO, &secret("x"), Some(&hash)).await;
        let Err(AuthenticateError::Unavailable(error)) = outcome else {
            panic!("{outcome:?}");
        };
        assert!(!error.to_string().contains("canary"), "{error}");
    }
}
