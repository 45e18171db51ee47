//! `artifact serve` on a Unix socket. The socket's file is tested in artifact-server.

use std::io::{Read, Write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream;

use crate::harness::{Answer, Server, artifact, read_to_end, run, run_refused};

fn healthz(path: &std::path::Path) -> u16 {
    let mut stream = UnixStream::connect(path).unwrap();
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        .unwrap();
    Answer::of(&read_to_end(&mut stream)).status
}

#[test]
fn the_socket_is_private_by_default_and_removed_at_the_end() {
    for (arguments, mode) in [(&[][..], 0o600), (&["--socket-mode", "0660"], 0o660)] {
        let arguments = [&["--listen", "unix:socket"], arguments].concat();
        let mut server = Server::start(&arguments);
        assert_eq!(server.url, "unix:socket");
        let path = server.path("socket");
        let found = path.symlink_metadata().unwrap();
        assert!(found.file_type().is_socket());
        assert_eq!(found.permissions().mode() & 0o777, mode);
        assert_eq!(healthz(&path), 200);
        // The printed curl command works.
        let said = server.stderr();
        let line = said
            .lines()
            .find_map(|line| line.strip_prefix("  "))
            .unwrap();
        let pasted = std::process::Command::new("sh")
            .args(["-c", line])
            .current_dir(server.folder.path())
            .output()
            .unwrap();
        let answer = String::from_utf8(pasted.stdout).unwrap();
        assert!(answer.contains("\"size_bytes\":6"), "{answer}");

        // The open deposit finishes, then the file is removed.
        let mut stream = UnixStream::connect(&path).unwrap();
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
        let mut response = [0; 25];
        stream.read_exact(&mut response).unwrap();
        stream.write_all(head.as_bytes()).unwrap();
        server.signal("TERM");
        server.wait_until("no connection is accepted", || {
            UnixStream::connect(&path).is_err()
        });
        stream.write_all(tail.as_bytes()).unwrap();
        assert_eq!(Answer::of(&read_to_end(&mut stream)).status, 201);
        assert_eq!(server.wait().0, Some(0), "{}", server.stderr());
        assert!(!path.exists());
    }
}

#[test]
fn the_socket_of_a_killed_server_is_replaced_and_other_files_are_errors() {
    let mut server = Server::start(&["--listen", "unix:socket"]);

    // Another server, with a folder of its own, finds the socket in use.
    let mut command = artifact(server.folder.path());
    command.args(["serve", "--listen", "unix:socket", "--data-dir", "other"]);
    let done = run_refused(&mut command);
    assert_eq!(done.code, Some(2));
    let said = "error: --listen: cannot listen on unix:socket: another process listens there; stop it, \
                or choose another path\n";
    assert_eq!(done.stderr, said);
    assert_eq!(healthz(&server.path("socket")), 200);

    // A killed server leaves the file, and the next start replaces it.
    server.signal("KILL");
    server.wait();
    assert!(server.path("socket").exists());
    let server = Server::start_in(server.take_folder(), &["--listen", "unix:socket"]);
    assert_eq!(healthz(&server.path("socket")), 200);
    drop(server);

    let folder = tempfile::tempdir().unwrap();
    drop(std::fs::File::create_new(folder.path().join("file")).unwrap());
    std::os::unix::fs::symlink("nowhere", folder.path().join("link")).unwrap();
    let mut command = artifact(folder.path());
    let done = run_refused(command.args(["serve", "--listen", "unix:"]));
    let said = "error: --listen must have a path after unix:\n";
    assert_eq!((done.code, &*done.stderr), (Some(2), said));
    for name in ["file", "link"] {
        let mut command = artifact(folder.path());
        command.args(["serve", "--listen", &format!("unix:{name}")]);
        let done = run_refused(&mut command);
        assert_eq!(done.code, Some(2), "{done:?}");
        let said =
            format!("error: --listen: {name} exists and is not a socket; choose another path\n");
        assert_eq!(done.stderr, said);
        assert!(folder.path().join(name).symlink_metadata().is_ok());
        assert!(!folder.path().join("artifact-data").exists());
    }
}

#[test]
fn clients_reach_the_server_over_its_socket() {
    let server = Server::start(&["--listen", "unix:socket"]);
    server.write("file", b"through the socket");
    let put = run(&mut server.client(&["put", "file"])).succeeded();
    let get = run(&mut server.client(&["get", put.stdout().trim_end()])).succeeded();
    assert_eq!(get.stdout(), "through the socket");
    let mut command = artifact(server.folder.path());
    command.args(["whoami", "--server", "unix:"]);
    let done = run_refused(command.env("ARTIFACT_ADMIN_TOKEN", server.token()));
    assert!(
        done.stderr.contains("like unix:/run/artifact.sock"),
        "{done:?}"
    );
}

#[test]
fn a_link_that_is_made_over_the_socket_comes_with_a_warning_unless_the_server_has_a_public_url() {
    let warned = "warning: the server was reached through its socket and has no public URL";
    for (more, begin) in [
        (&[][..], "http://localhost/v1/links/"),
        (
            &["--public-url", "https://files.example"],
            "https://files.example/v1/links/",
        ),
    ] {
        let arguments = [&["--listen", "unix:socket"], more].concat();
        let server = Server::start(&arguments);
        server.write("file", b"linked");
        let put = run(&mut server.client(&["put", "file"])).succeeded();
        let uri = put.stdout().trim_end();
        let link = run(&mut server.client(&["share", uri, "--link"])).succeeded();
        assert!(link.stdout().starts_with(begin), "{}", link.stdout());
        let is_warned = link.stderr.starts_with(warned) && link.stderr.contains("--public-url");
        assert_eq!(is_warned, more.is_empty(), "{}", link.stderr);
        let link = run(&mut server.client(&["share", uri, "--link", "--json"])).succeeded();
        assert!(link.stdout().starts_with('{'), "{}", link.stdout());
        assert_eq!(link.stderr.contains(warned), more.is_empty());
    }
}

#[test]
fn a_link_that_is_made_over_tcp_comes_without_a_warning() {
    let server = Server::start(&[]);
    server.write("file", b"linked");
    let put = run(&mut server.client(&["put", "file"])).succeeded();
    let uri = put.stdout().trim_end();
    let link = run(&mut server.client(&["share", uri, "--link"])).succeeded();
    assert_eq!(link.stderr, "");
}
