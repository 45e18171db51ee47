//! Starts PgBouncer in front of a server.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use crate::database::Database;
use crate::programs::option_env;
use crate::server::{Server, free_port};

/// A running PgBouncer.
#[derive(Debug)]
#[must_use = "dropping a pooler stops it"]
pub struct Pooler {
    process: Child,
    port: u16,
}

impl Pooler {
    /// Starts PgBouncer with this `pool_mode` and further lines of settings. Returns `None` and prints a
    /// line if it is not installed; with `ARTIFACT_TEST_REQUIRE=all` it panics instead.
    pub fn start(server: &Server, pool_mode: &str, settings: &str) -> Option<Self> {
        let Some(program) = program() else {
            skipped();
            return None;
        };
        let folder = server.socket_folder();
        let port = free_port(7);
        let file = folder.join(format!("pgbouncer-{port}.ini"));
        write_settings(&file, server, port, pool_mode, settings);
        let mut process = server
            .user()
            .command(program)
            .arg(&file)
            .current_dir("/")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("PgBouncer can be started");
        let log = process.stderr.take().expect("the stream is piped");
        let mut lines = BufReader::new(log).lines().map_while(Result::ok);
        let up = lines.find(|line| line.contains("process up"));
        assert!(up.is_some(), "PgBouncer does not start");
        // Reads on, so that the pipe stays open and never fills.
        std::thread::spawn(move || lines.for_each(drop));
        Some(Self { process, port })
    }

    /// Returns the URL of a database through the pooler.
    pub fn url(&self, database: &Database<'_>) -> String {
        format!(
            "postgres://postgres@127.0.0.1:{}/{}",
            self.port,
            database.name()
        )
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn program() -> Option<PathBuf> {
    let path = option_env("PATH");
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    let mut programs = folders.map(|folder| folder.join("pgbouncer"));
    programs.find(|program| program.is_file())
}

#[expect(clippy::print_stderr, reason = "a skipped test prints a line")]
fn skipped() {
    let message = "nothing with PgBouncer was tested; install Debian's package pgbouncer";
    assert!(
        option_env("ARTIFACT_TEST_REQUIRE") != "all",
        "{message}"
    );
    eprintln!("skipped: {message}");
}

#[expect(clippy::disallowed_methods, reason = "a test creates its own files")]
fn write_settings(file: &Path, server: &Server, port: u16, pool_mode: &str, settings: &str) {
    let users = file.with_extension("users");
    std::fs::write(&users, "\"postgres\" \"\"\n").expect("the folder is writable");
    let text = format!(
        "[databases]\n\
         * = host={} port={}\n\
         [pgbouncer]\n\
         listen_addr = 127.0.0.1\n\
         listen_port = {port}\n\
         unix_socket_dir =\n\
         auth_type = trust\n\
         auth_file = {}\n\
         pool_mode = {pool_mode}\n\
         {settings}\n",
        server.socket_folder().display(),
        server.port(),
        users.display()
    );
    std::fs::write(file, text).expect("the folder is writable");
}
