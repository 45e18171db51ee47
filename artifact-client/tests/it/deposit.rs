use std::io;
use std::time::Duration;

use artifact_client::{Body, Client, DepositOptions, ErrorKind, Operation};
use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use tokio::io::AsyncWriteExt;

use crate::server::{
    Reply, SECRET, listen, read_head, read_request, response, server_replying, server_with_replies,
};

const URI: &str = "eden://artifacts/00112233445566778899aabbccddeeff";

fn created(size: u64) -> String {
    let json = format!(
        r#"{{"artifacts_uri":"{URI}","size_bytes":{size},"content_type":"text/plain","later":1}}"#
    );
    response("201 Created", "content-type: application/json\r\n", &json)
}

fn problem(status: &str, kind: &str, detail: &str) -> String {
    let json = format!(
        r#"{{"type":"eden://error/{kind}","title":"T","status":1,"detail":"{detail}","instance":"x"}}"#
    );
    response(status, "content-type: application/problem+json\r\n", &json)
}

/// The digest field of `hello`.
const HELLO: &str = "sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:";

/// Returns a 201 for the deposit of `hello`, with this digest.
fn created_with_digest(digest: &str) -> String {
    let json = format!(r#"{{"artifacts_uri":"{URI}","size_bytes":5,"content_type":"text/plain"}}"#);
    response("201 Created", &format!("repr-digest: {digest}\r\n"), &json)
}

/// Every kind of body, each with the bytes `hello`.
fn bodies() -> [Body; 4] {
    let chunks = || stream::iter(["he", "llo"]).map(|chunk| Ok(Bytes::from(chunk)));
    [
        "hello".into(),
        Body::repeatable(chunks),
        Body::from_stream(chunks()),
        Body::from_reader(&b"hello"[..]),
    ]
}

#[tokio::test]
async fn the_digest_of_the_server_is_compared_for_every_kind_of_body() {
    let other = HELLO.replace("LPJN", "LPJM");
    for body in bodies() {
        let (client, _served) = server_replying(created_with_digest(HELLO)).await;
        let deposited = client.deposit(body, options()).await.unwrap();
        assert!(deposited.verified);
    }
    for body in bodies() {
        let (client, _served) = server_replying(created_with_digest(&other)).await;
        let error = client.deposit(body, options()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DigestMismatch);
        assert!(!error.is_retryable());
        assert!(error.detail().contains(URI), "{error}");
        assert!(error.detail().ends_with("deposit again"), "{error}");
    }
}

#[tokio::test]
async fn a_server_without_a_digest_leaves_the_deposit_unverified() {
    let without = [
        created(5),
        created_with_digest("sha-512=:AAAA:"),
        created_with_digest(""),
    ];
    for reply in without {
        let (client, _served) = server_replying(reply).await;
        let deposited = client.deposit("hello", options()).await.unwrap();
        assert!(!deposited.verified);
    }
    for digest in ["sha-256=:AAAA:", "sha-256=x"] {
        let (client, _served) = server_replying(created_with_digest(digest)).await;
        let error = client.deposit("hello", options()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol);
        assert!(error.detail().contains(URI), "{error}");
    }
}

#[tokio::test]
async fn a_receipt_is_asked_for_and_returned_only_if_wanted() {
    // printf 'a receipt\n' | base64
    for (field, expected) in [
        (
            "artifact-receipt: :YSByZWNlaXB0Cg==:\r\n",
            Some("a receipt\n"),
        ),
        // A server without receipts.
        ("", None),
    ] {
        for body in bodies() {
            let reply = created(5).replacen("content-type", &format!("{field}content-type"), 1);
            let (client, served) = server_replying(reply.clone()).await;
            let wanted = options().with_receipt();
            let deposited = client.deposit(body, wanted).await.unwrap();
            assert_eq!(deposited.receipt.as_deref(), expected);
            let request = served.await.unwrap();
            assert_eq!(request.header("artifact-receipt"), Some("?1"));
            let (client, served) = server_replying(reply).await;
            let deposited = client.deposit("hello", options()).await.unwrap();
            assert_eq!(deposited.receipt, None);
            assert_eq!(served.await.unwrap().header("artifact-receipt"), None);
        }
    }
}

#[tokio::test]
async fn a_malformed_receipt_is_an_error_that_names_the_artifact() {
    for value in ["YSByZWNlaXB0Cg==", ":YSByZW:", "::", "?1"] {
        let field = format!("artifact-receipt: {value}\r\ncontent-type");
        let reply = created(5).replacen("content-type", &field, 1);
        let (client, _served) = server_replying(reply).await;
        let error = client.deposit("hello", options().with_receipt()).await;
        let error = error.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{value}");
        assert!(!error.is_retryable());
        assert!(error.detail().contains(URI), "{error}");
    }
}

#[tokio::test]
async fn a_digest_is_sent_ahead_only_for_bytes_in_memory() {
    for (body, ahead) in bodies().into_iter().zip([true, false, false, false]) {
        let (client, served) = server_replying(created_with_digest(HELLO)).await;
        client.deposit(body, options().with_size(5)).await.unwrap();
        let request = served.await.unwrap();
        let expected = ahead.then_some(HELLO);
        assert_eq!(request.header("content-digest"), expected);
        assert_eq!(request.header("content-length"), Some("5"));
        assert_eq!(request.body, b"hello");
    }
}

fn options() -> DepositOptions {
    DepositOptions::default()
}

#[tokio::test]
async fn deposits_send_the_file_itself_with_its_length_and_a_new_key() {
    let mut keys = vec![];
    for (name, disposition) in [
        (Some("a b.txt"), Some("attachment; filename=\"a b.txt\"")),
        (
            Some("a \"\r\n\u{e9}.txt"),
            Some("attachment; filename*=UTF-8''a%20%22%0D%0A%C3%A9.txt"),
        ),
        (None, None),
    ] {
        let (client, served) = server_replying(created_with_digest(HELLO)).await;
        let mut options = options().with_content_type("text/plain");
        if let Some(name) = name {
            options = options.with_file_name(name);
        }
        let deposited = client.deposit("hello", options).await.unwrap();
        assert_eq!(deposited.uri, URI);
        assert!(deposited.verified);
        let request = served.await.unwrap();
        let line = "POST /v1/experiments/exp-1/artifacts HTTP/1.1\r\n";
        assert!(request.head.starts_with(line), "{}", request.head);
        assert_eq!(request.header("content-type"), Some("text/plain"));
        assert_eq!(request.header("content-disposition"), disposition);
        assert_eq!(request.header("content-length"), Some("5"));
        assert_eq!(request.header("x-eden-experiment-id"), Some("exp-1"));
        assert_eq!(request.body, b"hello");
        let key = request.header("idempotency-key").unwrap().to_owned();
        let digits = key.strip_prefix('"').and_then(|key| key.strip_suffix('"'));
        let digits = digits.unwrap();
        assert!(digits.len() == 32 && digits.bytes().all(|b| b.is_ascii_hexdigit()));
        assert!(!keys.contains(&key), "{key}");
        keys.push(key);
    }
}

#[tokio::test]
async fn own_keys_are_sent_as_quoted_strings() {
    for (key, sent) in [("order-17", r#""order-17""#), (r#"a"b\c"#, r#""a\"b\\c""#)] {
        let (client, served) = server_replying(created(5)).await;
        let options = options().with_idempotency_key(key);
        client.deposit("hello", options).await.unwrap();
        let request = served.await.unwrap();
        assert_eq!(request.header("idempotency-key"), Some(sent));
    }
    let (builder, listener) = listen().await;
    let client = builder.build().unwrap();
    for key in ["", "a\nb", "caf\u{e9}", &"x".repeat(256)] {
        let options = options().with_idempotency_key(key);
        let error = client.deposit("x", options).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{key}");
    }
    // A form has no key.
    let options = options()
        .with_idempotency_key("k")
        .with_content_type("Multipart/Form-Data; boundary=x");
    let error = client.deposit("x", options).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.detail().contains("form"), "{error}");
    let listener = listener.into_std().unwrap();
    assert_eq!(
        listener.accept().unwrap_err().kind(),
        io::ErrorKind::WouldBlock
    );
}

#[tokio::test]
async fn a_key_of_another_deposit_has_its_own_kind() {
    let reply = problem("422 Unprocessable Content", "key-reused", "use a new key");
    let (client, _served) = server_replying(reply).await;
    let error = client.deposit("x", options()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::KeyReused);
    assert!(!error.is_retryable());
}

#[tokio::test]
async fn artifacts_of_the_types_of_forms_are_sent_in_a_form() {
    for content_type in [
        "multipart/form-data; boundary=x",
        "application/x-www-form-urlencoded",
    ] {
        let (client, served) = server_replying(created(5)).await;
        let options = options().with_content_type(content_type);
        client.deposit("hello", options).await.unwrap();
        let request = served.await.unwrap();
        assert!(request.head.starts_with("POST /v0/"), "{}", request.head);
        assert_eq!(request.header("idempotency-key"), None);
        let body = String::from_utf8(request.body).unwrap();
        let field = format!("\r\nContent-Type: {content_type}\r\n");
        assert!(body.contains(&field), "{body}");
    }
}

#[tokio::test]
async fn deposits_by_forms_send_one_form_with_one_file_and_a_length() {
    let (builder, served) = server_with_replies(vec![Reply::Send(created(5))]).await;
    let client = builder.with_form_deposits().build().unwrap();
    let options = options()
        .with_file_name("a \"b\\\r\n.txt")
        .with_content_type("text/plain");
    let deposited = client.deposit("hello", options).await.unwrap();
    assert_eq!(deposited.uri, URI);
    assert_eq!(deposited.size_bytes, 5);
    assert_eq!(deposited.content_type, "text/plain");
    let sha256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    assert_eq!(deposited.sha256.to_string(), sha256);
    assert!(!deposited.verified);

    let request = served.await.unwrap().pop().unwrap();
    assert!(
        request
            .head
            .starts_with("POST /v0/experiments/exp-1/artifacts HTTP/1.1\r\n")
    );
    assert_eq!(request.header("idempotency-key"), None);
    let bearer = format!("Bearer admin:{SECRET}");
    assert_eq!(request.header("authorization"), Some(bearer.as_str()));
    assert_eq!(request.header("x-eden-experiment-id"), Some("exp-1"));
    assert_eq!(
        request.header("content-length"),
        Some(request.body.len().to_string().as_str())
    );
    assert_eq!(request.header("transfer-encoding"), None);
    let form = request.header("content-type").unwrap();
    let boundary = form.strip_prefix("multipart/form-data; boundary=").unwrap();
    assert_eq!(
        str::from_utf8(&request.body).unwrap(),
        format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; \
             filename=\"a %22b%5C%0D%0A.txt\"\r\nContent-Type: text/plain\r\n\
             Content-Digest: {HELLO}\r\n\r\nhello\r\n--{boundary}--\r\n"
        )
    );
}

