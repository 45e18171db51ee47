//! Digests in deposits: wrong ones are refused and leave nothing.

use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256, Sha512};

use crate::support::{FILE, Reply, SMALL, Site, Who, deposit_as, form, noise};

fn sha256(bytes: &[u8]) -> String {
    format!("sha-256=:{}:", STANDARD.encode(Sha256::digest(bytes)))
}

fn sha512(bytes: &[u8]) -> String {
    format!("sha-512=:{}:", STANDARD.encode(Sha512::digest(bytes)))
}

/// Deposits with header fields on the request.
async fn on_request(site: &Site, fields: &[(&str, &str)], body: Vec<u8>) -> Reply {
    let mut request = deposit_as(Who::Worker);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    site.send(request.body(Body::from(body)).unwrap()).await
}

/// Deposits with a header line on the part.
async fn on_part(site: &Site, line: &str, bytes: &[u8]) -> Reply {
    let body = form(&[(&format!("{FILE}{line}\r\n"), bytes)]);
    on_request(site, &[], body).await
}

#[tokio::test]
async fn digests_on_the_part_cover_the_file() {
    for size in [0, 5, SMALL + 1, 300_000] {
        let site = Site::new().await;
        let bytes = noise(size);
        let other = sha256(b"other");
        let right = [
            format!("Content-Digest: {}", sha256(&bytes)),
            format!("Repr-Digest: {}", sha512(&bytes)),
            format!("repr-digest: {}, {}", sha512(&bytes), sha256(&bytes)),
            "Content-Digest: md5=:AA==:, sha=:AA==:".to_owned(),
            format!("Content-Digest: {other}, {}", sha256(&bytes)),
        ];
        for line in &right {
            let reply = on_part(&site, line, &bytes).await;
            assert_eq!(reply.status, 201, "{line}: {}", reply.text());
        }
        assert_eq!(site.blobs().await.len(), right.len());

        let site = Site::new().await;
        let wrong = [
            format!("Content-Digest: {other}"),
            format!("Repr-Digest: {other}"),
            format!("Content-Digest: {}", sha512(b"other")),
            format!("Content-Digest: {}, {}", sha256(&bytes), sha512(b"other")),
            format!("Content-Digest: {}\r\nRepr-Digest: {other}", sha256(&bytes)),
            "Repr-Digest: sha-256=:AA==:".to_owned(),
            "Repr-Digest: sha-256=::".to_owned(),
        ];
        for line in &wrong {
            let reply = on_part(&site, line, &bytes).await;
            reply.assert_problem(400, "bad-request", line);
            assert!(reply.text().contains("the part is not"), "{}", reply.text());
            site.assert_empty(line).await;
        }
    }
}

#[tokio::test]
async fn digests_on_the_request_cover_the_whole_body() {
    for size in [5, 300_000] {
        let bytes = noise(size);
        let body = [&form(&[(FILE, &bytes)])[..], b"\r\n  "].concat();
        let (whole, part) = (sha256(&body), sha256(&bytes));
        let site = Site::new().await;
        for fields in [
            &[("content-digest", &*whole)][..],
            &[("repr-digest", &whole)],
            &[("content-digest", &whole), ("repr-digest", &sha512(&body))],
            &[("content-digest", "md5=:AA==:")],
        ] {
            let reply = on_request(&site, fields, body.clone()).await;
            assert_eq!(reply.status, 201, "{fields:?}: {}", reply.text());
        }
        let site = Site::new().await;
        for fields in [
            &[("content-digest", &*part)][..],
            &[("repr-digest", &part)],
            &[("content-digest", &whole), ("repr-digest", &part)],
        ] {
            let reply = on_request(&site, fields, body.clone()).await;
            reply.assert_problem(400, "bad-request", &format!("{fields:?}"));
            assert!(reply.text().contains("the body is not"), "{}", reply.text());
            site.assert_empty("a wrong digest").await;
        }
    }
}

#[tokio::test]
async fn duplicate_digest_fields_on_the_part_are_refused() {
    let site = Site::new().await;
    for name in ["Content-Digest", "Repr-Digest"] {
        let lines = format!("{name}: md5=:AA==:\r\n{name}: {}", sha256(b"bytes"));
        let reply = on_part(&site, &lines, b"bytes").await;
        reply.assert_problem(400, "bad-request", &lines);
        assert!(reply.text().contains("twice"), "{}", reply.text());
        site.assert_empty(&lines).await;
    }
}

#[tokio::test]
async fn malformed_fields_are_refused_before_the_file_is_read() {
    let site = Site::new().await;
    let body = form(&[(FILE, b"bytes")]);
    for value in [
        "sha-256=abc",
        "sha-256",
        "sha-256=:###:",
        "sha-256=:AA==:,",
        "x=1",
    ] {
        for name in ["content-digest", "repr-digest"] {
            let reply = on_request(&site, &[(name, value)], body.clone()).await;
            reply.assert_problem(400, "bad-request", value);
            assert!(reply.text().contains("malformed"), "{}", reply.text());
            let reply = on_part(&site, &format!("{name}: {value}"), b"bytes").await;
            reply.assert_problem(400, "bad-request", value);
            assert!(reply.text().contains("malformed"), "{}", reply.text());
        }
    }
    assert_eq!(site.calls(), 0);
}

#[tokio::test]
async fn the_201_carries_the_digest_of_the_stored_bytes() {
    let site = Site::new().await;
    for size in [0, 5, 300_000] {
        let bytes = noise(size);
        let reply = on_request(&site, &[], form(&[(FILE, &bytes)])).await;
        assert_eq!(reply.status, 201, "{}", reply.text());
        assert_eq!(reply.header("repr-digest"), sha256(&bytes));
        assert_eq!(reply.json().as_object().unwrap().len(), 3);
    }
}
