//! Deposits under `/v1` with an `Idempotency-Key`.

use std::io;

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use http::{Method, Request};
use serde_json::json;

use crate::support::{Community, HOME, Member, Reply};

async fn deposit(
    community: &Community,
    who: &Member,
    fields: &[(&str, &str)],
    body: impl Into<Body>,
) -> Reply {
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(format!("/v1/experiments/{}/artifacts", who.home))
        .header("authorization", who.authorization());
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    community.send(request.body(body.into()).unwrap()).await
}

async fn number_of_artifacts(community: &Community, who: &Member) -> serde_json::Value {
    let usage = community.manage(Method::GET, "/usage", who).await;
    usage.json()["artifacts"].clone()
}

#[tokio::test]
async fn a_repeated_deposit_is_answered_like_the_first() {
    let community = Community::new().await;
    let worker = community.register(HOME).await;
    let fields = |key| [("idempotency-key", key), ("content-type", "text/plain")];
    let first = deposit(&community, &worker, &fields("\"k-1\""), "hello").await;
    assert_eq!(first.status, 201, "{}", first.text());
    for key in ["\"k-1\"", "k-1", "\"k-1\";v=1"] {
        let again = deposit(&community, &worker, &fields(key), "hello").await;
        assert_eq!(again.status, 201, "{}", again.text());
        assert_eq!(again.json(), first.json(), "{key}");
        for field in ["location", "repr-digest", "content-type", "cache-control"] {
            assert_eq!(again.header(field), first.header(field), "{key}");
        }
    }
    assert_eq!(number_of_artifacts(&community, &worker).await, 1);
    let other = deposit(&community, &worker, &fields("\"k-2\""), "hello").await;
    assert_ne!(other.json()["id"], first.json()["id"]);

    let reused = deposit(&community, &worker, &fields("\"k-1\""), "hellO").await;
    reused.assert_problem(422, "key-reused", "other bytes");
    let problem = reused.json();
    assert_eq!(problem["title"], json!("Idempotency-Key is already used"));
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("for another deposit"), "{detail}");

    let id = first.json()["id"].as_str().unwrap().to_owned();
    let path = format!("/artifacts/{id}");
    let deleted = community.manage(Method::DELETE, &path, &worker).await;
    assert_eq!(deleted.status, 204);
    let reused = deposit(&community, &worker, &fields("\"k-1\""), "hello").await;
    reused.assert_problem(422, "key-reused", "a deleted artifact");
    let problem = reused.json();
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("was removed"), "{detail}");
    assert_eq!(number_of_artifacts(&community, &worker).await, 1);
}

#[tokio::test]
async fn malformed_keys_are_refused_before_the_body_is_read() {
    let community = Community::new().await;
    let worker = community.register(HOME).await;
    let unread = || {
        let chunks = stream::poll_fn(|_| -> std::task::Poll<Option<io::Result<Bytes>>> {
            panic!("the body was read")
        });
        Body::from_stream(chunks)
    };
    for key in ["", "\"\"", "\"a", "a b", "\"a\", \"b\"", "(\"a\")", "?1"] {
        let fields = [("idempotency-key", key)];
        let reply = deposit(&community, &worker, &fields, unread()).await;
        reply.assert_problem(400, "bad-request", key);
        let problem = reply.json();
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.starts_with("Idempotency-Key must be"), "{detail}");
    }
    let twice = [("idempotency-key", "\"a\""), ("idempotency-key", "\"a\"")];
    let reply = deposit(&community, &worker, &twice, unread()).await;
    reply.assert_problem(400, "bad-request", "two fields");
}
