//! `put` of large files: a resumable upload goes on after broken connections, a killed client and a killed server.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::harness::{Server, artifact, noise, run};

/// Files of this size are uploads of more than two parts.
const SIZE: usize = 40 << 20;

/// Forwards connections to a server, and cuts each one after a number of bytes from the client.
pub(crate) struct Cutter {
    pub(crate) url: String,
    forwarded: Arc<AtomicUsize>,
}

/// What becomes of a connection after the last byte that is forwarded.
#[derive(Clone, Copy, PartialEq, Eq)]
enum AtLimit {
    Cut,
    /// The client goes on to send, and the server gets nothing more, until one of them closes the connection.
    Stall,
}

impl Cutter {
    pub(crate) fn new(server: &Server, limit: usize) -> Self {
        Self::with(server, limit, AtLimit::Cut)
    }

    /// Forwards connections, and lets each one stall after a number of bytes from the client.
    pub(crate) fn stalling(server: &Server, limit: usize) -> Self {
        Self::with(server, limit, AtLimit::Stall)
    }

    fn with(server: &Server, limit: usize, at_limit: AtLimit) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let forwarded = Arc::<AtomicUsize>::default();
        let (address, counter) = (server.url.replace("http://", ""), Arc::clone(&forwarded));
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(&address) else {
                    return;
                };
                let counter = Arc::clone(&counter);
                std::thread::spawn(move || forward(&client, &server, limit, at_limit, &counter));
            }
        });
        Self { url, forwarded }
    }

    pub(crate) fn forwarded(&self) -> usize {
        self.forwarded.load(Ordering::Relaxed)
    }
}

