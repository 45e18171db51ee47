//! Deposits: the response, the size limit, and what remains after failures.

use std::convert::Infallible;
use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use artifact_backend::{ErrorKind, Operation};
use artifact_backend_conformance::{Fault, Point};
use artifact_http::{HttpConfig, RequestInfo, RequestRate};
use axum::body::Body;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::Method;
use tokio::time::Instant;
use tower::ServiceExt;

use crate::support::{CAP, FILE, SMALL, Site, Who, deposit_as, form, noise, request};

#[tokio::test]
async fn the_response_names_the_artifact() {
    let site = Site::new().await;
    let body = form(&[(FILE, b"bytes")]);
    let reply = site
        .send(deposit_as(Who::Worker).body(Body::from(body)).unwrap())
        .await;
    assert_eq!(reply.status, 201);
    assert_eq!(
        reply.header("content-type"),
        "application/json; charset=utf-8"
    );
    let answer = reply.json();
    let uri = answer["artifacts_uri"].as_str().unwrap();
    let id = uri.strip_prefix("eden://artifacts/").unwrap();
    let digit = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    assert!(id.len() == 32 && id.chars().all(digit), "{id}");
    assert_eq!(answer["size_bytes"], 5);
    assert_eq!(answer["content_type"], "text/plain");
    assert_eq!(answer.as_object().unwrap().len(), 3);

    let row = site
        .store
        .row(&"demo".parse().unwrap(), id.parse().unwrap())
        .await
        .unwrap();
    assert_eq!(row.created_by.as_str(), Who::Worker.id());
    assert_eq!(row.file_name.as_ref().unwrap().as_str(), "f.bin");
}

#[tokio::test]
async fn equal_deposits_get_different_ids() {
    let site = Site::new().await;
    let (first, second) = (
        site.put(Who::Admin, b"same").await,
        site.put(Who::Admin, b"same").await,
    );
    assert_ne!(first, second);
    let id = first.rsplit('/').next().unwrap().parse().unwrap();
    let row = site.store.row(&"demo".parse().unwrap(), id).await.unwrap();
    assert_eq!(row.created_by.as_str(), "admin");
}

#[tokio::test]
async fn the_size_limit_is_exact_and_counts_only_the_file() {
    let site = Site::new().await;
    let cap = usize::try_from(CAP).unwrap();
    let over = form(&[(FILE, &vec![7; cap + 1])]);
    // With a Content-Length that could fit, and chunked without one.
    let with_length = deposit_as(Who::Worker).header("content-length", over.len());
    let reply = site
        .send(with_length.body(Body::from(over.clone())).unwrap())
        .await;
    reply.assert_problem(413, "payload-too-large", "one byte more");
    let pieces: Vec<_> = over
        .chunks(1000)
        .map(Bytes::copy_from_slice)
        .map(Ok::<_, Infallible>)
        .collect();
    let chunked = Body::from_stream(stream::iter(pieces));
    let reply = site
        .send(deposit_as(Who::Worker).body(chunked).unwrap())
        .await;
    reply.assert_problem(413, "payload-too-large", "one byte more, chunked");
    site.assert_empty("over the cap").await;

    let uri = site.put(Who::Worker, &vec![7; cap]).await;
    let back = site.get(Who::Worker, &uri, &[]).await;
    assert_eq!(back.body.len(), cap);
}

/// Returns a body that panics when it is read.
fn untouchable() -> Body {
    Body::from_stream(stream::poll_fn(
        |_| -> Poll<Option<Result<Bytes, Infallible>>> { panic!("the body was read") },
    ))
}

#[tokio::test]
async fn requests_are_refused_before_the_body_is_read_if_possible() {
    let site = Site::new().await;
    let sized = deposit_as(Who::Worker).header("content-length", CAP + (16 << 10) + 1);
    let reply = site.send(sized.body(untouchable()).unwrap()).await;
    reply.assert_problem(413, "payload-too-large", "a length that cannot fit");

    let reply = site
        .send(deposit_as(Who::Wrong).body(untouchable()).unwrap())
        .await;
    reply.assert_problem(401, "unauthorized", "a wrong secret");
    for coding in ["gzip", "br", "identity, gzip", "x"] {
        let coded = deposit_as(Who::Worker).header("content-encoding", coding);
        let reply = site.send(coded.body(untouchable()).unwrap()).await;
        reply.assert_problem(415, "about:blank", coding);
    }
    let plain = deposit_as(Who::Worker).header("content-encoding", "Identity");
    let body = Body::from(form(&[(FILE, b"b")]));
    assert_eq!(site.send(plain.body(body).unwrap()).await.status, 201);
}

