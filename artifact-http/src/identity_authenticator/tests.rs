//! Tests when a request asks the database.

use std::sync::Arc;

use artifact_store::{
    Catalog, CredentialHash, Experiment, IdentityStore, PrincipalId, SqliteDatabase, Timestamp,
    Worker, WorkerId,
};
use futures_util::FutureExt;
use http::Request;
use http::header::AUTHORIZATION;
use http::request::Parts;

use super::{AdminToken, Authenticate, AuthenticateError, IdentityAuthenticator};

fn request(principal: &str, secret: &str) -> Parts {
    let value = format!("Bearer {principal}:{secret}");
    let request = Request::builder().header(AUTHORIZATION, value);
    request.body(()).unwrap().into_parts().0
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
    let former = request(worker.id.as_str(), "former");
    let fresh = request(worker.id.as_str(), "fresh");

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
