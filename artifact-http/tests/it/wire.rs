//! Behaviour that needs a real connection: 100 Continue, lengths, and responses without content.

use artifact_backend::Operation;

use crate::support::{BOUNDARY, FILE, Site, Who, Wire, bearer, fetch_path, form, noise};

fn post(who: Who, more: &str) -> String {
    let bearer = bearer(who).map_or(String::new(), |value| format!("Authorization: {value}\r\n"));
    format!(
        "POST /v0/experiments/demo/artifacts HTTP/1.1\r\nHost: h\r\n{bearer}\
         X-Eden-Experiment-Id: demo\r\n\
         Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n{more}\r\n"
    )
}

#[tokio::test]
async fn continue_is_sent_only_after_the_checks() {
    let site = Site::new().await;
    let table = [
        (Who::Anonymous, "Content-Length: 100\r\n", "HTTP/1.1 401"),
        (Who::Wrong, "Content-Length: 100\r\n", "HTTP/1.1 401"),
        (Who::Worker, "Content-Length: 99999999\r\n", "HTTP/1.1 413"),
        (
            Who::Worker,
            "Content-Length: 100\r\nContent-Encoding: gzip\r\n",
            "HTTP/1.1 415",
        ),
        (Who::Worker, "Content-Length: 100\r\n", "HTTP/1.1 100"),
    ];
    for (who, more, expected) in table {
        let mut wire = Wire::new(site.router.clone()).await;
        wire.say(post(who, &format!("Expect: 100-continue\r\n{more}")))
            .await;
        let head = wire.head().await;
        assert!(head.starts_with(expected), "{who:?} {more}: {head}");
    }
    site.assert_empty("nothing was sent").await;
}

#[tokio::test]
async fn chunked_bodies_over_the_limit_are_refused_while_they_stream() {
    let site = Site::new().await;
    let mut wire = Wire::new(site.router.clone()).await;
    wire.say(post(Who::Worker, "Transfer-Encoding: chunked\r\n"))
        .await;
    let head = format!("--{BOUNDARY}\r\n{FILE}\r\n");
    wire.say(format!("{:x}\r\n{head}\r\n", head.len())).await;
    let piece = vec![b'x'; 64 << 10];
    // One chunk more than the limit. The body never ends, but the answer arrives.
    for _ in 0..17 {
        wire.say(format!("{:x}\r\n", piece.len())).await;
        wire.say(&piece).await;
        wire.say("\r\n").await;
    }
    let head = wire.head().await;
    assert!(head.starts_with("HTTP/1.1 413"), "{head}");
    site.assert_empty("over the cap").await;
}

#[tokio::test]
async fn wrong_lengths_store_nothing() {
    let site = Site::new().await;
    let body = form(&[(FILE, &noise(100_000))]);
    // Too long: the client closes after the last boundary, before the declared end.
    let mut wire = Wire::new(site.router.clone()).await;
    wire.say(post(
        Who::Worker,
        &format!("Content-Length: {}\r\n", body.len() + 10),
    ))
    .await;
    wire.say(&body).await;
    let answer = wire.hang_up().await;
    assert!(!answer.starts_with("HTTP/1.1 2"), "{answer}");
    site.assert_empty("too long").await;
    // Too short: the last boundary lies beyond the declared end.
    let mut wire = Wire::new(site.router.clone()).await;
    wire.say(post(
        Who::Worker,
        &format!("Content-Length: {}\r\n", body.len() - 10),
    ))
    .await;
    wire.say(&body).await;
    assert!(wire.head().await.starts_with("HTTP/1.1 400"));
    site.assert_empty("too short").await;
}

#[tokio::test]
async fn disconnected_clients_leave_nothing_behind() {
    let site = Site::new().await;
    let body = form(&[(FILE, &noise(500_000))]);
    let hold = site
        .backend
        .hold(Operation::Write, artifact_backend_conformance::Point::After);
    let mut wire = Wire::new(site.router.clone()).await;
    wire.say(post(
        Who::Worker,
        &format!("Content-Length: {}\r\n", body.len()),
    ))
    .await;
    wire.say(&body[..400_000]).await;
    hold.reached().await;
    assert_ne!(site.mem.used_bytes(), 0, "the upload is under way");
    drop(hold);
    wire.hang_up().await;
    site.assert_empty("hung up").await;
}

#[tokio::test]
async fn responses_without_content_keep_the_connection_usable() {
    let site = Site::new().await;
    let uri = site.put(Who::Worker, b"hello world").await;
    let etag = site
        .get(Who::Worker, &uri, &[])
        .await
        .header("etag")
        .to_owned();
    let bearer = bearer(Who::Worker).unwrap();
    let path = fetch_path("demo", &uri);
    let ask = |method: &str, path: &str, more: &str| {
        format!(
            "{method} {path} HTTP/1.1\r\nHost: h\r\nAuthorization: {bearer}\r\n\
             X-Eden-Experiment-Id: demo\r\n{more}\r\n"
        )
    };
    let mut wire = Wire::new(site.router.clone()).await;
    let table = [
        (
            "GET",
            &*path,
            format!("If-None-Match: {etag}\r\n"),
            "304",
            None,
        ),
        ("HEAD", &path, String::new(), "200", Some("11")),
        ("HEAD", "/v0/experiments/demo/x", String::new(), "404", None),
        ("HEAD", "/v0/experiments/demo", String::new(), "200", None),
        (
            "GET",
            &path,
            "Range: bytes=5-4\r\nIf-None-Match: *\r\n".into(),
            "304",
            None,
        ),
    ];
    for (method, path, more, status, length) in table {
        wire.say(ask(method, path, &more)).await;
        let head = wire.head().await;
        assert!(
            head.starts_with(&format!("HTTP/1.1 {status}")),
            "{method} {path}: {head}"
        );
        if let Some(length) = length {
            assert!(
                head.contains(&format!("content-length: {length}\r\n")),
                "{head}"
            );
        }
        if status == "304" {
            assert!(
                !head.contains("content-length"),
                "RFC 9110, section 8.6: {head}"
            );
        }
    }
    // This is the next response only if none of the others sent content.
    wire.say(ask("GET", &path, "Connection: close\r\n")).await;
    let last = wire.rest().await.unwrap();
    assert_eq!((last.status(), &last.body[..]), (200, &b"hello world"[..]));
}

#[tokio::test]
async fn hostile_framing_is_refused() {
    let site = Site::new().await;
    let table = [
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 5x\r\n",
        "Transfer-Encoding: gzip\r\n",
        "Transfer-Encoding: chunked, gzip\r\n",
    ];
    for more in table {
        let mut wire = Wire::new(site.router.clone()).await;
        wire.say(post(Who::Worker, &format!("{more}Connection: close\r\n")))
            .await;
        let head = wire.head().await;
        assert!(head.starts_with("HTTP/1.1 4"), "{more}: {head}");
    }
    site.assert_empty("framing").await;
}
