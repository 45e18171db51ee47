//! Tests a server with TLS.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use artifact_server::{Listener, ServeOutcome, ServerConfig, Tls};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::harness::{PATIENT, Response, TestServer, begin_upload, read_to_end};

const ONE: (&str, &str) = (
    include_str!("../tls/one.pem"),
    include_str!("../tls/one.key"),
);
const TWO: (&str, &str) = (
    include_str!("../tls/two.pem"),
    include_str!("../tls/two.key"),
);
const CANARY: &str = "canary-in-the-key-7731";

fn tls((chain, key): (&str, &str)) -> Tls {
    Tls::from_pem(chain.as_bytes(), key.as_bytes()).unwrap()
}

fn start(tls: Tls, config: ServerConfig) -> TestServer {
    let bind = || Listener::bind_tcp("127.0.0.1:0").unwrap();
    TestServer::start_on(bind, |server| server.with_tls(tls), config)
}

fn der(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
}

type Client = StreamOwned<ClientConnection, TcpStream>;

/// Connects, offers these application protocols, and performs the handshake.
fn connect(server: &TestServer, trusted: &[&str], protocols: &[&str]) -> Client {
    let mut roots = RootCertStore::empty();
    for pem in trusted {
        roots.add(der(pem)).unwrap();
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols
        .iter()
        .map(|name| name.as_bytes().into())
        .collect();
    let name = ServerName::try_from("localhost").unwrap();
    let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = server.connect();
    while client.is_handshaking() {
        client.complete_io(&mut stream).unwrap();
    }
    StreamOwned::new(client, stream)
}

#[test]
fn the_application_protocol_is_negotiated() {
    let server = start(tls(ONE), PATIENT);
    for (offered, negotiated) in [
        (&["h2", "http/1.1"][..], Some("h2")),
        (&["http/1.1"], Some("http/1.1")),
        (&[], None),
    ] {
        let stream = connect(&server, &[ONE.0], offered);
        let protocol = stream.conn.alpn_protocol();
        assert_eq!(protocol, negotiated.map(str::as_bytes));
    }
    let mut stream = connect(&server, &[ONE.0], &[]);
    stream
        .write_all(b"GET /ok HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        .unwrap();
    assert_eq!(Response::parse(&read_to_end(&mut stream)).body, b"ok");
}

#[test]
fn plain_http_is_closed_without_a_response() {
    let server = start(tls(ONE), PATIENT);
    let plain = server.send("GET / HTTP/1.1\r\n\r\n");
    assert!(!plain.starts_with(b"HTTP"));
}

#[test]
fn the_header_timeout_covers_the_handshake_and_the_header() {
    let config = ServerConfig {
        header_timeout: Duration::from_secs(1),
        ..PATIENT
    };
    let server = start(tls(ONE), config);
    assert_eq!(read_to_end(&mut server.connect()), b"");
    let mut stream = connect(&server, &[ONE.0], &[]);
    stream.write_all(b"GET / HT").unwrap();
    Response::parse(&read_to_end(&mut stream)).assert_rejection(408);
}

#[test]
fn a_replaced_certificate_applies_to_new_connections_only() {
    let shared = tls(ONE);
    let server = start(shared.clone(), PATIENT);
    let mut before = connect(&server, &[ONE.0], &[]);
    shared.replace(TWO.0.as_bytes(), TWO.1.as_bytes()).unwrap();
    let after = connect(&server, &[TWO.0], &[]);
    assert_eq!(after.conn.peer_certificates(), Some(&[der(TWO.0)][..]));
    before
        .write_all(b"GET /ok HTTP/1.1\r\nHost: h\r\n\r\n")
        .unwrap();
    let mut status = [0; 12];
    before.read_exact(&mut status).unwrap();
    assert_eq!(&status, b"HTTP/1.1 200");

    // The certificate stays in use if the new one is invalid.
    for key in [
        CANARY.to_owned(),
        ONE.1.to_owned(),
        format!("{CANARY}\n{}", ONE.1),
    ] {
        let error = shared
            .replace(TWO.0.as_bytes(), key.as_bytes())
            .unwrap_err();
        assert!(!format!("{error} {error:?}").contains(CANARY), "{error:?}");
        let stream = connect(&server, &[TWO.0], &[]);
        assert_eq!(stream.conn.peer_certificates(), Some(&[der(TWO.0)][..]));
    }
}

#[test]
fn open_requests_finish_after_the_server_stops_accepting() {
    let mut server = start(tls(ONE), PATIENT);
    let mut stream = connect(&server, &[ONE.0], &[]);
    begin_upload(&mut stream);
    // A handshake that has not begun does not delay the end.
    let _silent = server.connect();
    server.handle.drain();
    server.wait_until("no connection is accepted", || {
        TcpStream::connect(server.tcp_address()).is_err()
    });
    stream.write_all(b"56789").unwrap();
    assert_eq!(Response::parse(&read_to_end(&mut stream)).status, 201);
    assert_eq!(server.outcome(), ServeOutcome::Drained);
}

#[test]
fn unusable_certificates_are_errors_that_do_not_show_the_key() {
    for (chain, key, expected) in [
        (CANARY, ONE.1, "no certificate was found in the PEM"),
        (ONE.0, CANARY, "no private key was found in the PEM"),
        (
            ONE.0,
            TWO.1,
            "the certificate and the key do not belong together",
        ),
    ] {
        let error = Tls::from_pem(chain.as_bytes(), key.as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), expected);
        assert!(!format!("{error:?}").contains(CANARY), "{error:?}");
    }
    assert_eq!(format!("{:?}", tls(ONE)), "Tls { .. }");
}

#[test]
fn a_half_closed_client_gets_its_response() {
    let server = start(tls(ONE), PATIENT);
    for end_of_tcp in [false, true] {
        let mut stream = connect(&server, &[ONE.0], &[]);
        stream
            .write_all(b"POST /gate HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n01234")
            .unwrap();
        // The alert that ends TLS in one direction (RFC 8446, section 6.1).
        stream.conn.send_close_notify();
        stream.flush().unwrap();
        if end_of_tcp {
            stream.sock.shutdown(std::net::Shutdown::Write).unwrap();
        }
        server.wait_for_request();
        server.release();
        assert_eq!(Response::parse(&read_to_end(&mut stream)).body, b"released");
    }
    server.stop();
}

#[test]
fn a_reset_after_the_end_of_input_drops_the_request() {
    let server = start(tls(ONE), PATIENT);
    let mut stream = connect(&server, &[ONE.0], &[]);
    stream
        .write_all(b"POST /gate HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n01234")
        .unwrap();
    stream.conn.send_close_notify();
    stream.flush().unwrap();
    server.wait_for_request();
    socket2::SockRef::from(&stream.sock)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
    drop(stream);
    server.wait_until("the request is dropped", || {
        server.log().contains("outcome=\"gone\"")
    });
    server.stop();
}

#[test]
fn silent_connections_and_unfinished_handshakes_do_not_delay_the_end() {
    let server = start(tls(ONE), PATIENT);
    let _silent = server.connect();
    let mut begun = server.connect();
    // The first bytes of a TLS record with a handshake message.
    begun.write_all(&[22, 3, 1, 2, 0, 1]).unwrap();
    let mut half_a_header = connect(&server, &[ONE.0], &[]);
    half_a_header.write_all(b"GET / HTTP/1.1\r\n").unwrap();
    let _idle = connect(&server, &[ONE.0], &["h2"]);
    server.stop();
}
