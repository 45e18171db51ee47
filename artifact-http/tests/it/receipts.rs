//! Receipts in responses, and the log for everyone. The conformance suite has the rest.

use artifact_http::HttpConfig;
use artifact_store::artifact_receipt::{Checkpoint, ReceiptFile, SignedNote, VerifiedReceipt};
use axum::body::Body;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::{Method, Request};

use crate::support::{Community, HOME, Member, Reply, Site, Who, receipt_key, request};

fn verified(text: &str) -> VerifiedReceipt {
    let file = ReceiptFile::parse(text).unwrap();
    file.verify(&[receipt_key().verifier()]).unwrap()
}

/// Returns the receipt in the header of a response.
fn signed(reply: &Reply) -> VerifiedReceipt {
    let value = reply.header("artifact-receipt");
    let value = value.strip_prefix(':').unwrap().strip_suffix(':').unwrap();
    let text = String::from_utf8(BASE64_STANDARD.decode(value).unwrap()).unwrap();
    let verified = verified(&text);
    assert_eq!(verified.index, None);
    verified
}

async fn send(community: &Community, method: Method, path: &str, body: &'static str) -> Reply {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", Member::admin().authorization())
        .header("x-eden-experiment-id", HOME)
        .header("artifact-receipt", "?1");
    community
        .send(request.body(Body::from(body)).unwrap())
        .await
}

#[tokio::test]
async fn each_way_to_deposit_returns_a_receipt() {
    let community = Community::new().await;
    let base = format!("/v1/experiments/{HOME}");
    let reply = send(
        &community,
        Method::POST,
        &format!("{base}/artifacts"),
        "abc",
    )
    .await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    assert_eq!(signed(&reply).statement.size, 3);
    let created = community
        .manage_in(HOME, Method::POST, "/collections", &Member::admin(), "{}")
        .await;
    let collection = created.json()["id"].as_str().unwrap().to_owned();
    let path = format!("{base}/collections/{collection}/files/a/b.txt");
    let reply = send(&community, Method::PUT, &path, "abcd").await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    let file = signed(&reply).statement;
    assert_eq!(file.size, 4);
    assert_eq!(file.id.to_string(), reply.json()["id"].as_str().unwrap());

    // What is signed at the deposit is what the log proves.
    let path = format!("{base}/artifacts/{}/receipt", file.id);
    let reply = send(&community, Method::GET, &path, "").await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.header("x-content-type-options"), "nosniff");
    assert_eq!(reply.header("cache-control"), "private, no-store");
    let proven = verified(&reply.text());
    assert_eq!((proven.statement, proven.index), (file, Some(1)));
    let head = send(&community, Method::HEAD, &path, "").await;
    assert_eq!(head.header("content-length"), reply.body.len().to_string());
}

#[tokio::test]
async fn the_log_is_cached_for_as_long_as_it_stays_the_same() {
    let community = Community::new().await;
    let path = format!("/v1/experiments/{HOME}/artifacts");
    send(&community, Method::POST, &path, "abc").await;
    let get = async |path: &str| {
        let request = Request::get(path).body(Body::empty()).unwrap();
        community.send(request).await
    };
    // No one has appended yet.
    let checkpoint = get("/log/checkpoint").await;
    assert_eq!(checkpoint.header("cache-control"), "no-cache");
    let note = SignedNote::parse(&checkpoint.text()).unwrap();
    let read = Checkpoint::verify(&note, &[receipt_key().verifier()]).unwrap();
    assert_eq!(read.size, 0);
    get("/log/tile/0/000.p/1")
        .await
        .assert_problem(404, "not-found", "no leaf");
    let id = community.put(&Member::admin()).await;
    let id = id.rsplit('/').next().unwrap();
    send(&community, Method::GET, &format!("{path}/{id}/receipt"), "").await;
    let tile = get("/log/tile/0/000.p/2").await;
    assert_eq!((tile.status.as_u16(), tile.body.len()), (200, 64));
    let immutable = "public, max-age=31536000, immutable";
    assert_eq!(tile.header("cache-control"), immutable);
    assert_eq!(tile.header("content-type"), "application/octet-stream");
}

#[tokio::test]
async fn a_router_without_receipts_has_none_of_it() {
    let site = Site::new().await;
    let managed = site.managed();
    let site_config = HttpConfig::default().with_management(managed);
    let router = artifact_http::router(
        site.store.clone(),
        std::sync::Arc::new(crate::support::Tokens),
        site_config,
    );
    let ask = async |request: http::request::Builder, body: &'static str| {
        crate::support::reply(router.clone(), request.body(Body::from(body)).unwrap()).await
    };
    for path in ["/log/checkpoint", "/log/tile/0/000.p/1", "/log/x"] {
        ask(Request::get(path), "")
            .await
            .assert_problem(404, "not-found", path);
    }
    let path = format!("/v1/experiments/{HOME}/artifacts");
    let deposit =
        request(Method::POST, &path, Who::Worker, HOME).header("artifact-receipt", "nonsense");
    let reply = ask(deposit, "abc").await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    assert!(!reply.headers.contains_key("artifact-receipt"));
    let id = reply.json()["id"].as_str().unwrap().to_owned();
    let receipt = request(
        Method::GET,
        &format!("{path}/{id}/receipt"),
        Who::Worker,
        HOME,
    );
    ask(receipt, "")
        .await
        .assert_problem(404, "not-found", "receipt");
}
