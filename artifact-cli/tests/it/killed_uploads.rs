//! `put --resume` after the client or the server was killed, at many offsets.

use std::cell::RefCell;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use crate::harness::{Answer, Server, artifact, noise, read_to_end, run};
use crate::uploads::{Cutter, assert_stored, upload};

/// Files of this size are uploads of more than two parts.
const SIZE: usize = 36 << 20;

/// After how many bytes from the client it is killed: in the header, in the first bytes, and so on. All of them count, so the
/// sum is below the size.
const CLIENT_CUTS: [usize; 11] = [
    0,
    1,
    200,
    1 << 10,
    64 << 10,
    (1 << 20) + 7,
    3 << 20,
    4 << 20,
    (8 << 20) - 1,
    8 << 20,
    5 << 20,
];

/// After how many bytes from the client the server is killed: also before and after the end of a part. The server has the
/// full parts only.
const SERVER_CUTS: [usize; 10] = [
    0,
    1,
    200,
    1 << 10,
    64 << 10,
    (1 << 20) + 7,
    (16 << 20) - 1,
    (16 << 20) + 700,
    (16 << 20) + 4_096,
    27 << 20,
];

/// Starts a command that goes on with an upload.
fn start_put(server: &Server, cutter: &Cutter, id: &str) -> Child {
    let mut put = artifact(server.folder.path());
    put.args([
        "put",
        "large.bin",
        "--retries",
        "0",
        "--server",
        &cutter.url,
    ]);
    put.args(["--admin-token-file", "artifact-data/admin-token"]);
    put.args(["--resume", id]);
    put.stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Begins an upload and kills its client, as soon as it has printed the id.
fn begin(server: &Server) -> String {
    let cutter = Cutter::stalling(server, 2_000);
    let mut put = artifact(server.folder.path());
    put.args([
        "put",
        "large.bin",
        "--retries",
        "0",
        "--server",
        &cutter.url,
    ]);
    put.args(["--admin-token-file", "artifact-data/admin-token"]);
    let mut put = put
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = BufReader::new(put.stderr.take().unwrap());
    let mut said = String::new();
    while !said.contains("upload ") {
        assert_ne!(stderr.read_line(&mut said).unwrap(), 0, "{said}");
    }
    put.kill().unwrap();
    put.wait().unwrap();
    upload(&said).to_owned()
}

/// Asks the server how many bytes of an upload it has.
fn offset(server: &Server, id: &str) -> usize {
    let (mut stream, headers) = server.connect();
    let path = format!("/v1/experiments/default/uploads/{id}");
    let request = format!("GET {path} HTTP/1.1\r\n{headers}Connection: close\r\n\r\n");
    std::io::Write::write_all(&mut stream, request.as_bytes()).unwrap();
    let answer = Answer::of(&read_to_end(&mut stream));
    assert_eq!(answer.status, 200, "{}", answer.head);
    answer.field("upload-offset").unwrap().parse().unwrap()
}

/// Sends the rest, and compares the artifact with the file.
fn finish(server: &Server, id: &str, bytes: &[u8]) {
    let put = run(server.client(&["put", "large.bin"]).args(["--resume", id])).succeeded();
    assert_stored(server, put.stdout(), bytes);
    let listed = run(&mut server.client(&["ls"])).succeeded();
    assert_eq!(listed.stdout().matches("large.bin").count(), 1);
}

/// Goes on with an upload until the server was sent this many bytes, or the command has ended.
fn put_until(server: &Server, cutter: &Cutter, id: &str, bytes: usize) -> Child {
    let put = RefCell::new(start_put(server, cutter, id));
    server.wait_until("the bytes before the kill", || {
        cutter.forwarded() >= bytes || put.borrow_mut().try_wait().unwrap().is_some()
    });
    put.into_inner()
}

#[test]
fn an_upload_survives_clients_that_are_killed_at_many_offsets() {
    let server = Server::start(&[]);
    let bytes = noise(SIZE);
    server.write("large.bin", &bytes);
    let id = begin(&server);
    let mut known = 0;
    for cut in CLIENT_CUTS {
        let cutter = Cutter::stalling(&server, cut);
        let mut put = put_until(&server, &cutter, &id, cut);
        put.kill().unwrap();
        put.wait().unwrap();
        let now = offset(&server, &id);
        assert!(now >= known, "{cut}: {now} bytes after {known}");
        known = now;
    }
    assert!(known > 8 << 20, "the bytes that were received: {known}");
    // With the last bytes: the upload may be complete or not.
    let cutter = Cutter::stalling(&server, usize::MAX);
    let mut put = put_until(&server, &cutter, &id, SIZE - known);
    put.kill().unwrap();
    put.wait().unwrap();
    finish(&server, &id, &bytes);
    let stored = server.blobs();
    let stored = stored.iter().filter(|path| path.starts_with("blobs/"));
    assert_eq!(stored.count(), 1, "no part is left");
}

#[test]
fn an_upload_survives_servers_that_are_killed_at_many_offsets() {
    let mut server = Server::start(&[]);
    let bytes = noise(SIZE);
    server.write("large.bin", &bytes);
    let id = begin(&server);
    let mut known = 0;
    for cut in SERVER_CUTS {
        let cutter = Cutter::stalling(&server, cut);
        let mut put = put_until(&server, &cutter, &id, cut);
        server = restarted(server);
        put.wait().unwrap();
        let now = offset(&server, &id);
        assert!(now >= known, "{cut}: {now} bytes after {known}");
        known = now;
    }
    assert!(known >= 16 << 20, "the parts that were received: {known}");
    let cutter = Cutter::stalling(&server, usize::MAX);
    let mut put = put_until(&server, &cutter, &id, SIZE - known);
    server = restarted(server);
    put.wait().unwrap();
    finish(&server, &id, &bytes);
}

/// Kills a server, and starts it again.
fn restarted(server: Server) -> Server {
    Server::start_in(server.stop("KILL"), &[])
}
