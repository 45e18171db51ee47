//! Secrets reach no log line, no response and no `Debug` output.

use std::fmt::Debug;
use std::sync::Arc;

use artifact_backend_conformance::Fault;
use artifact_http::{
    AdminToken, Authenticate as _, Credential, HttpConfig, HttpService, IdentityAuthenticator,
    Secret, router_with_identities,
};
use axum::body::Body;
use http::Method;

use crate::support::{
    ADMIN_SECRET, Community, FILE, HOME, Log, Member, Site, Who, deposit_as, form, reply, request,
};

const CANARY: &str = "canary-4b1f-9c27-canary";

#[tokio::test]
async fn secrets_are_neither_logged_nor_returned() {
    let log = Log::collect();
    let site = Site::new().await;
    let real = AdminToken::new(CANARY).unwrap();
    let router = artifact_http::router(site.store.clone(), Arc::new(real), HttpConfig::default());
    let values = [
        format!("Bearer admin:{CANARY}"),
        format!("Bearer admin:{CANARY}x"),
        format!("Bearer {CANARY}"),
        format!("Basic {CANARY}"),
        format!("Bearer {CANARY}:x"),
        CANARY.to_owned(),
    ];
    for value in &values {
        for path in [
            "/v0/experiments/demo",
            "/v0/experiments/demo/artifacts",
            "/v0/x",
        ] {
            for method in [Method::GET, Method::POST, Method::PUT] {
                for again in [false, true] {
                    let mut asked = request(method.clone(), path, Who::Anonymous, "demo")
                        .header("authorization", value);
                    if again {
                        asked = asked.header("authorization", value);
                    }
                    let answer = reply(router.clone(), asked.body(Body::empty()).unwrap()).await;
                    assert!(!answer.text().contains(CANARY), "{method} {path}");
                    assert!(!format!("{:?}", answer.headers).contains(CANARY));
                }
            }
        }
    }
    assert!(!log.text().contains(CANARY), "{}", log.text());
    assert!(
        log.text().contains("a valid credential is needed"),
        "nothing was logged"
    );
}

/// Each public type that holds a secret, or holds one that does.
#[tokio::test]
async fn debug_output_holds_no_secret() {
    let community = Community::new().await;
    let worker = community.register(HOME).await;
    let admin = AdminToken::new(ADMIN_SECRET).unwrap();
    let rows = Arc::clone(&community.database.identities);
    let identities = Arc::new(IdentityAuthenticator::new(rows, admin.clone()));
    for member in [&worker, &Member::admin()] {
        let request = http::Request::get("/v0/experiments/demo");
        let request = request.header("authorization", member.authorization());
        let (parts, ()) = request.body(()).unwrap().into_parts();
        // The authenticator remembers what it has verified.
        identities.authenticate(&parts).await.unwrap();
    }
    let others = Arc::new(IdentityAuthenticator::new(
        Arc::clone(&community.database.identities),
        admin.clone(),
    ));
    let nested = IdentityAuthenticator::new(
        Arc::clone(&community.database.identities),
        AdminToken::new(CANARY).unwrap(),
    )
    .with_others(others);
    let secret = Secret::new(worker.secret.clone());
    let credential = Credential::new("admin", Secret::new(CANARY));
    let store = Site::new().await.store;
    let config = HttpConfig::default();
    let service =
        HttpService::with_identities(store.clone(), Arc::clone(&identities), config.clone());
    let router: axum::Router =
        router_with_identities(store, Arc::clone(&identities), config.clone());
    let weak = AdminToken::new("canary").unwrap_err();
    let values: [&dyn Debug; 11] = [
        &admin,
        &secret,
        &credential,
        &*identities,
        &nested,
        &service,
        &router,
        &config,
        &weak,
        &community.router,
        &community.database,
    ];
    for value in values {
        for shown in [format!("{value:?}"), format!("{value:#?}")] {
            for secret in [ADMIN_SECRET, &worker.secret, CANARY, "canary"] {
                assert!(!shown.contains(secret), "{shown}");
            }
        }
    }
    let shown = format!("{identities:?}");
    assert!(shown.contains("IdentityAuthenticator"), "{shown}");
}

#[tokio::test]
async fn causes_are_logged_and_not_returned() {
    let log = Log::collect();
    let site = Site::new().await;
    let kind = artifact_backend::ErrorKind::Unexpected;
    site.backend
        .inject(Fault::before(artifact_backend::Operation::Store, kind));
    let body = Body::from(form(&[(FILE, b"x")]));
    let answer = site.send(deposit_as(Who::Worker).body(body).unwrap()).await;
    answer.assert_problem(500, "about:blank", "a fault");
    assert!(!answer.text().contains("injected"), "{}", answer.text());
    assert!(log.text().contains("injected by a test"), "{}", log.text());
    assert!(!log.text().contains("secret-of"), "{}", log.text());
}
