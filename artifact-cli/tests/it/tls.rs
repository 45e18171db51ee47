//! A server that speaks TLS itself.

use std::fs::{Permissions, set_permissions};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tempfile::TempDir;

use crate::harness::{Answer, Server, artifact, read_to_end, run, run_refused, run_with};

const ONE: (&str, &str) = (
    include_str!("../tls/one.pem"),
    include_str!("../tls/one.key"),
);
const TWO: (&str, &str) = (
    include_str!("../tls/two.pem"),
    include_str!("../tls/two.key"),
);
const CANARY: &str = "canary-in-the-key-7731";
const TLS: [&str; 4] = ["--tls-cert", "cert.pem", "--tls-key", "cert.key"];

/// Writes a certificate and its key where the server looks for them.
#[expect(clippy::disallowed_methods, reason = "a test makes its own files")]
fn install(folder: &Path, (certificate, key): (&str, &str)) {
    std::fs::write(folder.join("cert.pem"), certificate).unwrap();
    let path = folder.join("cert.key");
    std::fs::write(&path, key).unwrap();
    set_permissions(path, Permissions::from_mode(0o600)).unwrap();
}

fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    install(folder.path(), ONE);
    folder
}

fn der(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
}

/// A connection on which TLS was agreed on, with these protocols on offer.
fn connect(
    server: &Server,
    trusted: &[&str],
    protocols: &[&str],
) -> Option<StreamOwned<ClientConnection, TcpStream>> {
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
    let mut stream = tcp(server);
    while client.is_handshaking() {
        client.complete_io(&mut stream).ok()?;
    }
    Some(StreamOwned::new(client, stream))
}

fn tcp(server: &Server) -> TcpStream {
    TcpStream::connect(server.url.strip_prefix("https://").unwrap()).unwrap()
}

#[test]
fn what_goes_in_comes_out_over_tls() {
    let server = Server::start_in(folder(), &TLS);
    assert!(
        server.url.starts_with("https://127.0.0.1:"),
        "{}",
        server.url
    );
    let trusting = |arguments: &[&str]| {
        let mut command = server.client(arguments);
        command.env("SSL_CERT_FILE", "cert.pem");
        command
    };
    let put = run_with(&mut trusting(&["put", "-"]), b"over TLS").succeeded();
    let get = run(&mut trusting(&["get", put.stdout().trim_end()])).succeeded();
    assert_eq!(get.stdout(), "over TLS");
    // Whoever does not trust the certificate sends nothing.
    let distrusting = run_with(&mut server.client(&["put", "-"]), b"x");
    assert_eq!(distrusting.code, Some(1), "{distrusting:?}");
}

#[test]
fn the_protocol_is_agreed_on_and_problems_say_https() {
    let server = Server::start_in(folder(), &TLS);
    for (offered, agreed) in [
        (&["h2", "http/1.1"][..], Some("h2")),
        (&["http/1.1"], Some("http/1.1")),
        (&[], None),
    ] {
        let stream = connect(&server, &[ONE.0], offered).unwrap();
        let found = stream.conn.alpn_protocol();
        assert_eq!(found, agreed.map(str::as_bytes));
    }
    let mut stream = connect(&server, &[ONE.0], &[]).unwrap();
    stream
        .write_all(b"GET /x HTTP/1.1\r\nHost: files.example\r\nConnection: close\r\n\r\n")
        .unwrap();
    let answer = Answer::of(&read_to_end(&mut stream));
    let problem = answer.assert_problem(404, "eden://error/not-found");
    assert_eq!(problem["instance"], "https://files.example/x");
    // What is no TLS is closed.
    let mut plain = tcp(&server);
    plain.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    assert!(!read_to_end(&mut plain).starts_with(b"HTTP"));
}

#[test]
fn limits_hold_under_tls_and_before_it() {
    let server = Server::start_in(folder(), &[&TLS[..], &["--header-timeout", "1"]].concat());
    assert_eq!(read_to_end(&mut tcp(&server)), b"");
    let mut stream = connect(&server, &[ONE.0], &[]).unwrap();
    stream.write_all(b"GET / HT").unwrap();
    Answer::of(&read_to_end(&mut stream)).assert_problem(408, "about:blank");
}

