//! Resumable uploads by tus 1.0.

use std::io;

use artifact_http::HttpConfig;
use artifact_store::{Database, MemoryDatabase, UploadOptions};
use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use http::{Method, Request};
use serde_json::{Value, json};

use crate::support::{Community, HOME, Member, Reply, noise};

pub(super) const OCTETS: (&str, &str) = ("content-type", "application/offset+octet-stream");
pub(super) const TUS: (&str, &str) = ("tus-resumable", "1.0.0");

pub(super) struct Client {
    pub(super) community: Community,
    who: Member,
}

impl Client {
    pub(super) async fn new() -> Self {
        // Parts of three bytes, so that small files have several.
        let uploads = UploadOptions::default().with_part_bytes(3).with_max_open(3);
        let config = HttpConfig::default().with_uploads(uploads);
        let community = Community::with(Database::new(MemoryDatabase::new()), config).await;
        let who = community.register(HOME).await;
        Self { community, who }
    }

    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        fields: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Reply {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", self.who.authorization());
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        self.community
            .send(request.body(body.into()).unwrap())
            .await
    }

    pub(super) async fn create(&self, fields: &[(&str, &str)], body: &'static str) -> Reply {
        let fields = [&[TUS][..], fields].concat();
        self.send(Method::POST, "/v1/experiments/demo/uploads", &fields, body)
            .await
    }

    pub(super) async fn begin(&self, length: &str) -> String {
        let reply = self.create(&[("upload-length", length)], "").await;
        assert_eq!(reply.status, 201, "{}", reply.text());
        reply.header("location").to_owned()
    }

    pub(super) async fn patch(&self, path: &str, offset: &str, body: impl Into<Body>) -> Reply {
        let fields = [TUS, OCTETS, ("upload-offset", offset)];
        self.send(Method::PATCH, path, &fields, body).await
    }

    pub(super) async fn offset(&self, path: &str) -> String {
        let reply = self.send(Method::HEAD, path, &[TUS], "").await;
        assert_eq!(reply.status, 200);
        assert_eq!(reply.header("cache-control"), "no-store");
        assert_eq!(reply.header("tus-resumable"), "1.0.0");
        reply.header("upload-offset").to_owned()
    }

    pub(super) async fn artifacts(&self) -> Vec<Value> {
        let reply = self
            .community
            .manage(Method::GET, "/artifacts", &self.who)
            .await;
        reply.json()["artifacts"].as_array().unwrap().clone()
    }
}

/// A body that breaks after these bytes.
pub(super) fn broken(bytes: &'static [u8]) -> Body {
    Body::from_stream(stream::iter([
        Ok(Bytes::from_static(bytes)),
        Err(io::Error::other("the connection broke")),
    ]))
}

#[tokio::test]
async fn a_file_arrives_in_pieces_and_becomes_an_artifact() {
    let client = Client::new().await;
    // notes.txt, text/plain
    let fields = [
        ("upload-length", "11"),
        (
            "upload-metadata",
            "filename bm90ZXMudHh0,filetype dGV4dC9wbGFpbg==",
        ),
        ("artifact-expires-in", "60"),
        (
            "repr-digest",
            "sha-256=:uU0nuZNNPgilLlLX2n2r+sSE7+N6U4DukIj3rOLvzek=:",
        ),
    ];
    let created = client.create(&fields, "").await;
    assert_eq!(created.status, 201, "{}", created.text());
    assert_eq!(created.header("upload-offset"), "0");
    assert!(created.header("upload-expires").ends_with(" GMT"));
    let upload = created.header("location").to_owned();
    assert!(upload.starts_with("/v1/experiments/demo/uploads/"));

    let reply = client.patch(&upload, "0", "hello").await;
    assert_eq!(
        (reply.status.as_u16(), reply.header("upload-offset")),
        (204, "5")
    );
    assert_eq!(reply.header("artifact-location"), "");
    assert_eq!(client.offset(&upload).await, "5");
    let read = client.send(Method::GET, &upload, &[], "").await;
    assert_eq!(read.header("upload-length"), "11");
    assert_eq!(read.json()["offset"], json!(5));
    assert_eq!(read.json()["artifact"], json!(null));
    assert!(client.artifacts().await.is_empty());

    let reply = client.patch(&upload, "5", " world").await;
    assert_eq!(
        (reply.status.as_u16(), reply.header("upload-offset")),
        (204, "11")
    );
    let artifacts = client.artifacts().await;
    assert_eq!(artifacts.len(), 1);
    let id = artifacts[0]["id"].as_str().unwrap();
    let location = format!("/v1/experiments/demo/artifacts/{id}");
    assert_eq!(reply.header("artifact-location"), location);
    assert_eq!(artifacts[0]["file_name"], json!("notes.txt"));
    assert_eq!(artifacts[0]["content_type"], json!("text/plain"));
    assert_ne!(artifacts[0]["expires_at"], json!(null));
    let read = client.send(Method::GET, &upload, &[], "").await;
    assert_eq!(read.json()["artifact"], artifacts[0]);
    let content = client
        .send(Method::GET, &format!("{location}/content"), &[], "")
        .await;
    assert_eq!(content.text(), "hello world");
}

