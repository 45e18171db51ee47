//! Deposits through a proxy that changes one bit of the body.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use artifact_client::{Body, Client, Credential, DepositOptions, ErrorKind, RetryPolicy};
use bytes::Bytes;

use crate::harness::{Server, noise, run, run_with};

/// The position of the changed byte in each connection: in the artifact's bytes, after the header.
const CHANGED: usize = 300_000;

/// Starts a proxy for the server. Returns its URL.
fn flipping_proxy(server: &Server) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let upstream = server.url.strip_prefix("http://").unwrap().to_owned();
    thread::spawn(move || {
        for client in listener.incoming() {
            let client = client.unwrap();
            let server = TcpStream::connect(&upstream).unwrap();
            let (from, to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            thread::spawn(move || forward(from, to, None));
            thread::spawn(move || forward(client, server, Some(CHANGED)));
        }
    });
    url
}

/// Forwards bytes to the end of a connection, and changes one bit of one byte.
fn forward(mut from: TcpStream, mut to: TcpStream, changed: Option<usize>) {
    let mut buffer = vec![0; 64 << 10];
    let mut position = 0;
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if let Some(at) = changed.and_then(|at| at.checked_sub(position))
            && at < length
        {
            buffer[at] ^= 4;
        }
        position += length;
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Write);
}

#[test]
fn a_bit_changed_on_the_way_in_fails_every_put() {
    let mut server = Server::start(&[]);
    server.url = flipping_proxy(&server);
    let bytes = noise(700_000);
    server.write("file", &bytes);
    let file = run(&mut server.client(&["put", "file"]));
    let piped = run_with(&mut server.client(&["put", "-"]), &bytes);
    for done in [file, piped] {
        assert_eq!(done.code, Some(1), "{}", done.stderr);
        assert_eq!(done.stdout(), "");
        let text = "the bytes differ from those that were deposited";
        assert!(done.stderr.contains(text), "{}", done.stderr);
        assert!(done.stderr.contains("eden://artifacts/"), "{}", done.stderr);
        assert!(done.stderr.contains("deposit again"), "{}", done.stderr);
    }
}

#[tokio::test]
async fn a_bit_changed_on_the_way_in_fails_every_deposit_of_the_library() {
    let server = Server::start(&[]);
    let proxy = flipping_proxy(&server);
    // Each client has its own connection.
    let client = || {
        let credential = Credential::new("admin", &server.token()).unwrap();
        let builder = Client::builder(&proxy, "default", credential);
        builder
            .with_retry_policy(RetryPolicy::never())
            .build()
            .unwrap()
    };
    let bytes = Bytes::from(noise(700_000));
    let blobs = server.blobs();
    let error = client()
        .deposit(bytes.clone(), DepositOptions::default())
        .await;
    let error = error.unwrap_err();
    // The digest was sent ahead, so the server refuses the bytes and keeps nothing.
    assert_eq!(error.kind(), ErrorKind::BadRequest, "{error}");
    assert!(error.to_string().contains("Content-Digest"), "{error}");
    assert_eq!(server.blobs(), blobs);

    let chunks = futures_util::stream::iter([Ok(bytes.clone())]);
    let copy = bytes.clone();
    for body in [
        Body::from_stream(chunks),
        Body::repeatable(move || futures_util::stream::iter([Ok(copy.clone())])),
        Body::from_reader(std::io::Cursor::new(bytes)),
    ] {
        let error = client().deposit(body, DepositOptions::default()).await;
        let error = error.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DigestMismatch, "{error}");
    }
}