#[test]
fn a_hang_up_reads_the_certificate_anew_and_keeps_it_where_it_cannot() {
    let mut server = Server::start_in(folder(), &[&TLS[..], &["--log-level", "trace"]].concat());
    let mut before = connect(&server, &[ONE.0], &[]).unwrap();
    install(server.folder.path(), TWO);
    server.signal("HUP");
    server.wait_until("the other certificate", || {
        let stream = connect(&server, &[ONE.0, TWO.0], &[]).unwrap();
        stream.conn.peer_certificates() == Some(&[der(TWO.0)])
    });
    // What was agreed on before goes on.
    before
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n")
        .unwrap();
    let mut status = [0; 12];
    before.read_exact(&mut status).unwrap();
    assert_eq!(&status, b"HTTP/1.1 200");

    for key in [
        CANARY.to_owned(),
        ONE.1.to_owned(),
        format!("{CANARY}\n{}", ONE.1),
    ] {
        let failures = || server.stderr().matches("could not be read anew").count();
        let so_far = failures();
        install(server.folder.path(), (TWO.0, &key));
        server.signal("HUP");
        server.wait_until("the line of the log", || failures() > so_far);
        assert!(connect(&server, &[TWO.0], &[]).is_some());
    }
    assert!(!server.stderr().contains(CANARY), "{}", server.stderr());
    let secret = ONE.1.lines().nth(1).unwrap();
    assert!(!server.stderr().contains(secret), "{}", server.stderr());
    server.signal("TERM");
    assert_eq!(server.wait().0, Some(0), "{}", server.stderr());
}

#[test]
fn what_is_in_flight_is_finished_after_a_signal() {
    let mut server = Server::start_in(folder(), &TLS);
    let mut stream = connect(&server, &[ONE.0], &[]).unwrap();
    let head = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n";
    let tail = "in flight\r\n--b--\r\n";
    write!(
        stream,
        "POST /v0/experiments/default/artifacts HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer \
         admin:{}\r\nX-Eden-Experiment-Id: default\r\nExpect: 100-continue\r\nContent-Type: \
         multipart/form-data; boundary=b\r\nContent-Length: {}\r\n\r\n",
        server.token(),
        head.len() + tail.len()
    )
    .unwrap();
    let mut asked = [0; 25];
    stream.read_exact(&mut asked).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    // A handshake that has not begun holds nothing up.
    let _silent = tcp(&server);
    server.signal("TERM");
    let address = server.url.strip_prefix("https://").unwrap().to_owned();
    server.wait_until("no more connections", || {
        TcpStream::connect(&address).is_err()
    });
    stream.write_all(tail.as_bytes()).unwrap();
    assert_eq!(Answer::of(&read_to_end(&mut stream)).status, 201);
    assert_eq!(server.wait().0, Some(0), "{}", server.stderr());
}

#[test]
fn files_that_do_not_fit_are_refused() {
    let folder = folder();
    let path = folder.path();
    let cannot = "TLS cannot be used; look at --tls-cert and --tls-key: ";
    let refuse = |arguments: &[&str], sentence: &str| {
        let mut command = artifact(path);
        command.args(["serve", "--listen", "127.0.0.1:0"]);
        let done = run_refused(command.args(arguments));
        assert_eq!(done.code, Some(2), "{done:?}");
        assert!(
            done.stderr.starts_with(&format!("error: {sentence}")),
            "{done:?}"
        );
        assert!(!done.stderr.contains(CANARY), "{done:?}");
        assert!(!path.join("artifact-data").exists());
    };
    refuse(&TLS[..2], "there is --tls-cert and no --tls-key; give both");
    refuse(&TLS[2..], "there is --tls-key and no --tls-cert; give both");
    install(path, (CANARY, ONE.1));
    refuse(
        &TLS,
        &format!("{cannot}there is no certificate in cert.pem"),
    );
    install(path, (ONE.0, CANARY));
    refuse(
        &TLS,
        &format!("{cannot}there is no private key in cert.key"),
    );
    install(path, (ONE.0, TWO.1));
    refuse(
        &TLS,
        &format!("{cannot}the certificate and the key do not belong together"),
    );
    install(path, ONE);
    set_permissions(path.join("cert.key"), Permissions::from_mode(0o644)).unwrap();
    refuse(
        &TLS,
        &format!("{cannot}other users can read or change the secret in cert.key"),
    );
}
