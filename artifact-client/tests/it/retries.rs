//! Which requests are retried.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use artifact_client::{Body, DepositOptions, ErrorKind, RetryPolicy};
use bytes::Bytes;
use futures_util::stream;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpSocket;

use crate::server::{Reply, immediate_retries, listen, read_head, response, server_with_replies};

const URI: &str = "eden://artifacts/00112233445566778899aabbccddeeff";

fn rejected(status: &str) -> Reply {
    let headers = "connection: close\r\nretry-after: 0\r\n";
    Reply::Send(response(status, headers, ""))
}

fn created(size: u64) -> Reply {
    let json =
        format!(r#"{{"artifacts_uri":"{URI}","size_bytes":{size},"content_type":"text/plain"}}"#);
    Reply::Send(response("201 Created", "connection: close\r\n", &json))
}

fn lost_response() -> Reply {
    Reply::Send(String::new())
}

fn fetched() -> Reply {
    Reply::Send(response("200 OK", "connection: close\r\n", "hello"))
}

fn options() -> DepositOptions {
    DepositOptions::default()
}

/// A body that can be sent only once.
fn unrepeatable_body() -> Body {
    Body::from_stream(stream::iter([Ok(Bytes::from("hello"))]))
}

#[tokio::test]
async fn fetches_are_retried_after_temporary_failures() {
    for failure in [
        lost_response(),
        rejected("408 Request Timeout"),
        rejected("429 Too Many Requests"),
        rejected("502 Bad Gateway"),
        rejected("503 Service Unavailable"),
        rejected("504 Gateway Timeout"),
    ] {
        let (builder, served) = server_with_replies(vec![failure, fetched()]).await;
        let client = builder.build().unwrap();
        let bytes = client.fetch(URI).await.unwrap().into_bytes(9).await;
        assert_eq!(bytes.unwrap(), "hello");
        assert_eq!(served.await.unwrap().len(), 2);
    }
    for status in [
        "400 Bad Request",
        "404 Not Found",
        "500 Internal Server Error",
        "307 Moved",
    ] {
        let (builder, served) = server_with_replies(vec![rejected(status)]).await;
        builder.build().unwrap().fetch(URI).await.unwrap_err();
        assert_eq!(served.await.unwrap().len(), 1, "{status}");
    }
}

#[tokio::test]
async fn retries_are_limited_and_reported_before_their_delay() {
    let busy = || rejected("503 Service Unavailable");
    let (builder, served) = server_with_replies(vec![busy(), busy(), busy(), busy()]).await;
    let reported = Arc::new(Mutex::new(vec![]));
    let client = {
        let reported = Arc::clone(&reported);
        builder
            .with_on_retry(move |error, delay| reported.lock().unwrap().push((error.kind(), delay)))
    };
    let error = client.build().unwrap().stat(URI).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(error.status(), Some(503));
    assert_eq!(error.retry_after(), Some(Duration::ZERO));
    assert_eq!(served.await.unwrap().len(), 4);
    let reported = reported.lock().unwrap();
    assert_eq!(*reported, [(ErrorKind::Unavailable, Duration::ZERO); 3]);
}

#[tokio::test]
async fn a_retry_after_above_the_limit_ends_the_retries() {
    let later = response("503 Service Unavailable", "retry-after: 3600\r\n", "");
    let (builder, served) = server_with_replies(vec![Reply::Send(later)]).await;
    let error = builder.build().unwrap().fetch(URI).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(error.retry_after(), Some(Duration::from_hours(1)));
    assert_eq!(served.await.unwrap().len(), 1);
}

#[tokio::test]
async fn deposits_are_retried_after_429() {
    let (builder, served) = server_with_replies(vec![
        rejected("429 Too Many Requests"),
        rejected("429 Too Many Requests"),
        created(5),
    ])
    .await;
    let reported = Arc::new(Mutex::new(vec![]));
    let options = {
        let reported = Arc::clone(&reported);
        options().with_progress(move |p| reported.lock().unwrap().push((p.bytes, p.total)))
    };
    let deposited = builder.build().unwrap().deposit("hello", options).await;
    assert_eq!(deposited.unwrap().uri, URI);
    let requests = served.await.unwrap();
    assert_eq!(requests.len(), 3);
    // Every attempt sends the same complete body.
    assert_eq!(requests[0].body, requests[2].body);
    assert_eq!(requests[2].body, b"hello");
    let key = |n: usize| requests[n].header("idempotency-key").unwrap();
    assert_eq!(key(0), key(2));
    assert_eq!(
        *reported.lock().unwrap(),
        [(0, Some(5)), (5, Some(5))].repeat(3)
    );
}

/// The body has 64 MiB, so the server cannot have received all of it when it responds.
#[tokio::test]
async fn deposits_are_retried_after_503_during_the_body() {
    let (builder, listener) = listen().await;
    let served = tokio::spawn(async move {
        let mut open = vec![];
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().await.unwrap();
            read_head(&mut stream).await.unwrap();
            let busy = "HTTP/1.1 503 Busy\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            stream.write_all(busy.as_bytes()).await.unwrap();
            open.push(stream);
        }
        open.len()
    });
    let client = builder
        .with_retry_policy(immediate_retries(1))
        .build()
        .unwrap();
    let error = client.deposit(vec![0; 64 << 20], options()).await;
    assert_eq!(error.unwrap_err().status(), Some(503));
    assert_eq!(served.await.unwrap(), 2);
}

