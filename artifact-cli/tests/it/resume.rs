//! Tests how `get` and `put` retry and resume if the server disconnects or rejects a request.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread::JoinHandle;

use sha2::{Digest, Sha256};

use crate::harness::{artifact, files_below, noise, run};

/// Serves one connection after the other with these responses. The task returns the request headers.
fn in_turn(answers: Vec<Vec<u8>>) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let served = std::thread::spawn(move || {
        let mut heads = vec![];
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = vec![];
            let mut piece = vec![0; 64 << 10];
            let end = loop {
                if let Some(end) = request.windows(4).position(|four| four == b"\r\n\r\n") {
                    break end + 4;
                }
                let length = stream.read(&mut piece).unwrap();
                assert_ne!(length, 0);
                request.extend_from_slice(&piece[..length]);
            };
            let head = String::from_utf8(request[..end].to_vec()).unwrap();
            let field = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            let whole = end + field.map_or(0, |length| length.parse().unwrap());
            while request.len() < whole {
                let length = stream.read(&mut piece).unwrap();
                assert_ne!(length, 0);
                request.extend_from_slice(&piece[..length]);
            }
            heads.push(head);
            stream.write_all(&answer).unwrap();
        }
        heads
    });
    (url, served)
}

fn head(status: &str, artifact: &[u8], from: usize) -> Vec<u8> {
    let hex: Vec<_> = Sha256::digest(artifact)
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    let base64 = {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(Sha256::digest(artifact))
    };
    let (length, last, total) = (artifact.len() - from, artifact.len() - 1, artifact.len());
    format!(
        "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nContent-Range: bytes {from}-{last}/{total}\r\n\
         ETag: \"{}\"\r\nRepr-Digest: sha-256=:{base64}:\r\nConnection: close\r\n\r\n",
        hex.concat()
    )
    .into_bytes()
}

#[test]
fn an_interrupted_get_resumes_where_it_broke() {
    let bytes = noise(3 << 20);
    let (first, second) = (1 << 20, 2 << 20);
    let piece = |status, from: usize, until: usize| {
        let mut answer = head(status, &bytes, from);
        answer.extend_from_slice(&bytes[from..until]);
        answer
    };
    let (url, served) = in_turn(vec![
        piece("200 OK", 0, first),
        piece("206 Partial Content", first, second),
        piece("206 Partial Content", second, bytes.len()),
    ]);
    let folder = tempfile::tempdir().unwrap();
    let mut command = artifact(folder.path());
    command.args(["get", "--server", &url, "eden://artifacts/x", "-o", "out"]);
    let get = run(command.env("ARTIFACT_ADMIN_TOKEN", "x")).succeeded();
    let ranges: Vec<_> = served.join().unwrap();
    let asked = |at: usize| format!("range: bytes={at}-{}\r\n", bytes.len() - 1);
    assert!(!ranges[0].contains("range:"), "{}", ranges[0]);
    assert!(ranges[1].contains(&asked(first)), "{}", ranges[1]);
    assert!(ranges[2].contains(&asked(second)), "{}", ranges[2]);
    assert!(ranges[2].contains("if-range: \""), "{}", ranges[2]);
    #[expect(clippy::disallowed_methods, reason = "a test looks at its own files")]
    let found = std::fs::read(folder.path().join("out")).unwrap();
    assert!(found == bytes, "wrong bytes");
    let lines: Vec<_> = get.stderr.lines().collect();
    assert_eq!(lines.len(), 4, "{}", get.stderr);
    assert!(
        lines[0].contains("1048576 of 3145728 bytes arrived; again in 0."),
        "{}",
        lines[0]
    );
    assert!(lines[3].ends_with(", verified"), "{}", lines[3]);
}

#[test]
fn a_get_that_cannot_resume_leaves_no_file() {
    let bytes = noise(1000);
    let mut first = head("200 OK", &bytes, 0);
    first.extend_from_slice(&bytes[..400]);
    let (url, served) = in_turn(vec![first]);
    let folder = tempfile::tempdir().unwrap();
    let mut command = artifact(folder.path());
    command.args([
        "get",
        "--server",
        &url,
        "eden://artifacts/x",
        "-o",
        "out",
        "--retries",
        "0",
    ]);
    let get = run(command.env("ARTIFACT_ADMIN_TOKEN", "x"));
    assert_eq!(get.code, Some(1));
    assert!(
        get.stderr.contains("400 of 1000 bytes arrived"),
        "{}",
        get.stderr
    );
    assert_eq!(get.stderr.lines().count(), 1, "{}", get.stderr);
    assert_eq!(files_below(folder.path()), [""; 0]);
    assert_eq!(served.join().unwrap().len(), 1);
}

