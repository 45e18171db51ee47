//! Resumable uploads by draft-ietf-httpbis-resumable-upload.

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use http::Method;
use serde_json::json;

use crate::support::Reply;
use crate::uploads::{Client, OCTETS, TUS, broken};

const ARTIFACTS: &str = "/v1/experiments/demo/artifacts";
const UPLOADS: &str = "/v1/experiments/demo/uploads";
const INTEROP: (&str, &str) = ("upload-draft-interop-version", "8");
const PARTIAL: (&str, &str) = ("content-type", "application/partial-upload");
const MORE: (&str, &str) = ("upload-complete", "?0");
const LAST: (&str, &str) = ("upload-complete", "?1");
const MISMATCH: &str = "https://iana.org/assignments/http-problem-types#mismatching-upload-offset";
const COMPLETED: &str = "https://iana.org/assignments/http-problem-types#completed-upload";
const INCONSISTENT: &str =
    "https://iana.org/assignments/http-problem-types#inconsistent-upload-length";

/// A body whose length is not known before its end, in frames.
fn frames(frames: &[&'static str]) -> Body {
    let frames: Vec<_> = frames
        .iter()
        .map(|frame| Ok::<_, std::io::Error>(Bytes::from_static(frame.as_bytes())))
        .collect();
    Body::from_stream(stream::iter(frames))
}

async fn begin(client: &Client, fields: &[(&str, &str)], body: &'static str) -> String {
    let fields = [&[MORE, INTEROP][..], fields].concat();
    let reply = client.send(Method::POST, ARTIFACTS, &fields, body).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    assert_eq!(reply.header("upload-offset"), body.len().to_string());
    let location = reply.header("location").to_owned();
    assert!(location.starts_with(UPLOADS), "{location}");
    location
}

async fn patch(
    client: &Client,
    upload: &str,
    offset: &str,
    fields: &[(&str, &str)],
    body: impl Into<Body>,
) -> Reply {
    let fields = [&[INTEROP, PARTIAL, ("upload-offset", offset)][..], fields].concat();
    client.send(Method::PATCH, upload, &fields, body).await
}

async fn offset(client: &Client, upload: &str) -> (String, String) {
    let reply = client.send(Method::HEAD, upload, &[INTEROP], "").await;
    assert_eq!(reply.status, 204);
    assert_eq!(reply.header("cache-control"), "no-store");
    let limit = reply.header("upload-limit");
    assert!(limit.starts_with("max-size=104857600, max-age="), "{limit}");
    let field = |name| reply.header(name).to_owned();
    (field("upload-offset"), field("upload-complete"))
}

#[track_caller]
fn assert_refused(reply: &Reply, kind: &str, why: &str) {
    let status = if kind == MISMATCH { 409 } else { 400 };
    assert_eq!(reply.status, status, "{why}: {}", reply.text());
    assert_eq!(reply.json()["type"], json!(kind), "{why}");
    assert_eq!(reply.header("upload-complete"), "?0", "{why}");
}

#[tokio::test]
async fn a_file_arrives_in_pieces_and_becomes_an_artifact() {
    let client = Client::new().await;
    let fields = [
        ("content-type", "text/plain"),
        ("content-disposition", "inline; filename=notes.txt"),
        ("artifact-expires-in", "60"),
        (
            "repr-digest",
            "sha-256=:uU0nuZNNPgilLlLX2n2r+sSE7+N6U4DukIj3rOLvzek=:",
        ),
    ];
    for length in [&[][..], &[("upload-length", "11")]] {
        let upload = begin(&client, &[&fields, length].concat(), "hel").await;
        assert_eq!(offset(&client, &upload).await, ("3".into(), "?0".into()));
        let reply = patch(&client, &upload, "3", &[MORE], "lo").await;
        assert_eq!(reply.status, 204, "{}", reply.text());
        assert_eq!(reply.header("upload-complete"), "?0");
        let reply = patch(&client, &upload, "5", &[LAST], " world").await;
        assert_eq!(reply.status, 201, "{}", reply.text());
        assert_eq!(reply.header("upload-complete"), "?1");
        assert_eq!(offset(&client, &upload).await, ("11".into(), "?1".into()));

        // The same response as that to a deposit.
        let artifacts = client.artifacts().await;
        let artifact = reply.json();
        assert_eq!(artifacts, std::slice::from_ref(&artifact));
        assert_eq!(artifact["file_name"], json!("notes.txt"));
        assert_eq!(artifact["content_type"], json!("text/plain"));
        assert_ne!(artifact["expires_at"], json!(null));
        let location = format!("{ARTIFACTS}/{}", artifact["id"].as_str().unwrap());
        assert_eq!(reply.header("location"), location);
        let content = client
            .send(Method::GET, &format!("{location}/content"), &[], "")
            .await;
        assert_eq!(content.text(), "hello world");

        // The response was lost: the client completes it once more.
        let again = patch(&client, &upload, "11", &[LAST], "").await;
        assert_eq!((again.status.as_u16(), again.json()), (201, artifact));
        let gone = client.send(Method::DELETE, &location, &[], "").await;
        assert_eq!(gone.status, 204);
    }
}

#[tokio::test]
async fn a_whole_file_is_a_deposit() {
    let client = Client::new().await;
    for path in [ARTIFACTS, UPLOADS] {
        for body in [Body::from("hello world"), frames(&["hello", " world"])] {
            let fields = [
                LAST,
                ("upload-length", "11"),
                ("content-type", "text/plain"),
            ];
            let reply = client.send(Method::POST, path, &fields, body).await;
            assert_eq!(reply.status, 201, "{}", reply.text());
            assert_eq!(reply.header("upload-complete"), "?1");
            assert_eq!(reply.header("upload-offset"), "11");
            let id = reply.json()["id"].as_str().unwrap().to_owned();
            assert_eq!(reply.header("location"), format!("{ARTIFACTS}/{id}"));
        }
    }
    assert_eq!(client.artifacts().await.len(), 4);
    // A version that has other fields, but this request means the same in all.
    let fields = [LAST, ("upload-draft-interop-version", "99")];
    let reply = client.send(Method::POST, ARTIFACTS, &fields, "hello").await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    let reply = client.send(Method::POST, ARTIFACTS, &[LAST], "").await;
    assert_eq!(
        (reply.status.as_u16(), &reply.json()["size_bytes"]),
        (201, &json!(0))
    );
}

#[tokio::test]
async fn a_whole_file_of_another_length_is_refused() {
    let client = Client::new().await;
    for (length, body) in [
        ("12", Body::from("hello world")),
        ("10", Body::from("hello world")),
        ("12", frames(&["hello", " world"])),
        ("10", frames(&["hello", " world"])),
        ("1", frames(&[])),
        ("0", frames(&["h"])),
    ] {
        for path in [ARTIFACTS, UPLOADS] {
            let fields = [LAST, ("upload-length", length)];
            let body = match http_body::Body::size_hint(&body).exact() {
                Some(_) => Body::from("hello world"),
                None if length == "1" => frames(&[]),
                None if length == "0" => frames(&["h"]),
                None => frames(&["hello", " world"]),
            };
            let reply = client.send(Method::POST, path, &fields, body).await;
            assert_eq!(reply.status, 400, "{length}: {}", reply.text());
            assert_eq!(reply.json()["type"], json!(INCONSISTENT));
        }
    }
    assert!(client.artifacts().await.is_empty());
    assert_eq!(client.community.backend.len(), 0);
}

#[tokio::test]
async fn a_part_of_a_file_never_completes_it() {
    let client = Client::new().await;
    // Each says that it is the end, but the length is 11.
    for body in [Body::from(" worl"), Body::from(" world!"), Body::from("")] {
        let upload = begin(&client, &[("upload-length", "11")], "hello").await;
        let reply = patch(&client, &upload, "5", &[LAST], body).await;
        assert_refused(&reply, INCONSISTENT, "by Content-Length");
        assert_eq!(offset(&client, &upload).await, ("5".into(), "?0".into()));
        client.send(Method::DELETE, &upload, &[INTEROP], "").await;
    }
    // Its length is known only at its end: the bytes are kept.
    for (body, kept) in [(&[" wo", "rl"][..], "10"), (&[], "5")] {
        let upload = begin(&client, &[("upload-length", "11")], "hello").await;
        let reply = patch(&client, &upload, "5", &[LAST], frames(body)).await;
        assert_refused(&reply, INCONSISTENT, "by its end");
        assert_eq!(reply.header("upload-offset"), kept);
        assert_eq!(offset(&client, &upload).await, (kept.into(), "?0".into()));
        client.send(Method::DELETE, &upload, &[INTEROP], "").await;
    }
    // The request breaks before its end.
    for length in [&[][..], &[("upload-length", "11")]] {
        let upload = begin(&client, length, "hello").await;
        let reply = patch(&client, &upload, "5", &[LAST], broken(b" worl")).await;
        assert_eq!(reply.status, 400);
        assert_eq!(offset(&client, &upload).await, ("10".into(), "?0".into()));
        client.send(Method::DELETE, &upload, &[INTEROP], "").await;
    }
    assert!(client.artifacts().await.is_empty());
}

#[tokio::test]
async fn a_request_that_is_the_end_declares_the_length() {
    let client = Client::new().await;
    let upload = begin(&client, &[], "hello").await;
    let fields = [LAST, ("content-length", "6")];
    let reply = patch(&client, &upload, "5", &fields, broken(b" wo")).await;
    assert_eq!(reply.status, 400, "{}", reply.text());
    let read = client.send(Method::GET, &upload, &[INTEROP], "").await;
    assert_eq!(read.json()["length"], json!(11));
    let reply = patch(&client, &upload, "8", &[LAST], "rl").await;
    assert_refused(&reply, INCONSISTENT, "one byte is missing");
    let reply = patch(&client, &upload, "8", &[LAST], "rld").await;
    assert_eq!(reply.status, 201, "{}", reply.text());

    // Not at another offset.
    let upload = begin(&client, &[], "hello").await;
    let reply = patch(&client, &upload, "4", &[LAST], "o world").await;
    assert_refused(&reply, MISMATCH, "four instead of five");
    assert_eq!(reply.header("upload-offset"), "5");
    let problem = reply.json();
    assert_eq!(problem["expected-offset"], json!(5));
    assert_eq!(problem["provided-offset"], json!(4));
    let read = client.send(Method::GET, &upload, &[INTEROP], "").await;
    assert_eq!(read.json()["length"], json!(null));
    // Without Content-Length, the end of the content is the end of the file.
    let reply = patch(&client, &upload, "5", &[LAST], frames(&[" wo", "rld"])).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    assert_eq!(client.artifacts().await.len(), 2);
}

#[tokio::test]
async fn more_bytes_than_the_length_are_refused() {
    let client = Client::new().await;
    let upload = begin(&client, &[("upload-length", "8")], "hello").await;
    for kind in [MORE, LAST] {
        let reply = patch(&client, &upload, "5", &[kind], " world").await;
        assert_refused(&reply, INCONSISTENT, "by Content-Length");
        assert_eq!(offset(&client, &upload).await, ("5".into(), "?0".into()));
    }
    // The draft: the upload is not used any more.
    let reply = patch(&client, &upload, "5", &[MORE], frames(&[" wo", "rld"])).await;
    assert_refused(&reply, INCONSISTENT, "by its end");
    let reply = client.send(Method::HEAD, &upload, &[INTEROP], "").await;
    assert_eq!(reply.status, 404);
    assert_eq!(client.community.backend.len(), 0);
    let reply = client
        .send(
            Method::POST,
            ARTIFACTS,
            &[MORE, ("upload-length", "3")],
            frames(&["hell", "o"]),
        )
        .await;
    assert_refused(&reply, INCONSISTENT, "with the creation");
    assert!(client.artifacts().await.is_empty());
    assert_eq!(client.community.backend.len(), 0);
}

#[tokio::test]
async fn a_complete_upload_takes_no_more() {
    let client = Client::new().await;
    let upload = begin(&client, &[("upload-length", "5")], "hello").await;
    assert_eq!(offset(&client, &upload).await, ("5".into(), "?1".into()));
    for kind in [MORE, LAST] {
        for body in [Body::from("x"), frames(&["x"])] {
            let reply = patch(&client, &upload, "5", &[kind], body).await;
            assert_refused(&reply, COMPLETED, "it is complete");
        }
        let reply = patch(&client, &upload, "0", &[kind], "hello").await;
        assert_refused(&reply, MISMATCH, "the whole file again");
    }
    let reply = patch(&client, &upload, "5", &[LAST, ("upload-length", "6")], "").await;
    assert_refused(&reply, INCONSISTENT, "another length");
    assert_eq!(offset(&client, &upload).await, ("5".into(), "?1".into()));
    assert_eq!(client.artifacts().await.len(), 1);
}

#[tokio::test]
async fn malformed_fields_are_refused_and_not_ignored() {
    let client = Client::new().await;
    let upload = begin(&client, &[], "hello").await;
    for field in [
        ("upload-complete", "1"),
        ("upload-complete", "true"),
        ("upload-complete", ""),
        ("upload-length", "-1"),
        ("upload-length", "1000000000000000"),
        ("upload-length", "18446744073709551627"),
        ("upload-draft-interop-version", "3"),
        ("upload-draft-interop-version", "9"),
        ("upload-draft-interop-version", "x"),
    ] {
        let replaced = [MORE, PARTIAL, ("upload-offset", "5")];
        let kept = replaced.into_iter().filter(|(name, _)| *name != field.0);
        let fields: Vec<_> = kept.chain([field]).collect();
        let reply = client.send(Method::PATCH, &upload, &fields, "x").await;
        reply.assert_problem(400, "bad-request", &format!("{field:?}"));
        let reply = client.send(Method::POST, ARTIFACTS, &fields, "x").await;
        reply.assert_problem(400, "bad-request", &format!("{field:?}"));
    }
    for wrong in ["-5", "", "5.0", "?1"] {
        let reply = patch(&client, &upload, wrong, &[MORE], "x").await;
        reply.assert_problem(400, "bad-request", wrong);
    }
    let twice = patch(&client, &upload, "5", &[MORE, LAST], "x").await;
    twice.assert_problem(400, "bad-request", "both");
    let none = patch(&client, &upload, "5", &[], "x").await;
    none.assert_problem(400, "bad-request", "neither");
    let fields = [MORE, PARTIAL];
    let reply = client.send(Method::PATCH, &upload, &fields, "x").await;
    reply.assert_problem(400, "bad-request", "no offset");
    let fields = [TUS, OCTETS, MORE, ("upload-offset", "5")];
    let reply = client.send(Method::PATCH, &upload, &fields, "x").await;
    reply.assert_problem(400, "bad-request", "two protocols");
    for kind in ["text/plain", "application/offset+octet-stream"] {
        let fields = [MORE, ("content-type", kind), ("upload-offset", "5")];
        let reply = client.send(Method::PATCH, &upload, &fields, "x").await;
        reply.assert_problem(415, "about:blank", kind);
    }
    let reply = client
        .send(
            Method::POST,
            ARTIFACTS,
            &[MORE, ("upload-length", "104857601")],
            "",
        )
        .await;
    reply.assert_problem(413, "payload-too-large", "over the cap");
    assert_eq!(reply.header("upload-limit"), "max-size=104857600");
    assert_eq!(offset(&client, &upload).await, ("5".into(), "?0".into()));
    assert!(client.artifacts().await.is_empty());
}

#[tokio::test]
async fn wrong_digests_keep_nothing() {
    let client = Client::new().await;
    let upload = begin(&client, &[], "hello").await;
    let other = (
        "content-digest",
        "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:",
    );
    for kind in [MORE, LAST] {
        let reply = patch(&client, &upload, "5", &[kind, other], " world").await;
        reply.assert_problem(400, "bad-request", "another digest");
        assert_eq!(offset(&client, &upload).await, ("5".into(), "?0".into()));
        let reply = client
            .send(Method::POST, ARTIFACTS, &[kind, other], "hello")
            .await;
        reply.assert_problem(400, "bad-request", "another digest");
    }
    client.send(Method::DELETE, &upload, &[INTEROP], "").await;
    assert_eq!(client.community.backend.len(), 0);
    // That of the whole file: all bytes have arrived, and another request would not help.
    let other = ("repr-digest", other.1);
    let upload = begin(&client, &[other], "hello").await;
    let reply = patch(&client, &upload, "5", &[LAST], " world").await;
    reply.assert_problem(400, "bad-request", "another file");
    assert_eq!(reply.header("upload-complete"), "?1");
    assert!(client.artifacts().await.is_empty());
    assert_eq!(client.community.backend.len(), 0);
}

#[tokio::test]
async fn both_protocols_are_about_the_same_uploads() {
    let client = Client::new().await;
    let upload = begin(&client, &[("upload-length", "11")], "hel").await;
    let reply = client.patch(&upload, "3", "lo").await;
    assert_eq!(reply.status, 204, "{}", reply.text());
    assert_eq!(reply.header("upload-complete"), "?0");
    let reply = patch(&client, &upload, "5", &[LAST], " world").await;
    assert_eq!(reply.status, 201, "{}", reply.text());

    let upload = client.begin("11").await;
    let reply = patch(&client, &upload, "0", &[MORE], "hello").await;
    assert_eq!(reply.header("tus-resumable"), "1.0.0");
    let reply = client.patch(&upload, "5", " world").await;
    assert_eq!(reply.header("upload-complete"), "?1");
    assert_eq!(client.artifacts().await.len(), 2);
    let reply = client.send(Method::DELETE, &upload, &[INTEROP], "").await;
    assert_eq!(reply.status, 204);
    assert_eq!(
        client
            .send(Method::HEAD, &upload, &[INTEROP], "")
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn clients_learn_the_limits_first() {
    let client = Client::new().await;
    for path in [ARTIFACTS, UPLOADS] {
        let reply = client.send(Method::OPTIONS, path, &[], "").await;
        assert_eq!(reply.status, 204);
        assert_eq!(reply.header("upload-limit"), "max-size=104857600");
        assert!(reply.header("allow").contains("POST"));
    }
}

#[tokio::test]
async fn older_versions_have_no_type_and_metadata_of_tus() {
    let client = Client::new().await;
    for version in ["4", "5"] {
        let version = ("upload-draft-interop-version", version);
        let metadata = (
            "upload-metadata",
            "filename bm90ZXMudHh0,filetype dGV4dC9wbGFpbg==",
        );
        let upload = begin(&client, &[version, metadata][1..], "hello").await;
        let fields = [version, LAST, ("upload-offset", "5")];
        let reply = client.send(Method::PATCH, &upload, &fields, " world").await;
        assert_eq!(reply.status, 201, "{}", reply.text());
        assert_eq!(reply.json()["file_name"], json!("notes.txt"));
        assert_eq!(reply.json()["content_type"], json!("text/plain"));
    }
    let fields = [MORE, PARTIAL, ("upload-length", "2")];
    let reply = client.send(Method::POST, UPLOADS, &fields, "hi").await;
    assert_eq!(reply.header("upload-complete"), "?1");
    let last = client.artifacts().await.pop().unwrap();
    assert_eq!(last["content_type"], json!("application/octet-stream"));
}

#[tokio::test]
async fn a_part_of_a_file_is_no_deposit() {
    let client = Client::new().await;
    // What clients of the interop version 3 send with a part.
    for field in [("upload-incomplete", "?1"), ("upload-incomplete", "1")] {
        let reply = client
            .send(Method::POST, ARTIFACTS, &[field], "hello")
            .await;
        reply.assert_problem(400, "bad-request", &format!("{field:?}"));
    }
    let field = ("upload-incomplete", "?0");
    let reply = client
        .send(Method::POST, ARTIFACTS, &[field], "hello")
        .await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    assert_eq!(client.artifacts().await.len(), 1);
}
