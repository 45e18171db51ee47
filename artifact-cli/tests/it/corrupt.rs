//! Corrupt blobs: the response is aborted, and the log reports the corruption.

use std::io::Write;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::time::Duration;

use artifact_client::{ByteRange, Client, Credential, ErrorKind, FetchOptions, RetryPolicy};

use crate::harness::{Answer, Server, noise, run, run_with, skip};
use crate::maintained::{maintain, totals};

/// Deposits an artifact and damages the blob's file. Returns the artifact's URI.
fn deposit_damaged(server: &Server, damage: impl Fn(&std::fs::File), size: usize) -> String {
    let empty = server.blobs();
    let put = run_with(&mut server.client(&["put", "-"]), &noise(size)).succeeded();
    let found = server.blobs();
    let name = found.iter().find(|name| !empty.contains(name)).unwrap();
    let path = server.path("artifact-data/blobs").join(name);
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    damage(&file);
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o400)).unwrap();
    put.stdout().trim_end().to_owned()
}

/// Deposits an artifact, damages the blob's file, and fetches the artifact. Returns the response and the
/// log.
fn fetch_after(damage: impl Fn(&std::fs::File), size: usize, range: &str) -> (Vec<u8>, String) {
    let server = Server::start(&["--log-format", "json"]);
    let uri = deposit_damaged(&server, damage, size).replace('/', "%2F");
    let (_, headers) = server.connect();
    let answer = server.say(format!(
        "GET /v0/experiments/default/artifacts?uri={uri} HTTP/1.1\r\n{headers}{range}\r\n"
    ));
    // The lines of the deposit and of the fetch, and the alarm, which another thread of the server may write after them.
    server.wait_until("the lines of the log", || {
        let log = server.stderr();
        log.matches("artifact::request").count() == 2 && log.contains("\"alarm\"")
    });
    (answer, server.stderr())
}

/// Waits for an alarm and returns the log.
fn log_with_alarm(server: &Server) -> String {
    server.wait_until("an alarm", || server.stderr().contains("\"alarm\""));
    server.stderr()
}

fn assert_alarm(log: &str) {
    let alarms: Vec<serde_json::Value> = log
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .filter(|line: &serde_json::Value| line["alarm"] == "corrupt-blob")
        .collect();
    assert_eq!(alarms.len(), 1, "{log}");
    assert_eq!(alarms[0]["level"], "ERROR");
    assert_eq!(alarms[0]["span"]["name"], "request", "{log}");
}

#[test]
fn a_changed_last_byte_aborts_the_response() {
    let size = 16 << 20;
    for range in ["", "Range: bytes=0-\r\n"] {
        let last = |file: &std::fs::File| flip_last(file, size);
        let (answer, log) = fetch_after(last, size, range);
        let answer = Answer::of(&answer);
        assert!([200, 206].contains(&answer.status), "{}", answer.head);
        assert!(answer.body.len() < size, "all of it came");
        assert!(noise(size).starts_with(&answer.body));
        assert_alarm(&log);
        assert!(log.contains("\"outcome\":\"cut\""), "{log}");
    }
}

#[test]
fn causes_appear_in_the_log_but_not_in_the_response() {
    let server = Server::start(&["--log-format", "json"]);
    let empty = server.blobs();
    let put = run_with(&mut server.client(&["put", "-"]), b"lost").succeeded();
    let found = server.blobs();
    let name = found.iter().find(|name| !empty.contains(name)).unwrap();
    let path = server.path("artifact-data/blobs").join(name);
    rustix::fs::unlink(&path).unwrap();
    let uri = put.stdout().trim_end().replace('/', "%2F");
    let (_, headers) = server.connect();
    let answer = Answer::of(&server.say(format!(
        "GET /v0/experiments/default/artifacts?uri={uri} HTTP/1.1\r\n{headers}Connection: \
         close\r\n\r\n"
    )));
    let problem = answer.assert_problem(500, "about:blank").to_string();
    assert!(
        !problem.contains("no blob") && !problem.contains("os error"),
        "{problem}"
    );
    let log = log_with_alarm(&server);
    assert_alarm(&log);
    // From the outermost layer to the innermost.
    let line = log
        .lines()
        .find(|line| line.contains("corrupt-blob"))
        .unwrap();
    let outer = line.find("the row exists but its blob is missing").unwrap();
    let inner = line.find("not found").unwrap();
    assert!(outer < inner, "{line}");
}

