//! `ulimit -f`: a write past the limit fails and does not end the process.

use crate::harness::{Server, noise, run, run_with};

/// One MiB: dash counts in units of 512 bytes.
const LIMIT: &str = "ulimit -f 2048";

#[test]
fn a_deposit_past_the_limit_on_file_sizes_is_refused_and_the_server_lives() {
    let mut server = Server::start_after(tempfile::tempdir().unwrap(), LIMIT);
    let before = server.blobs();
    for size in [3 << 20, (1 << 20) + 1] {
        let refused = run_with(&mut server.client(&["put", "-"]), &noise(size));
        assert_ne!(refused.code, Some(0), "{refused:?}");
        assert!(
            refused.stderr.contains("larger than this server accepts"),
            "{refused:?}"
        );
        assert_eq!(server.blobs(), before);
    }
    // The operator learns which limit it was.
    server.wait_until("the limit in the log", || {
        server.stderr().contains("ulimit -f")
    });
    for size in [10, 1 << 20] {
        let put = run_with(&mut server.client(&["put", "-"]), &noise(size)).succeeded();
        let got = run(&mut server.client(&["get", put.stdout().trim_end()])).succeeded();
        assert!(got.stdout == noise(size), "{} bytes", got.stdout.len());
    }
    server.signal("TERM");
    assert_eq!(server.wait().0, Some(0));
}

#[test]
fn a_log_file_at_the_limit_on_file_sizes_does_not_end_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let log = std::fs::File::create_new(folder.path().join("stderr")).unwrap();
    log.set_len(1 << 20).unwrap();
    let mut server = Server::start_after(folder, LIMIT);
    for _ in 0..3 {
        run_with(&mut server.client(&["put", "-"]), b"small").succeeded();
    }
    assert_eq!(server.read("stderr").len(), 1 << 20);
    // The file holds only zeroes, which would fill a failed test's output.
    server.signal("TERM");
    assert_eq!(server.wait().0, Some(0));
}