#[tokio::test]
async fn backend_errors_map_to_statuses() {
    let table = [
        (ErrorKind::Unavailable, 503),
        (ErrorKind::OutOfSpace, 507),
        (ErrorKind::Corrupt, 500),
        (ErrorKind::PermissionDenied, 500),
        (ErrorKind::Unexpected, 500),
    ];
    for (kind, status) in table {
        for (operation, size) in [(Operation::Store, 10), (Operation::Commit, SMALL + 1)] {
            let site = Site::new().await;
            site.backend.inject(Fault::before(operation, kind));
            let body = Body::from(form(&[(FILE, &noise(size))]));
            let reply = site.send(deposit_as(Who::Worker).body(body).unwrap()).await;
            reply.assert_problem(status, "about:blank", &format!("{kind:?}"));
            assert!(!reply.text().contains("injected"), "{}", reply.text());
            assert_eq!(
                reply.headers.contains_key("retry-after"),
                status == 503,
                "{kind:?}"
            );
            assert_eq!(site.backend.pending(), 0);
            site.assert_empty("failed").await;
        }
    }
}

#[tokio::test]
async fn dropped_deposits_leave_nothing_behind() {
    for size in [10, SMALL + 1, 500_000] {
        let site = Site::new().await;
        let whole = form(&[(FILE, &noise(size))]);
        for sent in [0, 30, whole.len() / 2, whole.len() - 1] {
            let sent = Bytes::copy_from_slice(&whole[..sent]);
            let body = stream::iter([Ok::<_, Infallible>(sent)]).chain(stream::pending());
            let request = deposit_as(Who::Worker)
                .body(Body::from_stream(body))
                .unwrap();
            let mut served = Box::pin(site.router.clone().oneshot(request));
            // Poll until nothing changes, then drop the request like a client that disconnects.
            for _ in 0..1000 {
                let poll = poll_fn(|context| Poll::Ready(served.as_mut().poll(context))).await;
                assert!(poll.is_pending());
                tokio::task::yield_now().await;
            }
            drop(served);
            site.assert_empty("dropped").await;
        }
    }
}

#[tokio::test]
async fn truncated_bodies_leave_nothing_behind() {
    let site = Site::new().await;
    let whole = form(&[(FILE, &noise(200_000))]);
    for sent in [0, 30, 100_000, whole.len() - 1, whole.len()] {
        let sent = Bytes::copy_from_slice(&whole[..sent]);
        let body = stream::iter([Ok(sent), Err(std::io::Error::other("reset"))]);
        let request = deposit_as(Who::Worker)
            .body(Body::from_stream(body))
            .unwrap();
        site.send(request)
            .await
            .assert_problem(400, "bad-request", "cut short");
        site.assert_empty("cut short").await;
    }
}

#[tokio::test]
async fn deposits_are_invisible_until_they_are_stored() {
    let site = Site::new().await;
    let hold = site.backend.hold(Operation::Store, Point::Before);
    let body = Body::from(form(&[(FILE, b"bytes")]));
    let request = deposit_as(Who::Worker).body(body).unwrap();
    let served = tokio::spawn(site.router.clone().oneshot(request));
    hold.reached().await;
    site.assert_empty("not stored yet").await;
    hold.release();
    assert_eq!(served.await.unwrap().unwrap().status(), 201);
}

#[tokio::test(start_paused = true)]
async fn a_deposit_that_the_backend_never_finishes_is_503_at_the_commit_timeout() {
    let limit = Duration::from_secs(90);
    let site = Site::with_commit_timeout(HttpConfig::default().with_max_uploads(1), limit).await;
    let deposit = || {
        let body = Body::from(form(&[(FILE, b"bytes")]));
        deposit_as(Who::Worker).body(body).unwrap()
    };
    let hold = site.backend.hold(Operation::Store, Point::Before);
    let start = Instant::now();
    let reply = site.send(deposit()).await;
    assert_eq!(reply.status, 503);
    assert_eq!(reply.header("retry-after"), "1");
    // The clock of a runtime counts milliseconds.
    let elapsed = start.elapsed();
    assert!(elapsed < limit + Duration::from_millis(2), "{elapsed:?}");
    site.assert_empty("never stored").await;
    hold.release();
    // Its permit is returned.
    assert_eq!(site.send(deposit()).await.status, 201);
}

