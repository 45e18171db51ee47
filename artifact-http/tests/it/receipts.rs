//! Receipts in responses, and the log for everyone. The conformance suite has the rest.

use artifact_http::HttpConfig;
use artifact_store::artifact_receipt::{Checkpoint, ReceiptFile, SignedNote, VerifiedReceipt};
use axum::body::Body;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::{Method, Request};

use crate::support::{Community, HOME, Member, Reply, Site, Who, receipt_key, request};
use crate::uploads::{Client, OCTETS, TUS};

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

/// The fields that ask for a receipt, and those of the draft.
const WANTED: (&str, &str) = ("artifact-receipt", "?1");
const DRAFT: (&str, &str) = ("upload-draft-interop-version", "8");
const PARTIAL: (&str, &str) = ("content-type", "application/partial-upload");
const UPLOADS: &str = "/v1/experiments/demo/uploads";
const ARTIFACTS: &str = "/v1/experiments/demo/artifacts";

#[track_caller]
fn assert_unsigned(reply: &Reply, status: u16) {
    assert_eq!(reply.status, status, "{}", reply.text());
    assert!(!reply.headers.contains_key("artifact-receipt"));
}

#[tokio::test]
async fn a_request_that_completes_an_upload_returns_a_receipt() {
    let client = Client::new().await;
    let created = client.create(&[WANTED, ("upload-length", "6")], "").await;
    assert_unsigned(&created, 201);
    let upload = created.header("location").to_owned();
    let patch = async |offset, fields: &[(&str, &str)], body| {
        let fields = [&[TUS, OCTETS, ("upload-offset", offset)], fields].concat();
        client.send(Method::PATCH, &upload, &fields, body).await
    };
    assert_unsigned(&patch("0", &[WANTED], "abc").await, 204);
    assert_unsigned(&client.send(Method::GET, &upload, &[WANTED], "").await, 200);
    let reply = patch("3", &[WANTED], "def").await;
    assert_eq!(reply.status, 204, "{}", reply.text());
    let completed = signed(&reply).statement;
    let location = reply.header("artifact-location");
    assert_eq!(location, format!("{ARTIFACTS}/{}", completed.id));
    assert_eq!(completed.size, 6);

    // The response was lost: the client asks how much has arrived.
    for (method, protocol, status) in [
        (Method::GET, TUS, 200),
        (Method::HEAD, TUS, 200),
        (Method::GET, DRAFT, 200),
        (Method::HEAD, DRAFT, 204),
    ] {
        let wanted = [protocol, WANTED];
        let reply = client.send(method.clone(), &upload, &wanted, "").await;
        assert_eq!(reply.status, status);
        assert_eq!(signed(&reply).statement, completed);
        assert_unsigned(&client.send(method, &upload, &[protocol], "").await, status);
    }
}

#[tokio::test]
async fn an_upload_that_is_complete_when_it_begins_returns_a_receipt() {
    let client = Client::new().await;
    let empty = client.create(&[WANTED, ("upload-length", "0")], "").await;
    assert_eq!(signed(&empty).statement.size, 0);
    let fields = [OCTETS, WANTED, ("upload-length", "3")];
    assert_eq!(
        signed(&client.create(&fields, "abc").await).statement.size,
        3
    );
    let complete = |value| ("upload-complete", value);
    // A deposit in one request, and an upload of a declared length.
    for (fields, size) in [
        (&[DRAFT, WANTED, complete("?1")][..], 4),
        (&[DRAFT, WANTED, complete("?0"), ("upload-length", "4")], 4),
    ] {
        for path in [ARTIFACTS, UPLOADS] {
            let reply = client.send(Method::POST, path, fields, "abcd").await;
            assert_eq!(reply.status, 201, "{}", reply.text());
            assert_eq!(signed(&reply).statement.size, size, "{fields:?}");
        }
    }
}

#[tokio::test]
async fn an_append_by_the_draft_returns_a_receipt_if_it_is_the_last() {
    let client = Client::new().await;
    let fields = [DRAFT, WANTED, ("upload-complete", "?0")];
    let begun = client.send(Method::POST, ARTIFACTS, &fields, "abc").await;
    assert_unsigned(&begun, 201);
    let upload = begun.header("location").to_owned();
    let append = async |complete, offset, body| {
        let fields = [
            DRAFT,
            PARTIAL,
            WANTED,
            ("upload-complete", complete),
            offset,
        ];
        client.send(Method::PATCH, &upload, &fields, body).await
    };
    let more = append("?0", ("upload-offset", "3"), "def").await;
    assert_unsigned(&more, 204);
    let last = append("?1", ("upload-offset", "6"), "g").await;
    assert_eq!(last.status, 201, "{}", last.text());
    let statement = signed(&last).statement;
    assert_eq!(statement.size, 7);
    assert_eq!(
        statement.id.to_string(),
        last.json()["id"].as_str().unwrap()
    );
}

#[tokio::test]
async fn malformed_wishes_are_refused_before_an_upload_changes() {
    let client = Client::new().await;
    let bad = ("artifact-receipt", "yes");
    let begun = client.create(&[bad, ("upload-length", "3")], "").await;
    begun.assert_problem(400, "bad-request", "begin");
    for complete in ["?0", "?1"] {
        let fields = [DRAFT, bad, ("upload-complete", complete)];
        let begun = client.send(Method::POST, ARTIFACTS, &fields, "abc").await;
        begun.assert_problem(400, "bad-request", complete);
    }
    let upload = client.begin("3").await;
    let fields = [TUS, OCTETS, ("upload-offset", "0"), bad];
    let append = client.send(Method::PATCH, &upload, &fields, "abc").await;
    append.assert_problem(400, "bad-request", "append");
    let read = client.send(Method::GET, &upload, &[TUS, bad], "").await;
    read.assert_problem(400, "bad-request", "read");
    assert_eq!(client.offset(&upload).await, "0");
    assert!(client.artifacts().await.is_empty());
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
