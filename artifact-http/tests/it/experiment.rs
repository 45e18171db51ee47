//! Reading an experiment.

use axum::body::Body;
use http::Method;
use serde_json::json;

use crate::support::{Site, Who, request};

#[tokio::test]
async fn experiments_are_running() {
    let site = Site::new().await;
    for who in [Who::Admin, Who::Worker] {
        let asked = request(Method::GET, "/v0/experiments/demo", who, "demo");
        let reply = site.send(asked.body(Body::empty()).unwrap()).await;
        assert_eq!(reply.status, 200);
        assert_eq!(
            reply.header("content-type"),
            "application/json; charset=utf-8"
        );
        let expected = json!({
            "experiment_id": "demo",
            "state": "running",
            "created_at": "2026-01-02T03:04:05.000006Z",
            "imported_from": null,
        });
        assert_eq!(reply.json(), expected);
    }
}

#[tokio::test]
async fn head_has_the_fields_of_get_without_content() {
    let site = Site::new().await;
    let path = "/v0/experiments/demo";
    let get = request(Method::GET, path, Who::Admin, "demo")
        .body(Body::empty())
        .unwrap();
    let head = request(Method::HEAD, path, Who::Admin, "demo")
        .body(Body::empty())
        .unwrap();
    let (get, head) = (site.send(get).await, site.send(head).await);
    assert_eq!((head.status, &head.headers), (get.status, &get.headers));
    assert_eq!(head.body, b"");
}