#[tokio::test]
async fn bodies_of_unknown_size_are_sent_chunked() {
    for (chunks, size) in [(vec!["ab", "", "c"], 3), (vec![], 0)] {
        let (client, served) = server_replying(created(size)).await;
        let body = Body::from_stream(stream::iter(chunks).map(|chunk| Ok(Bytes::from(chunk))));
        let deposited = client.deposit(body, options()).await.unwrap();
        assert_eq!(deposited.size_bytes, size);
        let request = served.await.unwrap();
        assert_eq!(request.header("content-length"), None);
        let whole: &[u8] = if size == 0 { b"" } else { b"abc" };
        assert_eq!(request.body, whole);
        let content_type = request.header("content-type");
        assert_eq!(content_type, Some("application/octet-stream"));
    }
}

#[tokio::test]
async fn empty_and_last_chunks_of_a_declared_size_are_sent() {
    for (chunks, size) in [
        (vec!["ab", "", "c", "", ""], 3),
        (vec!["abc"], 3),
        (vec![""], 0),
        (vec![], 0),
    ] {
        let (client, served) = server_replying(created(size)).await;
        let body = Body::from_stream(stream::iter(chunks).map(|chunk| Ok(Bytes::from(chunk))));
        let options = options().with_size(size);
        let deposited = client.deposit(body, options).await.unwrap();
        assert_eq!(deposited.size_bytes, size);
        let whole: &[u8] = if size == 0 { b"" } else { b"abc" };
        assert_eq!(served.await.unwrap().body, whole);
    }
}