#[test]
fn a_blob_of_the_wrong_size_is_answered_500() {
    let size = 1 << 20;
    let shorter = |file: &std::fs::File| file.set_len(size as u64 / 2).unwrap();
    let longer = |mut file: &std::fs::File| {
        std::io::Seek::seek(&mut file, std::io::SeekFrom::End(0)).unwrap();
        file.write_all(b"more").unwrap();
    };
    for (answer, log) in [
        fetch_after(shorter, size, "Connection: close\r\n"),
        fetch_after(longer, size, "Connection: close\r\n"),
    ] {
        let problem = Answer::of(&answer).assert_problem(500, "about:blank");
        let detail = problem["detail"].as_str().unwrap();
        assert!(
            !detail.contains("blob") && !detail.contains("bytes"),
            "{detail}"
        );
        assert_alarm(&log);
    }
}

/// Flips a bit of the last byte of the noise.
fn flip_last(file: &std::fs::File, size: usize) {
    flip_at(file, size - 1);
}

/// Flips a bit of one byte of the noise.
fn flip_at(file: &std::fs::File, at: usize) {
    let flipped = noise(at + 1)[at] ^ 1;
    file.write_all_at(&[flipped], at as u64).unwrap();
}

#[test]
fn one_flipped_byte_is_named_by_a_scrub_and_delivered_by_no_request() {
    const CHUNK: usize = 64 << 10;
    let size = 5 * CHUNK + 1_234;
    let (at, all) = (2 * CHUNK + 777, noise(size));
    let mut server = Server::start(&["--gc-interval", "0"]);
    let uri = deposit_damaged(&server, |file| flip_at(file, at), size);
    let id = uri.rsplit('/').next().unwrap();

    let first = format!("begins at byte {} and has up to {CHUNK} bytes", 2 * CHUNK);
    for options in [&["scrub", "--json"][..], &["scrub"]] {
        let scrub = maintain(&server, options);
        assert_eq!(scrub.code, Some(1), "{scrub:?}");
        let finding = scrub.stdout().lines().next().unwrap();
        let named = finding.contains(id) && finding.contains("corrupt");
        assert!(named && finding.contains(&first), "{scrub:?}");
    }
    let found = totals(&maintain(&server, &["scrub", "--json"]));
    assert_eq!(
        (&found["corrupt"], &found["bytes"]),
        (&1.into(), &size.into())
    );

    let ask = |server: &Server, range: Option<(usize, usize)>| {
        let (_, headers) = server.connect();
        let range = range.map(|(from, to)| format!("Range: bytes={from}-{}\r\n", to - 1));
        server.say(format!(
            "GET /v0/experiments/default/artifacts?uri={} HTTP/1.1\r\n{headers}{}Connection: close\r\n\r\n",
            uri.replace('/', "%2F"),
            range.unwrap_or_default()
        ))
    };
    let part = |server: &Server, from, to| {
        let said = ask(server, Some((from, to)));
        assert!(!said.is_empty(), "{from} to {to}: {}", server.stderr());
        Answer::of(&said)
    };
    let (start, end) = (2 * CHUNK, 3 * CHUNK);
    let assert_others = |server: &Server| {
        for (from, to) in [
            (0, start),
            (CHUNK - 1, CHUNK + 1),
            (start - 1, start),
            (end, size),
        ] {
            let answer = part(server, from, to);
            assert_eq!(answer.status, 206, "{from} to {to}: {}", answer.head);
            assert!(answer.body == all[from..to], "{from} to {to}");
        }
    };
    assert_others(&server);
    // A server that has found the damage refuses everything of the artifact, so each request gets another one.
    for range in [
        Some((at, at + 1)),
        Some((start, end)),
        Some((end - 1, size)),
        Some((1, size)),
        Some((0, start + 1)),
        None,
    ] {
        let folder = server.stop("TERM");
        server = Server::start_in(folder, &["--gc-interval", "0"]);
        assert_others(&server);
        let said = ask(&server, range);
        server.wait_until("the alarm", || server.stderr().contains("corrupt-blob"));
        if said.is_empty() {
            // The connection was closed before the header was sent.
            continue;
        }
        let answer = Answer::of(&said);
        if answer.status == 500 {
            answer.assert_problem(500, "about:blank");
            continue;
        }
        assert_eq!(answer.status, if range.is_some() { 206 } else { 200 });
        let (from, to) = range.unwrap_or((0, size));
        assert!(answer.body.len() < to - from, "{range:?}: all of it came");
        let until = if range.is_some() { start } else { size };
        assert!(all[from..until].starts_with(&answer.body), "{range:?}");
    }
    let done = run(&mut server.client(&["get", &uri, "-o", "out"]));
    assert_eq!(done.code, Some(1), "{}", done.stderr);
    assert!(!server.path("out").exists());
    assert_eq!(part(&server, 0, start).status, 500, "the damage is known");

    // Restored, everything is served again.
    let path = crate::maintained::file(&server, id);
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.write_all_at(&all[at..=at], at as u64).unwrap();
    assert!(Answer::of(&ask(&server, None)).body == all);
    assert_others(&server);
    assert_eq!(part(&server, at, at + 1).body, &all[at..=at]);
}

