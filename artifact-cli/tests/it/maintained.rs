//! What the tests of `gc` and `scrub` share: commands beside a running server, and its blobs as files.

use std::fs::File;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use rusqlite::Connection;
use serde_json::Value;

use crate::harness::{Done, Server, artifact, files_below, run, run_with};

/// Runs a command of maintenance with the settings of the server.
pub(crate) fn maintain(server: &Server, arguments: &[&str]) -> Done {
    run(artifact(server.folder.path()).args(arguments))
}

/// Deposits bytes. Returns the id of the artifact.
pub(crate) fn deposit(server: &Server, bytes: &[u8]) -> String {
    let put = run_with(&mut server.client(&["put", "-"]), bytes).succeeded();
    let uri = put.stdout().trim_end().to_owned();
    uri.rsplit('/').next().unwrap().to_owned()
}

/// Fetches an artifact by its id. Returns the result.
pub(crate) fn fetch(server: &Server, id: &str) -> Done {
    let uri = format!("eden://artifacts/{id}");
    run(&mut server.client(&["get", "-o", "-", &uri]))
}

/// Returns the files of blobs with their ids.
pub(crate) fn blobs(server: &Server) -> Vec<(PathBuf, String)> {
    blobs_below(&server.path("artifact-data/blobs"))
}

/// Returns the files of blobs in a folder of blobs, with their ids.
pub(crate) fn blobs_below(folder: &Path) -> Vec<(PathBuf, String)> {
    let names = files_below(folder).into_iter();
    let with_id = |name: String| {
        let digits = name.replace('/', "");
        let id = digits.get(digits.len().checked_sub(32)?..)?;
        let is_id = id.bytes().all(|byte| byte.is_ascii_hexdigit());
        (is_id && !name.starts_with("staging")).then(|| (folder.join(&name), id.to_owned()))
    };
    names.filter_map(with_id).collect()
}

/// Returns the file of a blob.
pub(crate) fn file(server: &Server, id: &str) -> PathBuf {
    let found = blobs(server).into_iter().find(|(_, found)| found == id);
    found.unwrap().0
}

/// Makes a blob look as old as two days.
pub(crate) fn age(server: &Server, id: &str) {
    age_file(&file(server, id)).unwrap();
}

/// Makes the file of a blob look as old as two days.
#[expect(clippy::disallowed_methods, reason = "a test changes its own files")]
pub(crate) fn age_file(path: &Path) -> std::io::Result<()> {
    let now = SystemTime::UNIX_EPOCH + SystemTime::UNIX_EPOCH.elapsed().unwrap();
    File::open(path)?.set_modified(now - Duration::from_hours(48))
}

/// Changes one bit of the first byte of a blob.
pub(crate) fn flip(server: &Server, id: &str) {
    let path = file(server, id);
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
    let mut options = std::fs::OpenOptions::new();
    let file = options.read(true).write(true).open(&path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, 0).unwrap();
    file.write_all_at(&[byte[0] ^ 1], 0).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o400)).unwrap();
}

/// A deposit whose bytes are stored and whose row waits for the database.
pub(crate) struct WaitingDeposit {
    pub(crate) client: Child,
    pub(crate) id: String,
    /// Has the lock that the row waits for.
    pub(crate) database: Connection,
}

/// Begins a deposit and waits until its blob is there. Another program has locked the database.
pub(crate) fn begin_deposit(server: &Server) -> WaitingDeposit {
    let database = Connection::open(server.path("artifact-data/rows.sqlite")).unwrap();
    database.execute_batch("BEGIN IMMEDIATE").unwrap();
    let before = blobs(server);
    server.write("waiting", b"the bytes of a deposit");
    let mut command: Command = server.client(&["put", "--retries", "0", "waiting"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let client = command.spawn().unwrap();
    let new = || {
        blobs(server)
            .into_iter()
            .find(|blob| !before.contains(blob))
    };
    server.wait_until("the blob of the deposit", || new().is_some());
    let id = new().unwrap().1;
    WaitingDeposit {
        client,
        id,
        database,
    }
}

/// Parses the last line of standard output.
pub(crate) fn totals(done: &Done) -> Value {
    serde_json::from_str(done.stdout().lines().last().unwrap()).unwrap()
}
