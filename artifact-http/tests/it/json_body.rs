//! JSON bodies that end with an error.

use std::io;

use artifact_store::WorkerId;
use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use http::Method;
use serde_json::json;

use crate::support::{Community, Member};

/// Sends part of a body, which then ends with an error of this kind.
fn broken(sent: &str, kind: io::ErrorKind) -> Body {
    let sent = Bytes::copy_from_slice(sent.as_bytes());
    Body::from_stream(stream::iter([Ok(sent), Err(io::Error::from(kind))]))
}

#[tokio::test]
async fn json_bodies_that_time_out_are_408_and_those_cut_short_are_400() {
    let community = Community::new().await;
    let group = community.group("demo", &[]).await;
    let worker = community.register("demo").await;
    let member = json!({ "member_id": WorkerId::mint().as_str() }).to_string();
    let list = community.get("/groups", &worker).await.text();
    for (path, whole) in [
        ("/workers", r#"{"name": "a"}"#),
        ("/groups", r#"{"name": "a"}"#),
        (&*format!("/groups/{group}/members"), &*member),
    ] {
        // After the last byte, the server still waits for the end of the body.
        for sent in ["", &whole[..1], &whole[..whole.len() - 1], whole] {
            for (kind, status, name) in [
                (io::ErrorKind::TimedOut, 408, "about:blank"),
                (io::ErrorKind::UnexpectedEof, 400, "bad-request"),
                (io::ErrorKind::ConnectionReset, 400, "bad-request"),
            ] {
                let body = broken(sent, kind);
                let reply = community.admin(Method::POST, path, body).await;
                reply.assert_problem(status, name, &format!("{path} {sent:?} {kind:?}"));
            }
        }
    }
    assert_eq!(community.get("/groups", &worker).await.text(), list);
    let workers = community.get("/workers", &Member::admin()).await.json();
    assert_eq!(workers["workers"].as_array().unwrap().len(), 1);
}