/// Failures after which the artifact may exist.
fn unknown_outcomes() -> [Reply; 6] {
    [
        lost_response(),
        // The client has sent the whole body before these responses.
        rejected("503 Service Unavailable"),
        rejected("502 Bad Gateway"),
        rejected("504 Gateway Timeout"),
        rejected("408 Request Timeout"),
        Reply::Send("HTTP/1.1 201 Created\r\ncontent-length: 9\r\n\r\n{".to_owned()),
    ]
}

#[tokio::test]
async fn deposits_that_may_have_succeeded_are_retried_with_the_same_key() {
    for own_key in [None, Some("own")] {
        let mut replies: Vec<_> = unknown_outcomes().into();
        replies.push(created(5));
        let (builder, served) = server_with_replies(replies).await;
        let builder = builder.with_retry_policy(immediate_retries(6));
        let client = builder.build().unwrap();
        let mut options = options();
        if let Some(key) = own_key {
            options = options.with_idempotency_key(key);
        }
        let deposited = client.deposit("hello", options).await.unwrap();
        assert_eq!(deposited.uri, URI);
        let requests = served.await.unwrap();
        assert_eq!(requests.len(), 7);
        let key = requests[0].header("idempotency-key").unwrap();
        assert_eq!(key == "\"own\"", own_key.is_some(), "{key}");
        for request in &requests {
            assert!(request.head.starts_with("POST /v1/"), "{}", request.head);
            assert_eq!(request.header("idempotency-key"), Some(key));
            assert_eq!(request.body, b"hello");
        }
    }
    for status in ["400 Bad Request", "413 Content Too Large", "500 Fault"] {
        let (builder, served) = server_with_replies(vec![rejected(status)]).await;
        let client = builder.build().unwrap();
        client.deposit("hello", options()).await.unwrap_err();
        assert_eq!(served.await.unwrap().len(), 1, "{status}");
    }
}

