//! A server on a Unix socket.

use std::io::{Read, Write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};

use crate::harness::{Answer, Server, artifact, read_to_end, run_refused};

fn healthz(path: &std::path::Path) -> u16 {
    let mut stream = UnixStream::connect(path).unwrap();
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        .unwrap();
    Answer::of(&read_to_end(&mut stream)).status
}

#[test]
fn it_serves_on_a_socket_of_its_owner_alone_and_takes_it_away() {
    for (arguments, mode) in [(&[][..], 0o600), (&["--socket-mode", "0660"], 0o660)] {
        let arguments = [&["--listen", "unix:socket"], arguments].concat();
        let mut server = Server::start(&arguments);
        assert_eq!(server.url, "unix:socket");
        let path = server.path("socket");
        let found = path.symlink_metadata().unwrap();
        assert!(found.file_type().is_socket());
        assert_eq!(found.permissions().mode() & 0o777, mode);
        assert_eq!(healthz(&path), 200);
        // What it prints to paste goes there.
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

        // A deposit in flight is finished, and the file goes.
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
        let mut asked = [0; 25];
        stream.read_exact(&mut asked).unwrap();
        stream.write_all(head.as_bytes()).unwrap();
        server.signal("TERM");
        server.wait_until("no more connections", || {
            UnixStream::connect(&path).is_err()
        });
        stream.write_all(tail.as_bytes()).unwrap();
        assert_eq!(Answer::of(&read_to_end(&mut stream)).status, 201);
        assert_eq!(server.wait().0, Some(0), "{}", server.stderr());
        assert!(!path.exists());
    }
}

#[test]
fn a_stale_socket_is_replaced_and_nothing_else_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists(), "std leaves the file");
    let mut server = Server::start_in(folder, &["--listen", "unix:socket"]);
    assert_eq!(healthz(&server.path("socket")), 200);

    // In use: by a server with a folder of its own.
    let mut command = artifact(server.folder.path());
    command.args(["serve", "--listen", "unix:socket", "--data-dir", "other"]);
    let done = run_refused(&mut command);
    assert_eq!(done.code, Some(2));
    let said = "error: cannot listen on unix:socket: another process listens there; stop it, or give \
                another --listen\n";
    assert_eq!(done.stderr, said);
    assert_eq!(healthz(&server.path("socket")), 200);

    // After a kill the file stays, and the next start replaces it.
    server.signal("KILL");
    server.wait();
    assert!(server.path("socket").exists());
    let server = Server::start_in(server.take_folder(), &["--listen", "unix:socket"]);
    assert_eq!(healthz(&server.path("socket")), 200);
    drop(server);

    // Files and links are no sockets.
    let folder = tempfile::tempdir().unwrap();
    drop(std::fs::File::create_new(folder.path().join("file")).unwrap());
    std::os::unix::fs::symlink("nowhere", folder.path().join("link")).unwrap();
    let mut command = artifact(folder.path());
    let done = run_refused(command.args(["serve", "--listen", "unix:"]));
    let said = "error: there is no path behind unix: in --listen\n";
    assert_eq!((done.code, &*done.stderr), (Some(2), said));
    for name in ["file", "link"] {
        let mut command = artifact(folder.path());
        command.args(["serve", "--listen", &format!("unix:{name}")]);
        let done = run_refused(&mut command);
        assert_eq!(done.code, Some(2), "{done:?}");
        let said = format!("error: {name} is there and is no socket; give another --listen\n");
        assert_eq!(done.stderr, said);
        assert!(folder.path().join(name).symlink_metadata().is_ok());
        assert!(!folder.path().join("artifact-data").exists());
    }
}
