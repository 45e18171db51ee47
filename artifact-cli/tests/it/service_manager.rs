//! Tests what the server and its service manager tell each other. The test plays the service manager.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener, UnixStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::harness::{Answer, BINARY, Server, files_below, read_to_end, run_refused};

/// The socket to which `NOTIFY_SOCKET` leads.
struct Manager {
    socket: UnixDatagram,
    path: String,
    _folder: TempDir,
}

impl Manager {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        // No passing test waits this long; a failing test must end.
        let limit = Some(Duration::from_mins(1));
        socket.set_read_timeout(limit).unwrap();
        Self {
            socket,
            path: path.to_str().unwrap().to_owned(),
            _folder: folder,
        }
    }

    /// Starts a server with this service manager.
    fn serve(&self, environment: &[(&str, &str)]) -> Server {
        let mut environment = environment.to_vec();
        environment.push(("NOTIFY_SOCKET", &self.path));
        Server::start_with(TempDir::new().unwrap(), &[], &environment)
    }

    /// Returns the next message, one line for each variable.
    fn next(&self) -> Vec<String> {
        let mut message = vec![0; 4096];
        let length = self.socket.recv(&mut message).unwrap();
        let text = str::from_utf8(&message[..length]).unwrap();
        text.lines().map(str::to_owned).collect()
    }
}

#[test]
fn the_manager_learns_of_the_start_the_reload_and_the_end() {
    let manager = Manager::new();
    // Another process is watched.
    let others = [("WATCHDOG_USEC", "1000"), ("WATCHDOG_PID", "1")];
    let mut server = manager.serve(&others);
    let status = format!("STATUS=listening on {}", server.url);
    let ready = ["READY=1", &status];
    assert_eq!(manager.next(), ready);

    let mut times = vec![];
    for _ in 0..2 {
        server.signal("HUP");
        let reloading = manager.next();
        let [kind, time] = &*reloading else {
            panic!("{reloading:?}");
        };
        assert_eq!(kind, "RELOADING=1");
        let time = time.strip_prefix("MONOTONIC_USEC=").unwrap();
        times.push(time.parse::<u64>().unwrap());
        assert_eq!(manager.next(), ready);
    }
    assert!(times[0] > 0 && times[0] < times[1], "{times:?}");

    server.signal("TERM");
    let stopping = ["STOPPING=1", "STATUS=finishing the requests in flight"];
    assert_eq!(manager.next(), stopping);
    assert_eq!(server.wait().0, Some(0));
}

#[test]
fn an_abstract_socket_gets_the_same_messages() {
    let name = format!("artifact-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let socket = UnixDatagram::bind_addr(&address).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_mins(1)))
        .unwrap();
    let manager = Manager {
        socket,
        path: format!("@{name}"),
        _folder: TempDir::new().unwrap(),
    };
    let mut server = manager.serve(&[]);
    let status = format!("STATUS=listening on {}", server.url);
    assert_eq!(manager.next(), ["READY=1", &status]);
    server.signal("TERM");
    let stopping = ["STOPPING=1", "STATUS=finishing the requests in flight"];
    assert_eq!(manager.next(), stopping);
    assert_eq!(server.wait().0, Some(0));
}

#[test]
fn the_watchdog_is_fed_for_as_long_as_the_server_runs() {
    let manager = Manager::new();
    let server = manager.serve(&[("WATCHDOG_USEC", "20000")]);
    let mut fed = 0;
    while fed < 10 {
        fed += usize::from(manager.next() == ["WATCHDOG=1"]);
    }
    drop(server);
}

#[test]
fn a_manager_that_cannot_be_reached_does_not_stop_the_server() {
    let environment = [("NOTIFY_SOCKET", "/nonexistent/notify")];
    let mut server = Server::start_with(TempDir::new().unwrap(), &[], &environment);
    server.wait_until("a warning", || server.stderr().contains("NOTIFY_SOCKET"));
    server.signal("TERM");
    assert_eq!(server.wait().0, Some(0));
}

/// Returns a command that serves with this socket as the first descriptor after the standard ones.
fn activated(folder: &TempDir, socket: OwnedFd, variables: &str) -> Command {
    let script = format!("exec 3<&0 </dev/null; export LISTEN_PID=$$ {variables}; exec \"$@\"");
    let mut command = Command::new("/bin/sh");
    command
        .env_clear()
        .current_dir(folder.path())
        .stdin(Stdio::from(socket))
        .args(["-c", &script, "sh", BINARY, "serve"]);
    command
}

/// Starts a server with this socket.
fn activate(socket: OwnedFd) -> Server {
    let folder = TempDir::new().unwrap();
    // The harness gives every other server an address.
    let mut command = activated(&folder, socket, "LISTEN_FDS=1; unset ARTIFACT_LISTEN");
    Server::spawn(folder, &mut command)
}

fn ask(stream: &mut (impl Read + Write)) -> u16 {
    let request = b"GET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    stream.write_all(request).unwrap();
    Answer::of(&read_to_end(stream)).status
}

#[test]
fn an_inherited_socket_keeps_connections_across_a_restart() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let inherited = || socket.try_clone().unwrap().into();
    let server = activate(inherited());
    assert_eq!(server.url, format!("http://{address}"));
    assert_eq!(ask(&mut server.stream()), 200);
    drop(server.stop("TERM"));

    // It waits in the socket of the manager.
    let mut stream = TcpStream::connect(address).unwrap();
    let server = activate(inherited());
    assert_eq!(ask(&mut stream), 200);
    drop(server);
}

#[test]
fn an_inherited_unix_socket_is_served_and_its_file_stays() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("socket");
    let socket = UnixListener::bind(&path).unwrap();
    let server = activate(socket.try_clone().unwrap().into());
    assert_eq!(server.url, format!("unix:{}", path.display()));
    assert_eq!(ask(&mut UnixStream::connect(&path).unwrap()), 200);
    drop(server.stop("TERM"));
    assert!(path.exists());
}

#[test]
fn sockets_that_cannot_be_served_are_refused_with_a_sentence() {
    let listener = || OwnedFd::from(TcpListener::bind("127.0.0.1:0").unwrap());
    let (connection, _peer) = UnixStream::pair().unwrap();
    let (datagrams, _other) = UnixDatagram::pair().unwrap();
    for (socket, variables, said) in [
        (
            listener(),
            "LISTEN_FDS=2",
            "the service manager passes 2 sockets, and the server uses one",
        ),
        (
            listener(),
            "LISTEN_FDS=1 ARTIFACT_LISTEN=127.0.0.1:0",
            "ARTIFACT_LISTEN is set, and the service manager passes a socket (LISTEN_FDS)",
        ),
        (connection.into(), "LISTEN_FDS=1", "Accept=no"),
        (datagrams.into(), "LISTEN_FDS=1", "ListenStream="),
    ] {
        let folder = TempDir::new().unwrap();
        let done = run_refused(&mut activated(&folder, socket, variables));
        assert_eq!(done.code, Some(2), "{done:?}");
        assert!(done.stderr.contains(said), "{done:?}");
        assert_eq!(files_below(folder.path()), [""; 0], "{said}");
    }
}

#[test]
fn a_socket_of_another_process_is_left_alone() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let folder = TempDir::new().unwrap();
    let mut command = activated(&folder, socket.into(), "LISTEN_FDS=1 LISTEN_PID=1");
    let server = Server::spawn(folder, &mut command);
    assert_ne!(server.url, format!("http://{address}"));
    assert_eq!(ask(&mut server.stream()), 200);
}