#[tokio::test]
async fn each_error_status_has_its_kind_and_the_servers_text() {
    for (status, kind) in [
        ("400 Bad Request", ErrorKind::BadRequest),
        ("401 Unauthorized", ErrorKind::Unauthorized),
        ("403 Forbidden", ErrorKind::Forbidden),
        ("404 Not Found", ErrorKind::NotFound),
        ("405 Method Not Allowed", ErrorKind::BadRequest),
        ("413 Content Too Large", ErrorKind::TooLarge),
        ("429 Too Many Requests", ErrorKind::Unavailable),
        ("500 Internal Server Error", ErrorKind::ServerFault),
        ("503 Service Unavailable", ErrorKind::Unavailable),
        ("507 Insufficient Storage", ErrorKind::OutOfSpace),
        ("200 OK", ErrorKind::Protocol),
    ] {
        let (client, _served) =
            server_replying(problem(status, "some-type", r"say\u001b this")).await;
        let body = Body::from_reader(&b"x"[..]);
        let error = client.deposit(body, options()).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{status}");
        assert_eq!(error.operation(), Operation::Deposit);
        assert_eq!(
            error.status().map(|s| s.to_string()).as_deref(),
            Some(&status[..3])
        );
        let problem = error.problem().unwrap();
        assert_eq!(problem.kind, "eden://error/some-type");
        assert_eq!(problem.detail, "say\u{fffd} this");
        assert!(error.to_string().ends_with("say\u{fffd} this"), "{error}");
        assert!(!format!("{error:?}").contains(SECRET), "{error:?}");
    }
}