#[tokio::test]
async fn a_broken_body_is_resumed_where_it_broke() {
    let client = Client::new().await;
    for cut in 0..=7 {
        let upload = client.begin("7").await;
        let file = b"0123456";
        let reply = client.patch(&upload, "0", broken(&file[..cut])).await;
        assert_eq!(reply.status, 400, "{}", reply.text());
        assert_eq!(client.offset(&upload).await, cut.to_string());
        if cut < 7 {
            let rest = file[cut..].to_vec();
            let reply = client.patch(&upload, &cut.to_string(), rest).await;
            assert_eq!(reply.status, 204, "{}", reply.text());
        }
        // Also if only HEAD came after the last byte.
        assert_eq!(client.artifacts().await.len(), cut + 1);
    }
}

#[tokio::test]
async fn a_request_whose_client_is_gone_keeps_what_has_arrived() {
    let client = Client::new().await;
    let upload = client.begin("100").await;
    let (send, receive) = tokio::sync::mpsc::channel::<Result<Bytes, io::Error>>(1);
    let body = Body::from_stream(stream::unfold(receive, |mut receive| async move {
        receive.recv().await.map(|chunk| (chunk, receive))
    }));
    let request = {
        let (community, who, upload) =
            (client.community.clone(), client.who.clone(), upload.clone());
        let client = Client { community, who };
        tokio::spawn(async move { client.patch(&upload, "0", body).await.status })
    };
    for _ in 0..2 {
        send.send(Ok(Bytes::from_static(b"01234"))).await.unwrap();
    }
    // The server drops the request as it does when the connection is closed.
    send.reserve().await.unwrap();
    request.abort();
    assert!(request.await.unwrap_err().is_cancelled());
    send.send(Err(io::Error::other("closed"))).await.unwrap();
    send.closed().await;
    let mut offset = client.offset(&upload).await;
    while offset != "10" {
        tokio::task::yield_now().await;
        offset = client.offset(&upload).await;
    }
}

#[tokio::test]
async fn an_empty_file_is_complete_at_once_and_a_small_one_with_its_creation() {
    let client = Client::new().await;
    let reply = client.create(&[("upload-length", "0")], "").await;
    assert_eq!(reply.status, 201);
    assert!(reply.header("artifact-location").contains("/artifacts/"));
    let reply = client
        .create(&[("upload-length", "5"), OCTETS], "hello")
        .await;
    assert_eq!(reply.status, 201);
    assert_eq!(reply.header("upload-offset"), "5");
    assert!(reply.header("artifact-location").contains("/artifacts/"));
    assert_eq!(client.artifacts().await.len(), 2);
    let reply = client
        .create(&[("upload-length", "6"), OCTETS], "hello")
        .await;
    assert_eq!(
        (reply.status.as_u16(), reply.header("upload-offset")),
        (201, "5")
    );
    assert_eq!(client.artifacts().await.len(), 2);
}

#[tokio::test]
async fn a_length_that_is_wrong_completes_nothing() {
    let client = Client::new().await;
    for fields in [
        &[("upload-length", "-1")][..],
        &[("upload-length", "9223372036854775808")],
        &[("upload-length", "18446744073709551621")],
        &[("upload-length", "5"), ("upload-length", "5")],
        &[("upload-length", "5"), ("upload-defer-length", "1")],
        &[("upload-defer-length", "2")],
        &[],
        &[("upload-length", "3"), OCTETS, ("content-length", "5")],
    ] {
        let reply = client.create(fields, "hello").await;
        reply.assert_problem(400, "bad-request", &format!("{fields:?}"));
    }
    let too_large = client.create(&[("upload-length", "104857601")], "").await;
    too_large.assert_problem(413, "payload-too-large", "one more than the cap");

    let reply = client.create(&[("upload-defer-length", "1")], "").await;
    let upload = reply.header("location").to_owned();
    assert_eq!(client.patch(&upload, "0", "hello").await.status, 204);
    let declare = async |length| {
        let fields = [
            TUS,
            OCTETS,
            ("upload-offset", "5"),
            ("upload-length", length),
        ];
        client.send(Method::PATCH, &upload, &fields, "").await
    };
    for wrong in ["-1", "4", "9223372036854775808"] {
        declare(wrong)
            .await
            .assert_problem(400, "bad-request", wrong);
    }
    declare("104857601")
        .await
        .assert_problem(413, "payload-too-large", "over the cap");
    assert_eq!(declare("9").await.status, 204);
    for changed in ["5", "8", "10"] {
        declare(changed)
            .await
            .assert_problem(400, "bad-request", changed);
    }
    let reply = client.patch(&upload, "5", "12345").await;
    reply.assert_problem(400, "bad-request", "longer than declared");
    assert!(client.artifacts().await.is_empty());
    let reply = client
        .patch(&upload, &client.offset(&upload).await, "rest")
        .await;
    assert_eq!(reply.status, 204, "{}", reply.text());
    assert_eq!(client.artifacts().await.len(), 1);
}

