//! A database, and the SQL that tests run in it.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use crate::programs::succeeded;
use crate::server::Server;

/// A database of one test.
#[derive(Debug)]
pub struct Database<'s> {
    server: &'s Server,
    name: String,
}

impl<'s> Database<'s> {
    pub(crate) fn create(server: &'s Server, name: String) -> Self {
        // template0 has no connections, which would make the statement fail.
        let sql = format!("CREATE DATABASE {name} TEMPLATE template0");
        succeeded(server.psql().args(["-d", "postgres", "-qAtc", &sql]));
        Self::existing(server, name)
    }

    pub(crate) fn existing(server: &'s Server, name: String) -> Self {
        Self { server, name }
    }

    /// Returns the name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the URL through the Unix socket, which needs no password.
    pub fn url(&self) -> String {
        self.url_as("postgres")
    }

    /// Returns the URL through the Unix socket for another user.
    pub fn url_as(&self, user: &str) -> String {
        let (host, name) = (self.server.socket_host(), &self.name);
        format!("postgres://{user}@{host}/{name}")
    }

    /// Returns the URL through TCP, which needs [`Server::password`].
    pub fn tcp_url(&self) -> String {
        let (port, name) = (self.server.port(), &self.name);
        format!("postgres://postgres@127.0.0.1:{port}/{name}")
    }

    /// Returns the port of the server on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.server.port()
    }

    /// Returns the password of the user `postgres`.
    pub fn password(&self) -> &'static str {
        self.server.password()
    }

    /// Runs SQL, each statement in its own transaction, and returns the output: one line per row, with
    /// `|` between columns.
    #[track_caller]
    pub fn sql(&self, sql: &str) -> String {
        let mut command = self.server.psql();
        command.args(["-d", &self.name, "-v", "ON_ERROR_STOP=1", "-qAtc", sql]);
        succeeded(&mut command).trim_end().to_owned()
    }

    /// Runs SQL that must fail, and returns the error output.
    #[track_caller]
    pub fn refused_sql(&self, sql: &str) -> String {
        let mut command = self.server.psql();
        command.args(["-d", &self.name, "-v", "ON_ERROR_STOP=1", "-qAtc", sql]);
        let output = command.output().expect("psql can be started");
        assert!(!output.status.success(), "{sql} succeeded");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    /// Starts a session that stays open.
    pub fn psql(&self) -> Psql {
        let mut child = self
            .server
            .psql()
            .args(["-d", &self.name, "-v", "ON_ERROR_STOP=1", "-qAt"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("psql can be started");
        let stdin = child.stdin.take().expect("the stream is piped");
        let stdout = BufReader::new(child.stdout.take().expect("the stream is piped"));
        Psql {
            child,
            stdin,
            stdout,
        }
    }

    /// Ends all sessions of the database except those of `psql`, and returns their number.
    pub fn terminate_sessions(&self) -> usize {
        let sql = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                   WHERE datname = current_database() AND application_name <> 'psql'";
        self.sql(sql).parse().expect("a count is a number")
    }
}

/// A session of `psql`, which can hold a lock. Dropping it ends the session and rolls back.
#[derive(Debug)]
pub struct Psql {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Psql {
    /// Runs SQL, and waits until it is done.
    #[track_caller]
    pub fn run(&mut self, sql: &str) {
        writeln!(self.stdin, "{sql};\n\\echo done").expect("psql runs");
        let mut line = String::new();
        while line.trim_end() != "done" {
            line.clear();
            let read = self.stdout.read_line(&mut line).expect("psql runs");
            assert!(read > 0, "psql ended at {sql}");
        }
    }
}

impl Drop for Psql {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