#[tokio::test]
async fn without_a_readable_problem_the_status_decides() {
    let endless = response("403 Forbidden", "", &"x".repeat(1 << 20));
    for reply in [response("403 Forbidden", "", "<html>"), endless] {
        let (client, _served) = server_replying(reply).await;
        let error = client.deposit("x", options()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Forbidden);
        assert_eq!(error.problem(), None);
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let (_, elsewhere) = listen().await;
    let location = format!("location: http://{}/\r\n", elsewhere.local_addr().unwrap());
    let (client, _served) =
        server_replying(response("307 Temporary Redirect", &location, "")).await;
    let error = client.deposit("x", options()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert_eq!(error.status(), Some(307));
    // A connection would be waiting in the listener's queue.
    elsewhere
        .into_std()
        .map(|l| l.accept().unwrap_err().kind())
        .map_or_else(
            |error| panic!("{error}"),
            |kind| assert_eq!(kind, io::ErrorKind::WouldBlock),
        );
}

#[tokio::test]
async fn a_different_byte_count_of_the_server_is_an_error() {
    let (client, _served) = server_replying(created(4)).await;
    let error = client.deposit("hello", options()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DigestMismatch);
    let detail = "5 bytes were sent, the server counted 4; do not use ";
    assert_eq!(error.detail(), format!("{detail}{URI}, and deposit again"));
}

#[tokio::test]
async fn malformed_deposit_responses_are_protocol_errors() {
    let with_uri =
        |uri: &str| format!(r#"{{"artifacts_uri":"{uri}","size_bytes":1,"content_type":"a/b"}}"#);
    for body in [
        "",
        "{}",
        "[]",
        &with_uri(""),
        &with_uri(r"eden://\u001b[2J"),
        &with_uri(&"x".repeat(513)),
        &" ".repeat(1 << 17),
    ] {
        let (client, _served) = server_replying(response("201 Created", "", body)).await;
        let error = client.deposit("x", options()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{body}");
    }
}

#[tokio::test]
async fn a_failing_or_missized_source_aborts_the_deposit() {
    let failing = || {
        let chunks = [Ok(Bytes::from("abc")), Err(io::Error::other("disk gone"))];
        Body::from_stream(stream::iter(chunks))
    };
    let three = || Body::from_stream(stream::iter([Ok(Bytes::from("abc"))]));
    for (body, options, message) in [
        (failing(), options(), "disk gone"),
        (failing(), options().with_size(5), "disk gone"),
        (
            three(),
            options().with_size(4),
            "the body has 3 bytes instead of the declared 4",
        ),
        (
            three(),
            options().with_size(2),
            "the body has more than the declared 2 bytes",
        ),
    ] {
        let (builder, listener) = listen().await;
        let served = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            read_request(&mut stream).await.map(drop)
        });
        let client = builder.build().unwrap();
        let error = client.deposit(body, options).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Source);
        let source = std::error::Error::source(&error).unwrap();
        assert_eq!(source.to_string(), message);
        // The server must not receive a complete form.
        assert_eq!(
            served.await.unwrap().unwrap_err().kind(),
            io::ErrorKind::UnexpectedEof
        );
    }
}

#[tokio::test]
async fn unreachable_servers_are_reported_as_unavailable() {
    let (builder, listener) = listen().await;
    drop(listener);
    let error = builder
        .build()
        .unwrap()
        .deposit("x", options())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.is_retryable());
}