fn created(size: usize) -> Vec<u8> {
    let json = format!(r#"{{"artifacts_uri":"x:y","size_bytes":{size},"content_type":"a/b"}}"#);
    let length = json.len();
    let close = "Connection: close";
    format!("HTTP/1.1 201 Created\r\nContent-Length: {length}\r\n{close}\r\n\r\n{json}").into()
}

fn put(
    bytes: &[u8],
    first: &[u8],
    more: &[&str],
) -> (crate::harness::Done, JoinHandle<Vec<String>>) {
    let (url, served) = in_turn(vec![first.to_vec(), created(bytes.len())]);
    let folder = tempfile::tempdir().unwrap();
    let mut file = std::fs::File::create_new(folder.path().join("file")).unwrap();
    file.write_all(bytes).unwrap();
    let mut command = artifact(folder.path());
    command.args(["put", "--server", &url, "file"]).args(more);
    let done = run(command.env("ARTIFACT_ADMIN_TOKEN", "x"));
    (done, served)
}

#[test]
fn a_put_is_retried_after_a_temporary_error() {
    let bytes = noise(700_000);
    let busy =
        b"HTTP/1.1 429 Busy\r\nRetry-After: 0\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let (done, served) = put(&bytes, busy, &[]);
    let done = done.succeeded();
    assert_eq!(done.stdout(), "x:y\n");
    assert!(
        done.stderr.contains("(status 429); again in 0."),
        "{}",
        done.stderr
    );
    assert_eq!(served.join().unwrap().len(), 2);
}

#[test]
fn a_put_with_a_lost_response_is_retried_with_the_same_key() {
    let bytes = noise(700_000);
    for (more, own) in [
        (&[][..], None),
        (&["--idempotency-key", "k 1"], Some("\"k 1\"")),
    ] {
        let (done, served) = put(&bytes, b"", more);
        let done = done.succeeded();
        assert_eq!(done.stdout(), "x:y\n");
        let said = "the connection broke or stalled";
        assert!(done.stderr.contains(said), "{}", done.stderr);
        let heads = served.join().unwrap();
        let keys: Vec<_> = heads
            .iter()
            .map(|head| {
                let key = head
                    .lines()
                    .find_map(|line| line.strip_prefix("idempotency-key: "));
                key.unwrap()
            })
            .collect();
        assert_eq!(keys.len(), 2);
        assert_eq!(keys[0], keys[1]);
        assert!(own.is_none_or(|own| keys[0] == own), "{keys:?}");
    }
}

#[test]
fn a_put_to_a_server_without_keys_is_retried_only_with_allow_orphans() {
    let bytes = noise(700_000);
    let not_found = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let try_put = |replies: Vec<Vec<u8>>, more: &[&str]| {
        let (url, served) = in_turn(replies);
        let folder = tempfile::tempdir().unwrap();
        let mut file = std::fs::File::create_new(folder.path().join("file")).unwrap();
        file.write_all(&bytes).unwrap();
        let mut command = artifact(folder.path());
        command.args(["put", "--server", &url, "file"]).args(more);
        let done = run(command.env("ARTIFACT_ADMIN_TOKEN", "x"));
        (done, served.join().unwrap())
    };
    let lost = || vec![not_found.into(), Vec::new()];
    let (done, heads) = try_put(lost(), &[]);
    assert_eq!(done.code, Some(1));
    assert_eq!(done.stdout(), "");
    let said = "error: deposit: the connection broke or stalled";
    assert!(done.stderr.starts_with(said), "{}", done.stderr);
    assert!(heads[0].starts_with("POST /v1/"), "{}", heads[0]);
    assert!(heads[1].starts_with("POST /v0/"), "{}", heads[1]);

    let replies = [lost(), vec![created(bytes.len())]].concat();
    let (done, heads) = try_put(replies, &["--allow-orphans"]);
    assert_eq!(done.succeeded().stdout(), "x:y\n");
    assert_eq!(heads.len(), 3);
}
