//! Tests when a request asks the database.

use std::sync::Arc;

use artifact_store::{
    Catalog, CredentialHash, Experiment, IdentityStore, PrincipalId, SqliteDatabase, Timestamp,
    Worker, WorkerId,
};
use futures_util::FutureExt;
use http::HeaderMap;
use http::header::AUTHORIZATION;

use super::{AdminToken, Authenticate, AuthenticateError, IdentityAuthenticator};
use crate::credential::Credential;

fn credential(principal: &str, secret: &str) -> Credential {
    let value = format!("Bearer {principal}:{secret}").parse().unwrap();
    Credential::from_headers(&HeaderMap::from_iter([(AUTHORIZATION, value)])).unwrap()
}

fn stored(secret: &str) -> CredentialHash {
    super::hashing::hash(secret.as_bytes()).unwrap()
}

/// A query runs on another thread, so a thousand outcomes of the first poll had none.
#[tokio::test]
async fn a_known_secret_of_a_cached_worker_needs_no_query_until_it_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.sqlite");
    let rows = Arc::new(SqliteDatabase::open(path).await.unwrap());
    let experiment = Experiment::new("exp".parse().unwrap(), Timestamp::UNIX_EPOCH);
    rows.create_experiment(&experiment).await.unwrap();
    let worker = Worker::new(
        WorkerId::mint(),
        experiment.id.clone(),
        Timestamp::UNIX_EPOCH,
        PrincipalId::Admin,
    );
    rows.register_worker(&worker, &stored("former"))
        .await
        .unwrap();
    let admin = AdminToken::new("canary-0b7d-admin-51ce").unwrap();
    let authenticator = IdentityAuthenticator::new(rows.clone(), admin);
    let former = credential(worker.id.as_str(), "former");
    let fresh = credential(worker.id.as_str(), "fresh");

    let principal = authenticator.authenticate(&former).await.unwrap();
    for _ in 0..1_000 {
        let outcome = authenticator.authenticate(&former).now_or_never();
        assert_eq!(outcome.unwrap().unwrap(), principal);
    }
    let outcome = authenticator.authenticate(&fresh).await;
    assert!(matches!(outcome, Err(AuthenticateError::Rejected)));

    rows.replace_credential(&experiment.id, worker.id, &stored("fresh"))
        .await
        .unwrap();
    let outcome = authenticator.authenticate(&former).await;
    assert!(matches!(outcome, Err(AuthenticateError::Rejected)));
    assert_eq!(authenticator.authenticate(&fresh).await.unwrap(), principal);
    assert!(authenticator.authenticate(&fresh).now_or_never().is_some());
}