#[tokio::test]
async fn an_append_names_its_offset_type_and_version() {
    let client = Client::new().await;
    let upload = client.begin("9").await;
    let send =
        async |fields: &[(&str, &str)]| client.send(Method::PATCH, &upload, fields, "hello").await;
    let at = ("upload-offset", "0");
    for version in [&[][..], &[("tus-resumable", "0.2.2")], &[TUS, TUS]] {
        let reply = send(&[version, &[OCTETS, at]].concat()).await;
        reply.assert_problem(412, "about:blank", &format!("{version:?}"));
        assert_eq!(reply.header("tus-version"), "1.0.0");
    }
    let reply = send(&[TUS, at, ("content-type", "text/plain")]).await;
    reply.assert_problem(415, "about:blank", "another type");
    assert_eq!(reply.header("tus-resumable"), "1.0.0");
    send(&[TUS, OCTETS])
        .await
        .assert_problem(400, "bad-request", "no offset");
    for offset in ["1", "9", "10"] {
        let reply = send(&[TUS, OCTETS, ("upload-offset", offset)]).await;
        reply.assert_problem(409, "offset-mismatch", offset);
        assert_eq!(reply.header("upload-offset"), "0");
    }
    for offset in ["-1", "x", ""] {
        let reply = send(&[TUS, OCTETS, ("upload-offset", offset)]).await;
        reply.assert_problem(400, "bad-request", offset);
    }
    assert_eq!(client.offset(&upload).await, "0");
    let reply = client
        .send(Method::HEAD, &upload, &[("tus-resumable", "2.0.0")], "")
        .await;
    assert_eq!(reply.status, 412);
}

#[tokio::test]
async fn a_wrong_digest_ends_the_upload() {
    let client = Client::new().await;
    let digest = "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:";
    let fields = [("upload-length", "5"), ("repr-digest", digest), OCTETS];
    let reply = client.create(&fields, "hello").await;
    reply.assert_problem(400, "bad-request", "another file");
    assert!(client.artifacts().await.is_empty());
    assert_eq!(client.community.backend.len(), 0);
    let fields = [("upload-length", "5"), ("repr-digest", "sha-512=:AA==:")];
    client
        .create(&fields, "")
        .await
        .assert_problem(400, "bad-request", "no sha-256");
}

#[tokio::test]
async fn an_ended_upload_is_gone_and_frees_its_place() {
    let client = Client::new().await;
    let first = client.begin("9").await;
    client.patch(&first, "0", "hello").await;
    client.begin("9").await;
    client.begin("9").await;
    let reply = client.create(&[("upload-length", "9")], "").await;
    reply.assert_problem(429, "about:blank", "too many");
    assert_eq!(reply.header("retry-after"), "60");
    let reply = client.send(Method::DELETE, &first, &[TUS], "").await;
    assert_eq!(
        (reply.status.as_u16(), reply.header("tus-resumable")),
        (204, "1.0.0")
    );
    assert_eq!(client.community.backend.len(), 0);
    for method in [Method::GET, Method::DELETE] {
        let reply = client.send(method, &first, &[TUS], "").await;
        reply.assert_problem(404, "not-found", "it is gone");
    }
    client
        .patch(&first, "5", "x")
        .await
        .assert_problem(404, "not-found", "it is gone");
    client.begin("9").await;
}

#[tokio::test]
async fn the_server_says_what_it_can_do() {
    let client = Client::new().await;
    let path = "/v1/experiments/demo/uploads";
    let reply = client.send(Method::OPTIONS, path, &[], "").await;
    assert_eq!(reply.status, 204);
    assert_eq!(reply.header("tus-version"), "1.0.0");
    assert_eq!(reply.header("tus-max-size"), "104857600");
    assert_eq!(reply.header("tus-checksum-algorithm"), "sha1,sha256");
    assert_eq!(reply.header("upload-limit"), "max-size=104857600");
    assert_eq!(
        reply.header("tus-extension"),
        "creation,creation-with-upload,creation-defer-length,checksum,termination,expiration"
    );
}

#[tokio::test]
async fn a_large_file_is_the_same_in_one_append_or_many() {
    let community = Community::new().await;
    let who = community.register(HOME).await;
    let client = Client { community, who };
    let file = noise(2_500_000);
    let upload = client.begin("2500000").await;
    for (offset, end) in [(0, 1), (1, 1_100_000), (1_100_000, 2_500_000)] {
        let reply = client
            .patch(&upload, &offset.to_string(), file[offset..end].to_vec())
            .await;
        assert_eq!(reply.status, 204, "{}", reply.text());
    }
    let reply = client.send(Method::GET, &upload, &[TUS], "").await;
    let location = format!("{}/content", reply.header("artifact-location"));
    let content = client.send(Method::GET, &location, &[], "").await;
    assert!(content.body == file, "the bytes are the same");
}
