//! `artifact serve` with a certificate. TLS itself is tested in artifact-server.

use std::fs::{Permissions, set_permissions};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

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

/// Writes a certificate and its key to the files that the server reads.
#[expect(clippy::disallowed_methods, reason = "a test writes its own files")]
fn install(folder: &Path, (certificate, key): (&str, &str)) {
    std::fs::create_dir_all(folder).unwrap();
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

/// Connects and performs the handshake.
fn connect(server: &Server, trusted: &[&str]) -> Option<StreamOwned<ClientConnection, TcpStream>> {
    let mut roots = RootCertStore::empty();
    for pem in trusted {
        roots.add(der(pem)).unwrap();
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
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
fn put_and_get_work_over_tls() {
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
    let by_file = ["get", put.stdout().trim_end(), "--ca-file", "cert.pem"];
    let get = run(&mut server.client(&by_file)).succeeded();
    assert_eq!(get.stdout(), "over TLS");
    // A client that does not trust the certificate fails at once, and says why.
    install(&server.path("other"), TWO);
    for arguments in [
        &["put", "-"][..],
        &["put", "-", "--ca-file", "other/cert.pem"],
    ] {
        let distrusting = run_with(&mut server.client(arguments), b"x");
        assert_eq!(distrusting.code, Some(1), "{distrusting:?}");
        let said = &distrusting.stderr;
        assert!(said.contains("is not trusted; give --ca-file"), "{said}");
        assert!(!said.contains("again in"), "{said}");
    }
}

#[test]
fn unusable_files_of_trusted_certificates_are_refused() {
    let server = Server::start_in(folder(), &TLS);
    for (file, sentence) in [
        ("absent.pem", "cannot read absent.pem; check --ca-file"),
        (
            "cert.key",
            "--ca-file (cert.key) cannot be used: there is no certificate in the PEM",
        ),
    ] {
        let done = run_refused(&mut server.client(&["whoami", "--ca-file", file]));
        assert_eq!(done.code, Some(2), "{done:?}");
        assert!(
            done.stderr.starts_with(&format!("error: {sentence}")),
            "{done:?}"
        );
    }
}

#[test]
fn problems_name_https() {
    let server = Server::start_in(folder(), &TLS);
    let mut stream = connect(&server, &[ONE.0]).unwrap();
    stream
        .write_all(b"GET /x HTTP/1.1\r\nHost: files.example\r\nConnection: close\r\n\r\n")
        .unwrap();
    let answer = Answer::of(&read_to_end(&mut stream));
    let problem = answer.assert_problem(404, "eden://error/not-found");
    assert_eq!(problem["instance"], "https://files.example/x");
}

#[test]
fn sighup_reloads_the_certificate_and_keeps_it_if_the_files_are_invalid() {
    let mut server = Server::start_in(folder(), &[&TLS[..], &["--log-level", "trace"]].concat());
    let mut before = connect(&server, &[ONE.0]).unwrap();
    install(server.folder.path(), TWO);
    server.signal("HUP");
    server.wait_until("the second certificate", || {
        let stream = connect(&server, &[ONE.0, TWO.0]).unwrap();
        stream.conn.peer_certificates() == Some(&[der(TWO.0)])
    });
    // Open connections continue.
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
        let failures = || {
            server
                .stderr()
                .matches("cannot reload the TLS certificate")
                .count()
        };
        let so_far = failures();
        install(server.folder.path(), (TWO.0, &key));
        server.signal("HUP");
        server.wait_until("the line in the log", || failures() > so_far);
        assert!(connect(&server, &[TWO.0]).is_some());
    }
    server.signal("TERM");
    assert_eq!(server.wait().0, Some(0), "{}", server.stderr());
    assert!(!server.stderr().contains(CANARY), "{}", server.stderr());
    let secret = ONE.1.lines().nth(1).unwrap();
    assert!(!server.stderr().contains(secret), "{}", server.stderr());
}

/// Sends one request and reads the response. Returns its status line.
fn ask(stream: &mut (impl Read + Write)) -> Option<[u8; 15]> {
    let request = b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n";
    stream.write_all(request).ok()?;
    let mut response = Vec::new();
    let mut byte = [0];
    // The head, then the content, whose length the head has.
    while !response.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        response.push(byte[0]);
    }
    let head = String::from_utf8(response).ok()?.to_ascii_lowercase();
    let length = head.split("content-length: ").nth(1)?;
    let length: usize = length.split("\r\n").next()?.parse().ok()?;
    stream.read_exact(&mut vec![0; length]).ok()?;
    head.as_bytes().get(..15)?.try_into().ok()
}

/// Ends the clients of a test, also if it fails.
struct StopAtDrop<'a>(&'a AtomicBool);

impl Drop for StopAtDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn no_request_is_lost_while_the_certificate_is_replaced() {
    let server = Server::start_in(folder(), &TLS);
    let stop = AtomicBool::new(false);
    let (server, stop) = (&server, &stop);
    std::thread::scope(|scope| {
        // One client opens a connection for each request, the other one keeps its connection.
        let connecting = scope.spawn(|| {
            let mut count = 0;
            while !stop.load(Ordering::SeqCst) {
                let mut stream = connect(server, &[ONE.0, TWO.0]).expect("a handshake");
                assert_eq!(ask(&mut stream).as_ref(), Some(b"http/1.1 200 ok"));
                count += 1;
            }
            count
        });
        let keeping = scope.spawn(|| {
            let mut stream = connect(server, &[ONE.0, TWO.0]).unwrap();
            let mut count = 0;
            while !stop.load(Ordering::SeqCst) {
                assert_eq!(ask(&mut stream).as_ref(), Some(b"http/1.1 200 ok"));
                count += 1;
            }
            count
        });
        let clients = StopAtDrop(stop);
        for next in [TWO, ONE, TWO, ONE, TWO] {
            install(server.folder.path(), next);
            server.signal("HUP");
            server.wait_until("the other certificate", || {
                let stream = connect(server, &[ONE.0, TWO.0]).unwrap();
                stream.conn.peer_certificates() == Some(&[der(next.0)])
            });
        }
        drop(clients);
        for client in [connecting, keeping] {
            assert!(client.join().unwrap() > 5);
        }
    });
}

#[test]
fn unusable_certificate_files_are_errors() {
    let folder = folder();
    let path = folder.path();
    let cannot = "cannot use TLS; check --tls-cert (cert.pem) and --tls-key (cert.key): ";
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
    refuse(
        &TLS[..2],
        "--tls-cert is set and --tls-key is not; give both",
    );
    refuse(
        &TLS[2..],
        "--tls-key is set and --tls-cert is not; give both",
    );
    install(path, (CANARY, ONE.1));
    refuse(
        &TLS,
        &format!("{cannot}no certificate was found in the PEM"),
    );
    install(path, (ONE.0, CANARY));
    refuse(
        &TLS,
        &format!("{cannot}no private key was found in the PEM"),
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
