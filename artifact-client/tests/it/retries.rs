//! What is tried again, and what never is.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use artifact_client::{Body, DepositOptions, ErrorKind, RetryPolicy};
use bytes::Bytes;
use futures_util::stream;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpSocket;

use crate::fake::{Turn, answer, at_once, in_turn, listen, read_head};

const URI: &str = "eden://artifacts/00112233445566778899aabbccddeeff";

fn refused(status: &str) -> Turn {
    let headers = "connection: close\r\nretry-after: 0\r\n";
    Turn::Answer(answer(status, headers, ""))
}

fn created(size: u64) -> Turn {
    let json =
        format!(r#"{{"artifacts_uri":"{URI}","size_bytes":{size},"content_type":"text/plain"}}"#);
    Turn::Answer(answer("201 Created", "connection: close\r\n", &json))
}

fn lost() -> Turn {
    Turn::Answer(String::new())
}

fn fetched() -> Turn {
    Turn::Answer(answer("200 OK", "connection: close\r\n", "hello"))
}

fn options() -> DepositOptions {
    DepositOptions::default()
}

/// A body that can be sent once only.
fn once() -> Body {
    Body::from_stream(stream::iter([Ok(Bytes::from("hello"))]))
}

#[tokio::test]
async fn a_fetch_is_tried_again_where_another_try_may_help() {
    for trouble in [
        lost(),
        refused("408 Request Timeout"),
        refused("429 Too Many Requests"),
        refused("502 Bad Gateway"),
        refused("503 Service Unavailable"),
        refused("504 Gateway Timeout"),
    ] {
        let (builder, served) = in_turn(vec![trouble, fetched()]).await;
        let client = builder.build().unwrap();
        let bytes = client.fetch(URI).await.unwrap().into_bytes(9).await;
        assert_eq!(bytes.unwrap(), "hello");
        assert_eq!(served.await.unwrap().len(), 2);
    }
    for refusal in [
        "400 Bad Request",
        "404 Not Found",
        "500 Internal Server Error",
        "307 Moved",
    ] {
        let (builder, served) = in_turn(vec![refused(refusal)]).await;
        builder.build().unwrap().fetch(URI).await.unwrap_err();
        assert_eq!(served.await.unwrap().len(), 1, "{refusal}");
    }
}

#[tokio::test]
async fn tries_are_bounded_and_each_is_told_of_before_its_pause() {
    let busy = || refused("503 Service Unavailable");
    let (builder, served) = in_turn(vec![busy(), busy(), busy(), busy()]).await;
    let told = Arc::new(Mutex::new(vec![]));
    let client = {
        let told = Arc::clone(&told);
        builder.with_on_retry(move |error, pause| told.lock().unwrap().push((error.kind(), pause)))
    };
    let error = client.build().unwrap().stat(URI).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(error.status(), Some(503));
    assert_eq!(error.retry_after(), Some(Duration::ZERO));
    assert_eq!(served.await.unwrap().len(), 4);
    let told = told.lock().unwrap();
    assert_eq!(*told, [(ErrorKind::Unavailable, Duration::ZERO); 3]);
}

#[tokio::test]
async fn a_server_that_asks_for_more_time_than_there_is_is_not_asked_again() {
    let later = answer("503 Service Unavailable", "retry-after: 3600\r\n", "");
    let (builder, served) = in_turn(vec![Turn::Answer(later)]).await;
    let error = builder.build().unwrap().fetch(URI).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(error.retry_after(), Some(Duration::from_hours(1)));
    assert_eq!(served.await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_deposit_is_made_again_where_the_one_before_was_refused_for_now() {
    let (builder, served) = in_turn(vec![
        refused("429 Too Many Requests"),
        refused("429 Too Many Requests"),
        created(5),
    ])
    .await;
    let told = Arc::new(Mutex::new(vec![]));
    let options = {
        let told = Arc::clone(&told);
        options().with_progress(move |p| told.lock().unwrap().push((p.bytes, p.total)))
    };
    let deposited = builder.build().unwrap().deposit("hello", options).await;
    assert_eq!(deposited.unwrap().uri, URI);
    let requests = served.await.unwrap();
    assert_eq!(requests.len(), 3);
    // Each is whole, and as the one before.
    assert_eq!(requests[0].body, requests[2].body);
    assert!(
        str::from_utf8(&requests[2].body)
            .unwrap()
            .contains("\r\n\r\nhello\r\n--")
    );
    assert_eq!(
        *told.lock().unwrap(),
        [(0, Some(5)), (5, Some(5))].repeat(3)
    );
}

/// Of a deposit of 64 MiB, of which the server cannot have had all when it answers.
#[tokio::test]
async fn a_503_in_the_middle_of_the_body_is_a_refusal_for_now() {
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
    let client = builder.with_retry_policy(at_once(1)).build().unwrap();
    let error = client.deposit(vec![0; 64 << 20], options()).await;
    assert_eq!(error.unwrap_err().status(), Some(503));
    assert_eq!(served.await.unwrap(), 2);
}

#[tokio::test]
async fn a_deposit_that_may_have_been_made_is_never_made_again_by_itself() {
    for (trouble, kind) in [
        (lost(), ErrorKind::Interrupted),
        // The whole body had gone when these came.
        (refused("503 Service Unavailable"), ErrorKind::Unavailable),
        (refused("502 Bad Gateway"), ErrorKind::Unavailable),
        (refused("504 Gateway Timeout"), ErrorKind::Unavailable),
        (refused("408 Request Timeout"), ErrorKind::Unavailable),
        (
            Turn::Answer("HTTP/1.1 201 Created\r\ncontent-length: 9\r\n\r\n{".to_owned()),
            ErrorKind::Interrupted,
        ),
    ] {
        // The second turn would be taken by a deposit that is made again.
        let (builder, served) = in_turn(vec![trouble, created(5)]).await;
        let client = builder.build().unwrap();
        let error = client.deposit("hello", options()).await.unwrap_err();
        assert_eq!(error.kind(), kind);
        assert!(!served.is_finished());
        served.abort();
    }
}

#[tokio::test]
async fn a_deposit_that_may_have_been_made_is_made_again_when_orphans_are_allowed() {
    for trouble in [
        lost(),
        refused("503 Service Unavailable"),
        refused("504 Gateway Timeout"),
        Turn::Answer("HTTP/1.1 201 Created\r\ncontent-length: 9\r\n\r\n{".to_owned()),
    ] {
        let (builder, served) = in_turn(vec![trouble, created(5)]).await;
        let options = options().with_orphans_allowed();
        let client = builder.build().unwrap();
        let deposited = client.deposit("hello", options).await.unwrap();
        assert_eq!(deposited.uri, URI);
        assert_eq!(served.await.unwrap().len(), 2);
    }
    // What no other try could mend is not tried again.
    for refusal in ["400 Bad Request", "413 Content Too Large", "500 Fault"] {
        let (builder, served) = in_turn(vec![refused(refusal)]).await;
        let options = options().with_orphans_allowed();
        let client = builder.build().unwrap();
        client.deposit("hello", options).await.unwrap_err();
        assert_eq!(served.await.unwrap().len(), 1, "{refusal}");
    }
}

#[tokio::test]
async fn a_body_that_can_be_sent_once_only_is_sent_once_only() {
    for options in [options(), options().with_orphans_allowed()] {
        let (builder, served) = in_turn(vec![refused("429 Too Many Requests"), created(5)]).await;
        let error = builder.build().unwrap().deposit(once(), options).await;
        assert_eq!(error.unwrap_err().status(), Some(429));
        assert!(!served.is_finished());
        served.abort();
    }
}

#[tokio::test]
async fn a_source_that_fails_is_not_asked_again() {
    let (builder, listener) = listen().await;
    let made = Arc::new(Mutex::new(0));
    let body = {
        let made = Arc::clone(&made);
        Body::repeatable(move || {
            *made.lock().unwrap() += 1;
            stream::iter([Err(io::Error::other("disk gone"))])
        })
    };
    let client = builder.with_retry_policy(at_once(3)).build().unwrap();
    let options = options().with_orphans_allowed();
    let error = client.deposit(body, options).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Source);
    assert_eq!(*made.lock().unwrap(), 1);
    drop(listener);
}

/// The port is bound and nobody listens on it, until the second try.
#[tokio::test]
async fn a_deposit_is_made_again_where_no_connection_came_about() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://{}", socket.local_addr().unwrap());
    let credential = "admin:secret".parse().unwrap();
    // The client itself makes the server listen, between its tries.
    let socket = Mutex::new(Some(socket));
    let listener = Arc::new(Mutex::new(None));
    let client = {
        let listener = Arc::clone(&listener);
        artifact_client::Client::builder(&url, "exp-1", credential)
            .with_retry_policy(at_once(1))
            .with_on_retry(move |error, _| {
                assert_eq!(error.kind(), ErrorKind::Unavailable);
                let socket = socket.lock().unwrap().take().unwrap();
                let listening = socket.listen(8).unwrap();
                *listener.lock().unwrap() = Some(tokio::spawn(async move {
                    let (mut stream, _) = listening.accept().await.unwrap();
                    crate::fake::read_request(&mut stream).await.unwrap();
                    let Turn::Answer(text) = created(5) else {
                        unreachable!("it is one");
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
async fn nothing_is_tried_again_when_it_never_should_be() {
    let (builder, served) = in_turn(vec![lost()]).await;
    let client = builder.with_retry_policy(RetryPolicy::never());
    let error = client.build().unwrap().fetch(URI).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Interrupted);
    assert_eq!(served.await.unwrap().len(), 1);
}