#[tokio::test]
async fn deposits_fall_back_to_forms_if_the_server_has_no_other_path() {
    let not_found = || rejected("404 Not Found");
    let replies = vec![not_found(), created(5), created(5), lost_response()];
    let (builder, served) = server_with_replies(replies).await;
    let client = builder.build().unwrap();
    client.deposit("hello", options()).await.unwrap();
    // A clone knows it too, and a body that can be sent only once needs no second request.
    let clone = client.clone();
    let deposited = clone.deposit(unrepeatable_body(), options()).await;
    deposited.unwrap();
    let error = client.deposit("hello", options()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Interrupted);
    let own = options().with_idempotency_key("k");
    let error = client.deposit("hello", own).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    let requests = served.await.unwrap();
    let paths = requests
        .iter()
        .map(|request| request.head.get(..8).unwrap());
    let paths: Vec<_> = paths.collect();
    assert_eq!(paths, ["POST /v1", "POST /v0", "POST /v0", "POST /v0"]);
    assert!(
        requests[1..]
            .iter()
            .all(|request| request.header("idempotency-key").is_none())
    );

    // Without a second try there is no form, and an own key is never given up.
    for (body, options) in [
        (unrepeatable_body(), options()),
        ("hello".into(), options().with_idempotency_key("k")),
    ] {
        let (builder, served) = server_with_replies(vec![not_found()]).await;
        let client = builder.build().unwrap();
        let error = client.deposit(body, options).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert_eq!(served.await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn forms_that_may_have_succeeded_are_not_retried() {
    for (failure, kind) in [
        (lost_response(), ErrorKind::Interrupted),
        // The client has sent the whole body before these responses.
        (rejected("503 Service Unavailable"), ErrorKind::Unavailable),
        (rejected("502 Bad Gateway"), ErrorKind::Unavailable),
        (rejected("504 Gateway Timeout"), ErrorKind::Unavailable),
        (rejected("408 Request Timeout"), ErrorKind::Unavailable),
        (
            Reply::Send("HTTP/1.1 201 Created\r\ncontent-length: 9\r\n\r\n{".to_owned()),
            ErrorKind::Interrupted,
        ),
    ] {
        // A retry would take the second reply.
        let (builder, served) = server_with_replies(vec![failure, created(5)]).await;
        let client = builder.with_form_deposits().build().unwrap();
        let error = client.deposit("hello", options()).await.unwrap_err();
        assert_eq!(error.kind(), kind);
        assert!(!served.is_finished());
        served.abort();
    }
}

#[tokio::test]
async fn forms_that_may_have_succeeded_are_retried_if_orphans_are_allowed() {
    for failure in [
        lost_response(),
        rejected("503 Service Unavailable"),
        rejected("504 Gateway Timeout"),
        Reply::Send("HTTP/1.1 201 Created\r\ncontent-length: 9\r\n\r\n{".to_owned()),
    ] {
        let (builder, served) = server_with_replies(vec![failure, created(5)]).await;
        let options = options().with_orphans_allowed();
        let client = builder.with_form_deposits().build().unwrap();
        let deposited = client.deposit("hello", options).await.unwrap();
        assert_eq!(deposited.uri, URI);
        assert_eq!(served.await.unwrap().len(), 2);
    }
    // Permanent errors are not retried.
    for status in ["400 Bad Request", "413 Content Too Large", "500 Fault"] {
        let (builder, served) = server_with_replies(vec![rejected(status)]).await;
        let options = options().with_orphans_allowed();
        let client = builder.with_form_deposits().build().unwrap();
        client.deposit("hello", options).await.unwrap_err();
        assert_eq!(served.await.unwrap().len(), 1, "{status}");
    }
}

#[tokio::test]
async fn unrepeatable_bodies_are_sent_only_once() {
    for options in [options(), options().with_orphans_allowed()] {
        let (builder, served) =
            server_with_replies(vec![rejected("429 Too Many Requests"), created(5)]).await;
        let error = builder
            .build()
            .unwrap()
            .deposit(unrepeatable_body(), options)
            .await;
        assert_eq!(error.unwrap_err().status(), Some(429));
        assert!(!served.is_finished());
        served.abort();
    }
}

#[tokio::test]
async fn failed_sources_are_not_opened_again() {
    let (builder, listener) = listen().await;
    let opened = Arc::new(Mutex::new(0));
    let body = {
        let opened = Arc::clone(&opened);
        Body::repeatable(move || {
            *opened.lock().unwrap() += 1;
            stream::iter([Err(io::Error::other("disk gone"))])
        })
    };
    let client = builder
        .with_retry_policy(immediate_retries(3))
        .build()
        .unwrap();
    let options = options().with_orphans_allowed();
    let error = client.deposit(body, options).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Source);
    assert_eq!(*opened.lock().unwrap(), 1);
    drop(listener);
}

/// The port is bound, but the socket listens only from the second attempt on.
#[tokio::test]
async fn deposits_are_retried_after_a_failed_connect() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://{}", socket.local_addr().unwrap());
    let credential = "admin:secret".parse().unwrap();
    // The client's retry callback starts the server between the attempts.
    let socket = Mutex::new(Some(socket));
    let listener = Arc::new(Mutex::new(None));
    let client = {
        let listener = Arc::clone(&listener);
        artifact_client::Client::builder(&url, "exp-1", credential)
            .with_retry_policy(immediate_retries(1))
            .with_on_retry(move |error, _| {
                assert_eq!(error.kind(), ErrorKind::Unavailable);
                let socket = socket.lock().unwrap().take().unwrap();
                let listening = socket.listen(8).unwrap();
                *listener.lock().unwrap() = Some(tokio::spawn(async move {
                    let (mut stream, _) = listening.accept().await.unwrap();
                    crate::server::read_request(&mut stream).await.unwrap();
                    let Reply::Send(text) = created(5) else {
                        unreachable!("created returns Reply::Send");
                    };
                    stream.write_all(text.as_bytes()).await.unwrap();
                }));
            })
            .build()
            .unwrap()
    };
    let deposited = client.deposit("hello", options()).await.unwrap();
    assert_eq!(deposited.uri, URI);
    let served = listener.lock().unwrap().take().unwrap();
    served.await.unwrap();
}

#[tokio::test]
async fn the_policy_never_disables_retries() {
    let (builder, served) = server_with_replies(vec![lost_response()]).await;
    let client = builder.with_retry_policy(RetryPolicy::never());
    let error = client.build().unwrap().fetch(URI).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Interrupted);
    assert_eq!(served.await.unwrap().len(), 1);
}
