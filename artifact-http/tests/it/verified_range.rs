//! Ranges of damaged artifacts: no wrong byte is sent, under `/v0` and under `/v1`.

use artifact_backend::{ArtifactBackend as _, ArtifactId, ArtifactInventory as _, Sha256Digest};
use axum::body::Body;
use http::{Method, Request};
use sha2::{Digest as _, Sha256};

use crate::support::{Answer, Community, HOME, Log, Member, Wire, fetch_path, noise};

const SIZE: usize = 700_000;
/// The bytes of the chunk that is damaged, and of its neighbours.
const BEFORE: std::ops::Range<usize> = 196_608..262_144;
const DAMAGED: std::ops::Range<usize> = 262_144..327_680;

/// A server, and an artifact that it has not read yet.
struct Damaged {
    community: Community,
    worker: Member,
    bytes: Vec<u8>,
    id: ArtifactId,
}

impl Damaged {
    /// Deposits an artifact and changes one of its bytes.
    async fn new() -> Self {
        let community = Community::new().await;
        let worker = community.register(HOME).await;
        let bytes = noise(SIZE);
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("/v1/experiments/{HOME}/artifacts"))
            .header("authorization", worker.authorization())
            .body(Body::from(bytes.clone()))
            .unwrap();
        let stored = community.send(request).await;
        assert_eq!(stored.status, 201, "{}", stored.text());
        let id: ArtifactId = stored.json()["id"].as_str().unwrap().parse().unwrap();
        let mut wrong = bytes.clone();
        wrong[300_000] ^= 1;
        community.backend.delete(id).await.unwrap();
        community.backend.store(id, wrong.into()).await.unwrap();
        Self {
            community,
            worker,
            bytes,
            id,
        }
    }

    fn paths(&self) -> [String; 2] {
        [
            fetch_path(HOME, &format!("eden://artifacts/{}", self.id)),
            format!("/v1/experiments/{HOME}/artifacts/{}/content", self.id),
        ]
    }

    /// Sends a request on a connection of its own, and reads what the server sends.
    async fn ask(&self, method: &str, path: &str, fields: &str) -> Option<Answer> {
        let mut wire = Wire::new(self.community.router.clone()).await;
        let authorization = self.worker.authorization();
        wire.say(format!(
            "{method} {path} HTTP/1.1\r\nHost: h\r\nAuthorization: {authorization}\r\n\
             X-Eden-Experiment-Id: {HOME}\r\nConnection: close\r\n{fields}\r\n"
        ))
        .await;
        wire.rest().await
    }

    fn etag(&self) -> String {
        let sha256 = Sha256Digest::from_bytes(Sha256::digest(&self.bytes).into());
        format!("\"{sha256}\"")
    }
}

/// Runs a check on both paths, each with a server that has not read the artifact.
async fn on_both_paths(check: impl AsyncFn(&Damaged, &str)) {
    for version in [0, 1] {
        let damaged = Damaged::new().await;
        let path = &damaged.paths()[version];
        check(&damaged, path).await;
    }
}

#[tokio::test]
async fn a_range_of_the_damaged_chunk_is_a_server_error_without_a_byte_of_it() {
    for range in ["300000-300000", "310000-320000", "262144-", "-437856"] {
        let log = Log::collect();
        on_both_paths(async |damaged, path| {
            let fields = format!("Range: bytes={range}\r\n");
            let answer = damaged.ask("GET", path, &fields).await.unwrap();
            assert_eq!(answer.status(), 500, "{range}: {}", answer.head);
            let kind = answer.header("content-type").unwrap();
            assert!(kind.starts_with("application/problem+json"), "{kind}");
            assert_eq!(answer.header("content-range"), None);
            // It is known from now on.
            for method in ["GET", "HEAD"] {
                let answer = damaged.ask(method, path, "").await.unwrap();
                assert_eq!(answer.status(), 500, "{method}");
            }
        })
        .await;
        let text = log.text();
        assert_eq!(text.matches("alarm=\"corrupt-blob\"").count(), 2, "{text}");
        assert!(text.contains("the stored bytes"), "{text}");
    }
}

#[tokio::test]
async fn a_range_that_begins_before_the_damaged_chunk_is_cut_before_it() {
    for (first, last) in [(200_000, 300_000), (1, SIZE - 1), (0, SIZE - 2)] {
        on_both_paths(async |damaged, path| {
            let fields = format!("Range: bytes={first}-{last}\r\n");
            // It is cut before its header is sent if the damage is found at once.
            let Some(answer) = damaged.ask("GET", path, &fields).await else {
                return;
            };
            assert_eq!(answer.status(), 206, "{}", answer.head);
            let length = (last - first + 1).to_string();
            assert_eq!(answer.header("content-length"), Some(&*length));
            let sound = &damaged.bytes[first..DAMAGED.start];
            assert!(
                sound.starts_with(&answer.body),
                "{} bytes came, {} are sound",
                answer.body.len(),
                sound.len()
            );
        })
        .await;
    }
}

#[tokio::test]
async fn ranges_of_sound_chunks_are_served_beside_the_damaged_one() {
    on_both_paths(async |damaged, path| {
        for range in [
            0..1,
            0..DAMAGED.start,
            BEFORE,
            DAMAGED.end..SIZE,
            SIZE - 1..SIZE,
        ] {
            let fields = format!("Range: bytes={}-{}\r\n", range.start, range.end - 1);
            let answer = damaged.ask("GET", path, &fields).await.unwrap();
            assert_eq!(answer.status(), 206, "{range:?}");
            assert!(answer.body == damaged.bytes[range.clone()], "{range:?}");
        }
        // The server knows of no damage.
        let head = damaged.ask("HEAD", path, "Range: bytes=300000-\r\n").await;
        let head = head.unwrap();
        assert_eq!(head.status(), 200, "{}", head.head);
        assert_eq!(head.header("content-length"), Some("700000"));
        assert_eq!(head.header("etag"), Some(&*damaged.etag()));
    })
    .await;
}

#[tokio::test]
async fn a_condition_on_the_range_changes_nothing_about_the_check() {
    on_both_paths(async |damaged, path| {
        let sound = format!("Range: bytes=0-99\r\nIf-Range: {}\r\n", damaged.etag());
        let answer = damaged.ask("GET", path, &sound).await.unwrap();
        assert_eq!((answer.status(), answer.body.len()), (206, 100));
        let wrong = format!("Range: bytes=300000-\r\nIf-Range: {}\r\n", damaged.etag());
        let answer = damaged.ask("GET", path, &wrong).await.unwrap();
        assert_eq!(answer.status(), 500, "{}", answer.head);
    })
    .await;
}

#[tokio::test]
async fn what_is_sent_as_a_whole_is_cut() {
    let other = format!("\"{}\"", "0".repeat(64));
    let if_range = format!("Range: bytes=0-99\r\nIf-Range: {other}\r\n");
    for fields in [
        "",
        "Range: bytes=0-99,200-299\r\n",
        "Range: bytes=0-\r\n",
        &if_range,
    ] {
        on_both_paths(async |damaged, path| {
            if let Some(answer) = damaged.ask("GET", path, fields).await {
                assert!([200, 206].contains(&answer.status()), "{}", answer.head);
                assert_eq!(answer.header("content-length"), Some("700000"));
                assert!(answer.body.len() < SIZE, "{fields}");
            }
        })
        .await;
    }
}
