//! The endpoints of management: list, read, delete, hold, usage and retention.

mod guards;
mod keep;
mod lists;
mod paths;
mod removal;

use artifact_store::Timestamp;
use axum::body::Body;
use http::{Method, Request};
use serde_json::{Value, json};

use crate::support::{Community, HOME, Member, Reply};

fn id_of(uri: &str) -> &str {
    uri.rsplit('/').next().unwrap()
}

fn path_of(uri: &str) -> String {
    format!("/artifacts/{}", id_of(uri))
}

fn file(name: &str, content_type: &str) -> String {
    format!(
        "Content-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\nContent-Type: {content_type}\r\n"
    )
}

fn uris(page: &Value) -> Vec<String> {
    let artifacts = page["artifacts"].as_array().unwrap().iter();
    artifacts
        .map(|artifact| artifact["artifacts_uri"].as_str().unwrap().to_owned())
        .collect()
}

async fn list(community: &Community, query: &str, who: &Member) -> Value {
    let reply = community
        .manage(Method::GET, &format!("/artifacts{query}"), who)
        .await;
    assert_eq!(reply.status, 200, "{query}: {}", reply.text());
    reply.json()
}

/// Reads all pages. Calls `between` after each page that is not the last one.
async fn walk(
    community: &Community,
    limit: u32,
    who: &Member,
    mut between: impl AsyncFnMut(),
) -> Vec<String> {
    let mut all = Vec::new();
    let mut query = format!("?limit={limit}");
    loop {
        let page = list(community, &query, who).await;
        let found = uris(&page);
        assert!(found.len() <= limit as usize);
        all.extend(found);
        let Some(next) = page["next"].as_str() else {
            assert_eq!(page["next"], Value::Null);
            return all;
        };
        query = format!("?limit={limit}&after={next}");
        between().await;
    }
}

fn bare_get(path: &str) -> Request<Body> {
    Request::builder().uri(path).body(Body::empty()).unwrap()
}

fn detail(reply: &Reply) -> String {
    reply.json()["detail"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_artifact_is_described_with_all_that_is_recorded() {
    let community = Community::new().await;
    let worker = community.register(HOME).await;
    let before = Timestamp::now();
    let uri = community
        .put_file(
            &worker,
            &file("a b.txt", "text/plain; charset=utf-8"),
            b"hello",
            &[],
        )
        .await;
    let reply = community.manage(Method::GET, &path_of(&uri), &worker).await;
    assert_eq!(reply.status, 200);
    assert_eq!(
        reply.header("content-type"),
        "application/json; charset=utf-8"
    );
    assert_eq!(reply.header("cache-control"), "no-store");
    let mut found = reply.json();
    let created: Timestamp = found["created_at"].as_str().unwrap().parse().unwrap();
    assert!(created.as_second() >= before.as_second());
    let expected = json!({
        "artifacts_uri": uri,
        "id": id_of(&uri),
        "experiment": HOME,
        "size_bytes": 5,
        "content_type": "text/plain; charset=utf-8",
        "file_name": "a b.txt",
        "sha256": "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
        "created_by": worker.principal,
        "created_at": found["created_at"],
        "expires_at": null,
        "collection": null,
        "path": null,
        "hold": null,
    });
    assert_eq!(found, expected);
    // A list has the same members, apart from the hold.
    let page = list(&community, "", &worker).await;
    found.as_object_mut().unwrap().remove("hold");
    assert_eq!(
        page,
        json!({ "artifacts": [found], "unreadable": 0, "next": null })
    );
    let head = community
        .manage(Method::HEAD, &path_of(&uri), &worker)
        .await;
    assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), reply.body.len().to_string());
}
