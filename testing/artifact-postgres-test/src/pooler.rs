//! Starts PgBouncer in front of a server.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Stdio};

use tempfile::TempDir;

use crate::database::Database;
use crate::programs::option_env;
use crate::server::Server;

/// A shell script that stops PgBouncer when the pipe to it closes, also because the test process ended.
const KEEPER: &str = "\"$1\" \"$2\" & read _; kill -KILL $!; wait";

/// A running PgBouncer.
#[derive(Debug)]
#[must_use = "dropping a pooler stops it"]
pub struct Pooler {
    keeper: Child,
    /// Taken by `drop`.
    pipe: Option<ChildStdin>,
    /// Of the settings and of the Unix socket.
    folder: TempDir,
}

impl Pooler {
    /// Starts PgBouncer with this `pool_mode` and further lines of settings. Returns `None` and prints a
    /// line if it is not installed; with `ARTIFACT_TEST_REQUIRE=all` it panics instead.
    pub fn start(server: &Server, pool_mode: &str, settings: &str) -> Option<Self> {
        let Some(program) = program() else {
            skipped();
            return None;
        };
        let folder = tempfile::Builder::new()
            .prefix("artifact-bouncer-")
            .tempdir()
            .expect("a temporary folder can be created");
        let file = write_settings(folder.path(), server, pool_mode, settings);
        let user = server.user();
        user.own(folder.path());
        let mut keeper = user
            .command("/bin/sh")
            .args(["-c", KEEPER, "sh"])
            .args([&program, &file])
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a shell can be started");
        let pipe = keeper.stdin.take();
        let log = keeper.stderr.take().expect("the stream is piped");
        let mut lines = BufReader::new(log).lines().map_while(Result::ok);
        let mut head = Vec::new();
        let is_up = lines.by_ref().any(|line| {
            let is_up = line.contains("process up");
            head.push(line);
            is_up
        });
        assert!(is_up, "PgBouncer does not start: {head:?}");
        // Reads on, so that the pipe stays open and never fills.
        std::thread::spawn(move || lines.for_each(drop));
        Some(Self {
            keeper,
            pipe,
            folder,
        })
    }

    /// Returns the URL of a database through the pooler.
    pub fn url(&self, database: &Database<'_>) -> String {
        let folder = self.folder.path().display().to_string();
        let (folder, name) = (folder.replace('/', "%2F"), database.name());
        format!("postgres://postgres@{folder}:{PORT}/{name}")
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        drop(self.pipe.take());
        // The script ends after PgBouncer. If the wait fails, nothing more can be done.
        let _ = self.keeper.wait();
    }
}

/// The port is only a part of the socket's name.
const PORT: u16 = 6432;

fn program() -> Option<PathBuf> {
    let path = option_env("PATH");
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    let mut programs = folders.map(|folder| folder.join("pgbouncer"));
    programs.find(|program| program.is_file())
}

#[expect(clippy::print_stderr, reason = "a skipped test prints a line")]
fn skipped() {
    let message = "nothing with PgBouncer was tested; install Debian's package pgbouncer";
    assert!(option_env("ARTIFACT_TEST_REQUIRE") != "all", "{message}");
    eprintln!("skipped: {message}");
}

#[expect(clippy::disallowed_methods, reason = "a test creates its own files")]
fn write_settings(folder: &Path, server: &Server, pool_mode: &str, settings: &str) -> PathBuf {
    let users = folder.join("users");
    std::fs::write(&users, "\"postgres\" \"\"\n").expect("the folder is writable");
    let text = format!(
        "[databases]\n\
         * = host={} port={}\n\
         [pgbouncer]\n\
         listen_addr =\n\
         listen_port = {PORT}\n\
         unix_socket_dir = {}\n\
         auth_type = trust\n\
         auth_file = {}\n\
         pool_mode = {pool_mode}\n\
         {settings}\n",
        server.socket_folder().display(),
        server.port(),
        folder.display(),
        users.display()
    );
    let file = folder.join("pgbouncer.ini");
    std::fs::write(&file, text).expect("the folder is writable");
    file
}
