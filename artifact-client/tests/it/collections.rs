//! Collections: requests and responses.

use artifact_client::{DepositOptions, ErrorKind, FileFilter};

use crate::server::{Reply, Request, response, server_replying, server_with_replies};

const ID: &str = "col_4f2a9c0de1b83756a0c4d2f19e7b6385";
const HELLO: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

fn ok(status: &str, json: &str) -> String {
    response(status, "content-type: application/json\r\n", json)
}

fn problem(status: &str, name: &str) -> String {
    let number = &status[..3];
    let body = format!(
        r#"{{"type":"eden://error/{name}","title":"t","status":{number},"detail":"the detail","instance":"/"}}"#
    );
    response(status, "content-type: application/problem+json\r\n", &body)
}

fn file(name: &str) -> String {
    format!(
        r#"{{"name":"{name}","artifacts_uri":"eden://artifacts/{0}","id":"{0}","size_bytes":5,"content_type":"text/plain",
            "sha256":"{HELLO}","created_at":"2026-01-02T03:04:05Z"}}"#,
        "4f2a9c0de1b83756a0c4d2f19e7b6385"
    )
}

fn collection() -> String {
    format!(
        r#"{{"id":"{ID}","experiment":"exp-1","created_by":"admin","title":null,"created_at":"2026-01-02T03:04:05Z",
            "sealed_at":"2026-01-02T03:04:06Z","state":"sealed","files":1,"size_bytes":5}}"#
    )
}

fn line(request: &Request) -> &str {
    let line = request.head.lines().next().unwrap();
    line.strip_suffix(" HTTP/1.1").unwrap()
}

#[tokio::test]
async fn a_name_is_one_path_that_is_encoded_once() {
    let (client, served) = server_replying(ok("201 Created", &file("x"))).await;
    let name = "a b/\u{e9}%2e/..x?#";
    let options = DepositOptions::default();
    let stored = client.put_file(ID, name, "hello", options).await.unwrap();
    assert_eq!(
        (stored.size_bytes, stored.sha256.to_string()),
        (5, HELLO.to_owned())
    );
    let request = served.await.unwrap();
    let path =
        format!("PUT /v1/experiments/exp-1/collections/{ID}/files/a%20b/%C3%A9%252e/..x%3F%23");
    assert_eq!(line(&request), path);
    for name in ["", "..", "a/../b", "/a", "a/", "./a"] {
        let refused = client
            .put_file(ID, name, "", DepositOptions::default())
            .await;
        assert_eq!(
            refused.unwrap_err().kind(),
            ErrorKind::InvalidInput,
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_deposit_whose_response_was_lost_is_compared_with_what_is_there() {
    let closed = || Reply::Send(String::new());
    let taken = || Reply::Send(problem("409 Conflict", "already-exists"));
    let page = |name: &str| {
        let json = format!(r#"{{"files":[{}],"folders":[],"next":null}}"#, file(name));
        Reply::Send(ok("200 OK", &json))
    };
    for (body, there, expected) in [
        ("hello", "a/b", None),
        ("other", "a/b", Some(ErrorKind::AlreadyExists)),
        ("hello", "a/bc", Some(ErrorKind::AlreadyExists)),
    ] {
        let (builder, served) = server_with_replies(vec![closed(), taken(), page(there)]).await;
        let client = builder.build().unwrap();
        let stored = client.put_file(ID, "a/b", body, DepositOptions::default());
        let outcome = stored.await;
        assert_eq!(
            outcome.as_ref().err().map(artifact_client::Error::kind),
            expected,
            "{body} {there}"
        );
        let requests = served.await.unwrap();
        assert_eq!(requests[1].body, body.as_bytes());
        let page = format!("GET /v1/experiments/exp-1/collections/{ID}/files?prefix=a%2Fb&limit=1");
        assert_eq!(line(&requests[2]), page);
    }
    // Nothing can be there from an earlier attempt.
    let (builder, served) = server_with_replies(vec![taken()]).await;
    let client = builder.build().unwrap();
    let refused = client
        .put_file(ID, "a", "hello", DepositOptions::default())
        .await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::AlreadyExists);
    served.await.unwrap();
}

#[tokio::test]
async fn a_manifest_must_have_its_digest() {
    // The SHA-256 of "2cf2...9824  a\n".
    let digest = "4b4a26c2f1d891924105322b0c53b3857b475f6022cb4974dc75a375bbdf3738";
    let other = HELLO;
    for (sha256, files, expected) in [
        (digest, 1, None),
        (other, 1, Some(ErrorKind::DigestMismatch)),
        (digest, 2, Some(ErrorKind::DigestMismatch)),
    ] {
        let json = format!(
            r#"{{"collection":{},"files":[{}],"total":{{"files":{files},"size_bytes":5,"sha256":"{sha256}"}}}}"#,
            collection(),
            file("a")
        );
        let (client, served) = server_replying(ok("200 OK", &json)).await;
        let outcome = client.seal_collection(ID).await;
        assert_eq!(
            outcome.as_ref().err().map(artifact_client::Error::kind),
            expected
        );
        let request = served.await.unwrap();
        assert_eq!(
            line(&request),
            format!("POST /v1/experiments/exp-1/collections/{ID}/seal")
        );
    }
}

#[tokio::test]
async fn files_are_listed_with_their_filter() {
    let json = format!(
        r#"{{"files":[{}],"folders":["a/"],"next":"a/"}}"#,
        file("a0")
    );
    let (client, served) = server_replying(ok("200 OK", &json)).await;
    let filter = FileFilter::default()
        .with_prefix("a b")
        .by_folder()
        .with_limit(7);
    let page = client.files(ID, &filter, Some("a/")).await.unwrap();
    assert_eq!(page.files[0].name, "a0");
    assert_eq!(
        (page.folders, page.next.as_deref()),
        (vec!["a/".to_owned()], Some("a/"))
    );
    let path = format!(
        "GET /v1/experiments/exp-1/collections/{ID}/files?prefix=a%20b&delimiter=%2F&limit=7&after=a%2F"
    );
    assert_eq!(line(&served.await.unwrap()), path);
}

#[tokio::test]
async fn a_sealed_collection_has_a_kind_of_its_own() {
    let (client, served) = server_replying(problem("409 Conflict", "sealed")).await;
    let refused = client.delete_file(ID, "a").await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Sealed);
    served.await.unwrap();
}
