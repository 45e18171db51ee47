//! Deposits whose response is lost after the artifact was stored, with the real server.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread::JoinHandle;

use serde_json::Value;

use crate::harness::{Server, artifact, noise, run};

/// Passes `connections` connections on to the server, one after the other. The clients of the first `lost` get nothing of the
/// response, which the server has sent.
fn losing(server: &Server, lost: usize, connections: usize) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let address = server.url.strip_prefix("http://").unwrap().to_owned();
    let passing = std::thread::spawn(move || {
        for number in 0..connections {
            let (client, _) = listener.accept().unwrap();
            let upstream = TcpStream::connect(&address).unwrap();
            let sending = {
                let (mut from, mut to) =
                    (client.try_clone().unwrap(), upstream.try_clone().unwrap());
                // It ends when one of the two is closed.
                std::thread::spawn(move || drop(std::io::copy(&mut from, &mut to)))
            };
            pass_response(&upstream, &client, number < lost);
            let _ = client.shutdown(Shutdown::Both);
            let _ = upstream.shutdown(Shutdown::Both);
            sending.join().unwrap();
        }
    });
    (url, passing)
}

/// Waits for a whole response, and passes it on unless it is lost.
fn pass_response(mut from: &TcpStream, mut to: &TcpStream, is_lost: bool) {
    let mut response = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&response).to_ascii_lowercase();
        let whole = text.split_once("\r\n\r\n").and_then(|(head, body)| {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            Some(body.len() >= length?.parse().ok()?)
        });
        if whole == Some(true) {
            break;
        }
        match from.read(&mut piece).unwrap() {
            0 => break,
            length => response.extend_from_slice(&piece[..length]),
        }
    }
    assert!(
        response.starts_with(b"HTTP/1.1 201 "),
        "{}",
        response.escape_ascii()
    );
    if !is_lost {
        to.write_all(&response).unwrap();
    }
}

fn listed(server: &Server) -> Vec<Value> {
    let done = run(&mut server.client(&["ls", "--json"])).succeeded();
    let list: Value = serde_json::from_slice(&done.stdout).unwrap();
    list["artifacts"].as_array().unwrap().clone()
}

fn put(server: &Server, url: &str, more: &[&str]) -> crate::harness::Done {
    let mut command = artifact(server.folder.path());
    command.args([
        "put",
        "--server",
        url,
        "--admin-token-file",
        "artifact-data/admin-token",
    ]);
    run(command.arg("file").args(more))
}

#[test]
fn a_put_whose_responses_are_lost_stores_one_artifact() {
    for length in [10, 3 << 20] {
        let server = Server::start(&[]);
        server.write("file", &noise(length));
        let (url, passing) = losing(&server, 2, 3);
        let done = put(&server, &url, &[]).succeeded();
        passing.join().unwrap();
        let artifacts = listed(&server);
        assert_eq!(artifacts.len(), 1, "{artifacts:?}");
        assert_eq!(done.stdout().trim_end(), artifacts[0]["artifacts_uri"]);
        assert_eq!(artifacts[0]["file_name"], "file");
        let stored = server.blobs();
        let blobs = stored.iter().filter(|path| path.starts_with("blobs/"));
        assert_eq!(blobs.count(), 1, "{stored:?}");
        assert_eq!(
            done.stderr.matches("again in").count(),
            2,
            "{}",
            done.stderr
        );

        // Another command is another deposit.
        put(&server, &server.url, &[]).succeeded();
        assert_eq!(listed(&server).len(), 2);
    }
}

#[test]
fn a_command_with_a_key_can_be_repeated_after_a_restart_of_the_server() {
    let server = Server::start(&[]);
    server.write("file", b"hello");
    let key = ["--idempotency-key", "nightly 17", "--retries", "0"];
    let (url, passing) = losing(&server, 1, 1);
    let lost = put(&server, &url, &key);
    passing.join().unwrap();
    assert_eq!(lost.code, Some(1), "{lost:?}");
    assert_eq!(lost.stdout(), "");
    let server = Server::start_in(server.stop("KILL"), &[]);

    let uris = [(); 2].map(|()| {
        put(&server, &server.url, &key)
            .succeeded()
            .stdout()
            .to_owned()
    });
    assert_eq!(uris[0], uris[1]);
    let artifacts = listed(&server);
    assert_eq!(artifacts.len(), 1, "{artifacts:?}");
    assert_eq!(uris[0].trim_end(), artifacts[0]["artifacts_uri"]);

    server.write("file", b"other");
    let other = put(&server, &server.url, &key);
    assert_eq!(other.code, Some(1), "{other:?}");
    let said = "the idempotency key was used for another deposit";
    assert!(other.stderr.contains(said), "{}", other.stderr);
    assert_eq!(listed(&server).len(), 1);
}
