//! Tests a server on a socket that another program has bound, such as a service manager.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};

use artifact_server::{Address, Listener, ServeOutcome};

use crate::harness::{PATIENT, Response, TestServer, read_to_end};

const GET: &[u8] = b"GET /ok HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";

#[test]
fn a_connection_waits_in_an_inherited_socket_for_the_next_server() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let start = || {
        let socket = socket.try_clone().unwrap();
        let take = move || Listener::from_std_tcp(socket.try_clone().unwrap()).unwrap();
        TestServer::start_on(take, |server| server, PATIENT)
    };
    let mut first = start();
    let expected = Address::Tcp {
        address,
        tls: false,
    };
    assert_eq!(first.address, expected);
    assert_eq!(first.get("/ok").body, b"ok");
    first.handle.drain();
    assert_eq!(first.outcome(), ServeOutcome::Drained);

    let mut waiting = TcpStream::connect(address).unwrap();
    waiting.write_all(GET).unwrap();
    let second = start();
    let answer = Response::parse(&read_to_end(&mut waiting));
    assert_eq!((answer.status, answer.body.as_slice()), (200, &b"ok"[..]));
    second.stop();
}

#[test]
fn the_file_of_an_inherited_unix_socket_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let socket = UnixListener::bind(&path).unwrap();
    let take = || Listener::from_std_unix(socket.try_clone().unwrap()).unwrap();
    let mut server = TestServer::start_on(take, |server| server, PATIENT);
    assert_eq!(server.address, Address::Unix(path.clone()));
    let mut stream = UnixStream::connect(&path).unwrap();
    stream.write_all(GET).unwrap();
    assert_eq!(Response::parse(&read_to_end(&mut stream)).status, 200);
    server.handle.drain();
    assert_eq!(server.outcome(), ServeOutcome::Drained);
    assert!(path.exists());
    // The program that bound it still accepts.
    drop(UnixStream::connect(&path).unwrap());
}

#[tokio::test]
async fn a_connection_is_no_listener() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let connection = TcpStream::connect(socket.local_addr().unwrap()).unwrap();
    let connection = TcpListener::from(OwnedFd::from(connection));
    let error = Listener::from_std_tcp(connection).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput, "{error}");

    let (one, _other) = UnixStream::pair().unwrap();
    let connection = UnixListener::from(OwnedFd::from(one));
    let error = Listener::from_std_unix(connection).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput, "{error}");
}
