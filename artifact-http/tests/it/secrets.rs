//! Secrets reach no log line, no response and no `Debug` output.

use std::sync::Arc;

use artifact_backend_conformance::Fault;
use artifact_http::{AdminToken, HttpConfig};
use axum::body::Body;
use http::Method;

use crate::support::{FILE, Log, Site, Who, deposit_as, form, reply, request};

const CANARY: &str = "canary-4b1f-9c27-canary";

#[tokio::test]
async fn secrets_are_neither_logged_nor_returned() {
    let log = Log::collect();
    let site = Site::new().await;
    let real = AdminToken::new(CANARY).unwrap();
    assert!(!format!("{real:?}").contains("canary"));
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
