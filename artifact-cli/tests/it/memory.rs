//! The memory of the server process while many clients read one artifact.

use std::io::{Read, Write};

use crate::harness::{Server, noise, run};
use crate::http2::{block_on, connect, request};

const READERS: usize = 100;
const SIZE: usize = 8 << 20;
/// The cache, 1 MiB for each reader, and 16 MiB for the rest of the process. The readers would need 800 MiB
/// if each kept what it reads.
const BOUND: usize = (64 << 20) + (READERS << 20) + (16 << 20);

#[test]
fn many_readers_of_one_artifact_keep_the_memory_below_a_bound() {
    let server = Server::start(&["--verified-cache", "64MiB", "--log-level", "warn"]);
    server.write("file", &noise(SIZE));
    let put = run(&mut server.client(&["put", "file"])).succeeded();
    let uri = put.stdout().trim().replace(':', "%3A").replace('/', "%2F");
    let mut readers: Vec<_> = (0..READERS)
        .map(|_| {
            let (mut stream, headers) = server.connect();
            write!(
                stream,
                "GET /v0/experiments/default/artifacts?uri={uri} HTTP/1.1\r\n{headers}\
                 Connection: close\r\n\r\n"
            )
            .unwrap();
            (stream, 0)
        })
        .collect();
    // All readers are in the middle of the artifact most of the time.
    let mut buffer = vec![0; 64 << 10];
    while !readers.is_empty() {
        readers.retain_mut(|(stream, received)| {
            let count = stream.read(&mut buffer).unwrap();
            *received += count;
            assert!(count > 0 || *received > SIZE, "{received} bytes came");
            count > 0
        });
    }
    let peak = server.peak_memory();
    assert!(
        peak < BOUND,
        "{} MiB, not below {}",
        peak >> 20,
        BOUND >> 20
    );
}

/// The number of slow readers, which take nothing.
const SLOW: usize = 320;
/// 32 KiB for the pieces of each reader, 32 KiB for its connection or stream, 8 MiB for larger pieces, and
/// 16 MiB for the rest of the process. The readers would need 320 MiB with pieces of 512 KiB.
const SLOW_BOUND: usize = SLOW * (64 << 10) + (8 << 20) + (16 << 20);

/// Starts a server without a cache. Returns the query of an artifact of 8 MiB.
fn start_without_cache() -> (Server, String) {
    let settings = ["--verified-cache", "0", "--fetch-memory", "8MiB"];
    let server = Server::start(&[&settings[..], &["--log-level", "warn"]].concat());
    server.write("file", &noise(SIZE));
    let put = run(&mut server.client(&["put", "file"])).succeeded();
    let uri = put.stdout().trim().replace(':', "%3A").replace('/', "%2F");
    (server, format!("uri={uri}"))
}

#[test]
fn slow_readers_over_http1_keep_the_memory_below_a_bound() {
    let (server, query) = start_without_cache();
    let readers: Vec<_> = (0..SLOW)
        .map(|_| {
            let (mut stream, headers) = server.connect();
            write!(
                stream,
                "GET /v0/experiments/default/artifacts?{query} HTTP/1.1\r\n{headers}\r\n"
            )
            .unwrap();
            // The kernel has room for all before it; the server waits with the rest.
            stream.read_exact(&mut vec![0; 64 << 10]).unwrap();
            stream
        })
        .collect();
    let peak = server.peak_memory();
    assert!(peak < SLOW_BOUND, "{} MiB", peak >> 20);
    drop(readers);
}

#[test]
fn slow_readers_over_http2_keep_the_memory_below_a_bound() {
    let (server, query) = start_without_cache();
    block_on(async {
        let mut readers = Vec::new();
        let mut connections = Vec::new();
        for _ in 0..SLOW / 64 {
            let (mut client, task) = connect(&server).await;
            for _ in 0..64 {
                client = client.ready().await.unwrap();
                let path = format!("/v0/experiments/default/artifacts?{query}");
                let (response, _) = client
                    .send_request(request(&server, "GET", &path), true)
                    .unwrap();
                let response = response.await.unwrap();
                assert_eq!(response.status(), 200);
                readers.push(response.into_body());
            }
            connections.push((client, task));
        }
        let peak = server.peak_memory();
        assert!(peak < SLOW_BOUND, "{} MiB", peak >> 20);
    });
}

/// With a fixed threshold, glibc returns most of what many readers needed (bench/http/readers.py).
#[test]
fn the_server_runs_with_a_fixed_trim_threshold() {
    if cfg!(target_env = "gnu") {
        let server = Server::start(&[]);
        let environment = server.environment();
        assert!(
            environment.contains("MALLOC_TRIM_THRESHOLD_=131072\0"),
            "{environment}"
        );
    }
    let server = Server::start_with(
        tempfile::tempdir().unwrap(),
        &[],
        &[("MALLOC_TRIM_THRESHOLD_", "262144")],
    );
    let environment = server.environment();
    assert!(
        environment.contains("MALLOC_TRIM_THRESHOLD_=262144\0"),
        "{environment}"
    );
}
