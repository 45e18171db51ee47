//! The memory of the server process while many clients read one artifact.

use std::io::{Read, Write};

use crate::harness::{Server, noise, run};

const READERS: usize = 100;
const SIZE: usize = 8 << 20;
/// The cache, 1 MiB for each reader, and 32 MiB for the rest of the process. The readers would need 800 MiB
/// if each kept what it reads.
const BOUND: usize = (64 << 20) + (READERS << 20) + (32 << 20);

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
