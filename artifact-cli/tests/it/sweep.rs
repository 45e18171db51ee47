//! Leftovers of crashed deposits are removed while the server runs.

use std::fs::File;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use crate::harness::Server;

/// Leaves a file as a deposit does whose server was killed two days ago.
#[expect(clippy::disallowed_methods, reason = "a test makes its own files")]
fn leave(server: &Server, name: &str) -> PathBuf {
    let path = server.path("artifact-data/blobs/staging").join(name);
    let file = File::create(&path).unwrap();
    let two_days_ago = SystemTime::UNIX_EPOCH + SystemTime::UNIX_EPOCH.elapsed().unwrap()
        - Duration::from_hours(48);
    file.set_modified(two_days_ago).unwrap();
    path
}

#[test]
fn leftovers_are_removed_again_and_again_while_the_server_runs() {
    let server = Server::start(&["--sweep-interval", "1"]);
    for name in ["upload-1", "upload-2", "upload-3"] {
        let leftover = leave(&server, name);
        // The sweep that removes one leftover has listed the folder before the next one is there.
        server.wait_until("the leftover is removed", || !leftover.exists());
    }
    server.wait_until("the log counts them", || {
        server.stderr().contains("total_removed=3")
    });
}
