//! Tests a server on a Unix socket, and when it creates and removes the socket's file.

use std::io::Write;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use artifact_server::{Address, Listener, ServeOutcome};

use crate::harness::{PATIENT, Response, TestServer, begin_upload, read_to_end};

fn start(path: &Path, mode: u32) -> TestServer {
    let bind = || Listener::bind_unix(path, mode).unwrap();
    TestServer::start_on(bind, |server| server, PATIENT)
}

fn get_ok(path: &Path) -> u16 {
    let mut stream = UnixStream::connect(path).unwrap();
    stream
        .write_all(b"GET /ok HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        .unwrap();
    Response::parse(&read_to_end(&mut stream)).status
}

fn bind_error(path: &Path) -> String {
    Listener::bind_unix(path, 0o600).unwrap_err().to_string()
}

#[test]
fn the_socket_has_its_mode_and_is_removed_after_open_requests_finish() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    for mode in [0o600, 0o660] {
        let mut server = start(&path, mode);
        assert_eq!(server.address, Address::Unix(path.clone()));
        assert!(server.address.is_loopback());
        let found = path.symlink_metadata().unwrap();
        assert!(found.file_type().is_socket());
        assert_eq!(found.permissions().mode() & 0o777, mode);
        assert_eq!(get_ok(&path), 200);

        let mut stream = UnixStream::connect(&path).unwrap();
        begin_upload(&mut stream);
        server.handle.drain();
        server.wait_until("no connection is accepted", || {
            UnixStream::connect(&path).is_err()
        });
        stream.write_all(b"56789").unwrap();
        assert_eq!(Response::parse(&read_to_end(&mut stream)).status, 201);
        assert_eq!(server.outcome(), ServeOutcome::Drained);
        assert!(!path.exists());
    }
}

#[test]
fn only_a_socket_without_a_listener_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists(), "std leaves the file");
    let server = start(&path, 0o600);
    assert_eq!(get_ok(&path), 200);

    let in_use = format!(
        "cannot listen on unix:{}: another process listens there; stop it, or choose another path",
        path.display()
    );
    assert_eq!(bind_error(&path), in_use);
    assert_eq!(get_ok(&path), 200);
    server.stop();

    let file = folder.path().join("file");
    drop(std::fs::File::create_new(&file).unwrap());
    let link = folder.path().join("link");
    std::os::unix::fs::symlink("nowhere", &link).unwrap();
    for path in [file, link] {
        let expected = format!(
            "{} exists and is not a socket; choose another path",
            path.display()
        );
        assert_eq!(bind_error(&path), expected);
        assert!(path.symlink_metadata().is_ok());
    }
    assert_eq!(
        bind_error(Path::new("")),
        "the path of the Unix socket is empty"
    );
}

#[tokio::test]
async fn tcp_addresses_in_use_and_texts_without_a_port_are_errors() {
    let first = Listener::bind_tcp("127.0.0.1:0").unwrap();
    let address = first.address(false).unwrap();
    assert!(address.is_loopback());
    let address = address.to_string();
    let address = address.strip_prefix("http://").unwrap();
    let error = Listener::bind_tcp(address).unwrap_err().to_string();
    let in_use = format!("the address {address} is in use; ");
    assert!(error.starts_with(&in_use), "{error}");
    let error = Listener::bind_tcp("8080").unwrap_err().to_string();
    assert_eq!(
        error,
        "'8080' is not an address with a port, such as 127.0.0.1:8080"
    );
    let any = Address::Tcp {
        address: "0.0.0.0:80".parse().unwrap(),
        tls: true,
    };
    assert!(!any.is_loopback());
    assert_eq!(any.to_string(), "https://0.0.0.0:80");
}