#[tokio::test]
async fn concurrent_deposits_are_limited_per_principal_and_in_total() {
    let config = HttpConfig::default()
        .with_max_uploads(3)
        .with_max_uploads_per_principal(2);
    let site = Site::with(config).await;
    let mut under_way = Vec::new();
    for who in [Who::Worker, Who::Worker, Who::Neighbour] {
        // The body never ends.
        let begun = Bytes::copy_from_slice(&form(&[(FILE, b"bytes")])[..50]);
        let body = stream::iter([Ok::<_, Infallible>(begun)]).chain(stream::pending());
        let request = deposit_as(who).body(Body::from_stream(body)).unwrap();
        let mut served = Box::pin(site.router.clone().oneshot(request));
        let poll = poll_fn(|context| Poll::Ready(served.as_mut().poll(context))).await;
        assert!(poll.is_pending());
        under_way.push(served);
    }
    for (who, status) in [(Who::Worker, 429), (Who::Neighbour, 503), (Who::Admin, 503)] {
        let refused = deposit_as(who).body(untouchable()).unwrap();
        let reply = site.send(refused).await;
        reply.assert_problem(status, "about:blank", &format!("{who:?}"));
        assert_eq!(reply.header("retry-after"), "1");
    }
    // A dropped deposit returns its permit at once.
    under_way.pop();
    let body = Body::from(form(&[(FILE, b"bytes")]));
    let reply = site.send(deposit_as(Who::Admin).body(body).unwrap()).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
}

#[tokio::test]
async fn the_rate_of_requests_is_limited_per_principal() {
    let rate = RequestRate::new(1, 3).unwrap();
    let site = Site::with(HttpConfig::default().with_request_rate(rate)).await;
    let send = async |who: Who, path: &str| {
        let request = request(Method::GET, path, who, "demo").body(Body::empty());
        site.send(request.unwrap()).await
    };
    let (known, unknown) = ("/v0/experiments/demo", "/v0/nothing");
    // Requests for unknown paths count, too.
    for (path, status) in [(known, 200), (unknown, 404), (known, 200)] {
        assert_eq!(send(Who::Worker, path).await.status, status, "{path}");
    }
    for path in [known, unknown] {
        let reply = send(Who::Worker, path).await;
        reply.assert_problem(429, "about:blank", path);
        assert_eq!(reply.header("retry-after"), "1");
    }
    // A deposit is refused before any byte of its body is read.
    let refused = deposit_as(Who::Worker).body(untouchable()).unwrap();
    assert_eq!(site.send(refused).await.status, 429);
    // The others have their own count. A wrong credential never reaches the limiter, and health needs none.
    assert_eq!(send(Who::Neighbour, known).await.status, 200);
    assert_eq!(send(Who::Admin, known).await.status, 200);
    for _ in 0..5 {
        assert_eq!(send(Who::Wrong, known).await.status, 401);
        assert_eq!(send(Who::Worker, "/healthz").await.status, 200);
    }
}

#[tokio::test]
async fn bodies_that_time_out_are_408() {
    let site = Site::new().await;
    let whole = form(&[(FILE, &noise(100))]);
    for sent in [0, 30, 150, whole.len() - 1, whole.len()] {
        let sent = Bytes::copy_from_slice(&whole[..sent]);
        let slow = std::io::Error::from(std::io::ErrorKind::TimedOut);
        let body = Body::from_stream(stream::iter([Ok(sent), Err(slow)]));
        let reply = site.send(deposit_as(Who::Worker).body(body).unwrap()).await;
        reply.assert_problem(408, "about:blank", "slow");
        site.assert_empty("slow").await;
    }
}

#[tokio::test]
async fn responses_carry_the_route_and_the_principal() {
    let site = Site::new().await;
    let artifacts = "/v0/experiments/demo/artifacts";
    let template = "/v0/experiments/{E}/artifacts";
    for (who, path, route) in [
        (Who::Worker, artifacts, template),
        (Who::Admin, "/v0/experiments/demo", "/v0/experiments/{E}"),
        (Who::Anonymous, artifacts, "-"),
        (Who::Wrong, artifacts, "-"),
        (Who::Worker, "/v0/experiments/demo/secret", "-"),
        (Who::Anonymous, "/healthz", "/healthz"),
    ] {
        let request = request(Method::GET, path, who, "demo");
        let request = request.body(Body::empty()).unwrap();
        let response = site.router.clone().oneshot(request).await.unwrap();
        let info = response.extensions().get::<RequestInfo>().unwrap();
        assert_eq!(info.route(), route, "{who:?} {path}");
        let principal = info.principal().map(artifact_store::PrincipalId::as_str);
        let expected = (who.is_known()).then(|| who.id());
        assert_eq!(principal, expected, "{who:?} {path}");
    }
}