#[test]
fn a_resumed_get_of_a_damaged_artifact_fails() {
    let size = 4 << 20;
    let server = Server::start(&["--log-format", "json"]);
    let uri = deposit_damaged(&server, |file| flip_last(file, size), size);
    let get = run(&mut server.client(&["get", &uri, "-o", "out"]));
    assert_eq!(get.code, Some(1), "{}", get.stderr);
    assert!(!server.path("out").exists());
    // The client has resumed and got a 500.
    assert!(get.stderr.contains("status 500"), "{}", get.stderr);
    assert_alarm(&log_with_alarm(&server));
}

#[tokio::test]
async fn the_library_gets_no_wrong_byte_of_a_range() {
    let size = 4 << 20;
    let server = Server::start(&["--log-format", "json"]);
    let uri = deposit_damaged(&server, |file| flip_last(file, size), size);
    let credential = Credential::new("admin", &server.token()).unwrap();
    let client = Client::builder(&server.url, "default", credential);
    let policy = RetryPolicy::default().with_delays(Duration::ZERO, Duration::ZERO);
    let client = client.with_retry_policy(policy).build().unwrap();
    let read = async |range: ByteRange| {
        let options = FetchOptions::default().with_range(range);
        let mut fetched = client.fetch_with(&uri, options).await?;
        let mut bytes = Vec::new();
        while let Some(chunk) = fetched.next().await {
            match chunk {
                Ok(chunk) => bytes.extend_from_slice(&chunk),
                Err(error) => return Ok((bytes, Some(error))),
            }
        }
        Ok::<_, artifact_client::Error>((bytes, None))
    };
    let all = noise(size);
    let last = size - (64 << 10);
    let (bytes, error) = read(ByteRange::from(5..last as u64)).await.unwrap();
    assert!(error.is_none() && bytes == all[5..last], "{error:?}");
    let (bytes, error) = read(ByteRange::From(5)).await.unwrap();
    assert!(all[5..last].starts_with(&bytes), "{} bytes", bytes.len());
    // The response was cut, and the server refuses to send the rest.
    assert_eq!(error.unwrap().kind(), ErrorKind::ServerFault);
    let refused = read(ByteRange::Suffix(10)).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::ServerFault);
    assert_alarm(&log_with_alarm(&server));
}

#[test]
fn wget_does_not_complete_a_damaged_artifact_by_ranges() {
    let version = std::process::Command::new("wget").arg("--version").output();
    if skip(
        version.is_ok(),
        "downloads by wget",
        "install the package wget",
    ) {
        return;
    }
    let size = 4 << 20;
    let server = Server::start(&["--log-format", "json"]);
    let uri = deposit_damaged(&server, |file| flip_last(file, size), size);
    let (_, headers) = server.connect();
    let mut command = std::process::Command::new("wget");
    command.args([
        "--tries=5",
        "--waitretry=0",
        "--no-config",
        "--no-proxy",
        "-O",
        "out",
    ]);
    for header in headers.lines().skip(1) {
        command.args(["--header", header]);
    }
    let url = format!(
        "{}/v0/experiments/default/artifacts?uri={}",
        server.url,
        uri.replace('/', "%2F")
    );
    let done = run(command.arg(url).current_dir(server.folder.path()));
    // 8: the server answered with an error (wget(1)).
    assert_eq!(done.code, Some(8), "{}", done.stderr);
    assert!(server.read("out").len() < size);
    assert_alarm(&log_with_alarm(&server));
}