fn forward(
    client: &TcpStream,
    server: &TcpStream,
    limit: usize,
    at_limit: AtLimit,
    forwarded: &AtomicUsize,
) {
    let (mut from, mut to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
    let back = std::thread::spawn(move || {
        let copied = std::io::copy(&mut from, &mut to);
        if at_limit == AtLimit::Stall {
            let _ = to.shutdown(Shutdown::Both);
        }
        copied
    });
    let (mut reader, mut writer) = (client, server);
    let mut piece = vec![0; 64 << 10];
    let mut left = limit;
    while left > 0 {
        let Ok(length @ 1..) = reader.read(&mut piece) else {
            break;
        };
        let length = length.min(left);
        if writer.write_all(&piece[..length]).is_err() {
            break;
        }
        left -= length;
        forwarded.fetch_add(length, Ordering::Relaxed);
    }
    if left == 0 && at_limit == AtLimit::Stall {
        while let Ok(1..) = reader.read(&mut piece) {}
    }
    // A client that is done gets its response.
    let ends = if left == 0 {
        Shutdown::Both
    } else {
        Shutdown::Write
    };
    let _ = server.shutdown(ends);
    if left == 0 {
        let _ = client.shutdown(Shutdown::Both);
    }
    let _ = back.join();
}

pub(crate) fn assert_stored(server: &Server, uri: &str, bytes: &[u8]) {
    let got = run(server.client(&["get"]).arg(uri.trim())).succeeded();
    assert!(got.stdout == bytes, "the artifact has other bytes");
}

/// Returns the id of the upload that a command has printed.
pub(crate) fn upload(stderr: &str) -> &str {
    let begun = stderr.split_once("upload ").unwrap().1;
    begun.split_once(';').unwrap().0
}

#[test]
fn a_large_put_goes_on_after_each_broken_connection() {
    let server = Server::start(&[]);
    let bytes = noise(SIZE);
    server.write("large.bin", &bytes);
    let before = server.blobs().len();
    let cutter = Cutter::new(&server, 11 << 20);
    let mut put = artifact(server.folder.path());
    put.args(["put", "large.bin", "--json", "--server", &cutter.url]);
    put.args(["--admin-token-file", "artifact-data/admin-token"]);
    let put = run(&mut put).succeeded();
    assert!(
        put.stderr.matches("; again in ").count() >= 3,
        "{}",
        put.stderr
    );
    // Nothing was sent twice but what was on its way.
    let forwarded = cutter.forwarded();
    assert!(forwarded < SIZE + (8 << 20), "{forwarded} bytes were sent");
    let line: serde_json::Value = serde_json::from_slice(&put.stdout).unwrap();
    assert_stored(&server, line["artifacts_uri"].as_str().unwrap(), &bytes);
    let listed = run(&mut server.client(&["ls"])).succeeded();
    assert_eq!(listed.stdout().matches("large.bin").count(), 1);
    assert_eq!(server.blobs().len(), before + 1, "no part is left");
}

#[test]
fn a_killed_put_is_resumed_by_the_id_that_it_printed() {
    let server = Server::start(&[]);
    let bytes = noise(SIZE);
    server.write("large.bin", &bytes);
    let cutter = Cutter::new(&server, 25 << 20);
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
    let broken = run(&mut put);
    assert_ne!(broken.code, Some(0));
    let id = upload(&broken.stderr).to_owned();

    let other = Cutter::new(&server, usize::MAX);
    let mut put = artifact(server.folder.path());
    put.args(["put", "large.bin", "--resume", &id, "--server", &other.url]);
    put.args(["--admin-token-file", "artifact-data/admin-token"]);
    let put = run(&mut put).succeeded();
    assert_stored(&server, put.stdout(), &bytes);
    let sent = other.forwarded();
    assert!(sent < SIZE - (20 << 20), "{sent} bytes were sent again");

    // Once more: it is complete, and nothing is sent.
    let again = run(server.client(&["put", "large.bin"]).args(["--resume", &id])).succeeded();
    assert_eq!(again.stdout(), put.stdout());
    // Another file of this size has another digest.
    server.write("large.bin", &noise(SIZE + 1)[1..]);
    let changed = run(server.client(&["put", "large.bin"]).args(["--resume", &id]));
    assert_ne!(changed.code, Some(0));
    assert!(
        changed.stderr.contains("differs from the bytes"),
        "{}",
        changed.stderr
    );
}

#[test]
fn a_resume_that_cannot_be_one_is_refused_and_a_changed_file_leaves_nothing() {
    let server = Server::start(&[]);
    server.write("large.bin", &noise(SIZE));
    server.write("other.bin", &noise(SIZE - 1));
    let cutter = Cutter::new(&server, 25 << 20);
    let mut put = artifact(server.folder.path());
    put.args(["put", "large.bin", "--retries", "0"]);
    put.args(["--server", &cutter.url]);
    put.args(["--admin-token-file", "artifact-data/admin-token"]);
    let id = upload(&run(&mut put).stderr).to_owned();
    let unknown = "0".repeat(32);
    for (arguments, told) in [
        (
            &["other.bin", "--resume", &id][..],
            "and the file has 41943039",
        ),
        (
            &["large.bin", "--resume", &unknown],
            "the server has no upload",
        ),
        (&["-", "--resume", &id], "- is standard input"),
        (
            &["large.bin", "--resume", &id, "--file-name", "x"],
            "cannot be used with",
        ),
    ] {
        let refused = run(server.client(&["put"]).args(arguments));
        assert_eq!(refused.code, Some(2), "{}", refused.stderr);
        assert!(refused.stderr.contains(told), "{}", refused.stderr);
    }
    server.write("large.bin", &noise(SIZE + 1)[1..]);
    let changed = run(server.client(&["put", "large.bin"]).args(["--resume", &id]));
    assert_eq!(changed.code, Some(1), "{}", changed.stderr);
    let told = "was deleted; the file may have changed since";
    assert!(changed.stderr.contains(told), "{}", changed.stderr);
    assert_eq!(run(&mut server.client(&["ls"])).succeeded().stdout(), "");
}

#[test]
fn an_upload_survives_a_killed_server() {
    let server = Server::start(&[]);
    let bytes = noise(SIZE);
    server.write("large.bin", &bytes);
    let cutter = Cutter::new(&server, usize::MAX);
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
    let put = put
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // In the third part.
    server.wait_until("most bytes are there", || cutter.forwarded() > 34 << 20);
    let folder = server.stop("KILL");
    let killed = put.wait_with_output().unwrap();
    assert!(!killed.status.success());
    let stderr = String::from_utf8(killed.stderr).unwrap();
    let id = upload(&stderr).to_owned();

    let server = Server::start_in(folder, &[]);
    let other = Cutter::new(&server, usize::MAX);
    let mut put = artifact(server.folder.path());
    put.args(["put", "large.bin", "--resume", &id, "--server", &other.url]);
    put.args(["--admin-token-file", "artifact-data/admin-token"]);
    let put = run(&mut put).succeeded();
    assert_stored(&server, put.stdout(), &bytes);
    let sent = other.forwarded();
    assert!(sent < SIZE - (15 << 20), "{sent} bytes were sent again");
}

#[test]
fn a_large_put_to_a_server_without_uploads_is_sent_in_one_request() {
    // Too many open uploads are as none.
    let server = Server::start(&["--max-open-uploads", "1"]);
    let bytes = noise(17 << 20);
    server.write("large.bin", &bytes);
    let cutter = Cutter::new(&server, 1 << 20);
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
    assert_ne!(run(&mut put).code, Some(0));
    let put = run(&mut server.client(&["put", "large.bin"])).succeeded();
    assert!(!put.stderr.contains("upload "), "{}", put.stderr);
    assert_stored(&server, put.stdout(), &bytes);
}