#[tokio::test]
async fn lost_responses_are_reported_as_interrupted_and_not_retried() {
    let (builder, listener) = listen().await;
    let served = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_request(&mut stream).await.unwrap();
        drop(stream);
        listener
    });
    let error = builder
        .build()
        .unwrap()
        .deposit("x", options())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Interrupted);
    let listener = served.await.unwrap().into_std().unwrap();
    assert_eq!(
        listener.accept().unwrap_err().kind(),
        io::ErrorKind::WouldBlock
    );
}

#[tokio::test]
async fn stalled_servers_are_reported_as_interrupted() {
    // The server stops reading: once during the body, once after it.
    for size in [64 << 20, 1] {
        let (builder, listener) = listen().await;
        let served = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            read_head(&mut stream).await.unwrap();
            stream
        });
        let client: Client = builder
            .with_stall_timeout(Duration::from_millis(50))
            .build()
            .unwrap();
        let error = client.deposit(vec![0; size], options()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Interrupted);
        assert!(error.detail().contains("no progress"), "{error}");
        drop(served.await.unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_source_is_not_a_stall() {
    // A paused clock jumps to the next timer when all tasks wait. The client's time-out would fire
    // before the source's timer if it counted the time of the source.
    let (client, served) = server_replying(created(2)).await;
    let chunks = stream::iter(["a", "b"]).then(|chunk| async move {
        tokio::time::sleep(Duration::from_hours(1)).await;
        Ok(Bytes::from(chunk))
    });
    let deposited = client.deposit(Body::from_stream(chunks), options()).await;
    assert_eq!(deposited.unwrap().size_bytes, 2);
    served.await.unwrap();
}

#[tokio::test]
async fn error_responses_during_the_body_are_read() {
    let (builder, listener) = listen().await;
    let served = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_head(&mut stream).await.unwrap();
        let reply = problem("413 Content Too Large", "payload-too-large", "at most 1");
        stream.write_all(reply.as_bytes()).await.unwrap();
        stream
    });
    let endless = stream::repeat_with(|| Ok(Bytes::from_static(&[0; 4096])));
    let client = builder.build().unwrap();
    let error = client
        .deposit(Body::from_stream(endless), options())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert_eq!(error.problem().unwrap().detail, "at most 1");
    drop(served.await.unwrap());
}

#[tokio::test]
async fn a_201_before_the_end_of_the_body_is_an_error() {
    let (builder, listener) = listen().await;
    let served = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_head(&mut stream).await.unwrap();
        stream.write_all(created(1).as_bytes()).await.unwrap();
        stream
    });
    let body = Body::from_stream(stream::pending());
    let error = builder
        .build()
        .unwrap()
        .deposit(body, options())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
    drop(served.await.unwrap());
}

#[tokio::test]
async fn invalid_content_types_are_rejected_before_sending() {
    let (builder, listener) = listen().await;
    let client = builder.build().unwrap();
    for text in ["", "a\r\nb: c", "naïve", &"x".repeat(256)] {
        let error = client
            .deposit("x", options().with_content_type(text))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{text}");
    }
    let listener = listener.into_std().unwrap();
    assert_eq!(
        listener.accept().unwrap_err().kind(),
        io::ErrorKind::WouldBlock
    );
}
