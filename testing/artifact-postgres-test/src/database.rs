//! A database, and SQL in it.

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
        // From the template that nobody connects to.
        let sql = format!("CREATE DATABASE {name} TEMPLATE template0");
        succeeded(server.psql().args(["-d", "postgres", "-qAtc", &sql]));
        Self { server, name }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its URL by the Unix socket, where no password is asked for.
    pub fn url(&self) -> String {
        self.url_as("postgres")
    }

    /// The same, as another user.
    pub fn url_as(&self, user: &str) -> String {
        let folder = self.server.socket_folder().display().to_string();
        let folder = folder.replace('/', "%2F");
        let (port, name) = (self.server.port(), &self.name);
        format!("postgres://{user}@{folder}:{port}/{name}")
    }

    /// Its URL by TCP, where [`Server::password`] is asked for.
    pub fn tcp_url(&self) -> String {
        let (port, name) = (self.server.port(), &self.name);
        format!("postgres://postgres@127.0.0.1:{port}/{name}")
    }

    /// The port of its server, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.server.port()
    }

    /// What the user `postgres` gives for a password there.
    pub fn password(&self) -> &'static str {
        self.server.password()
    }

    /// Runs SQL, one transaction a statement, and gives what it says: a line a row, `|` between
    /// columns.
    #[track_caller]
    pub fn sql(&self, sql: &str) -> String {
        let mut command = self.server.psql();
        command.args(["-d", &self.name, "-v", "ON_ERROR_STOP=1", "-qAtc", sql]);
        succeeded(&mut command).trim_end().to_owned()
    }

    /// The same, where it must fail; gives what was said.
    #[track_caller]
    pub fn refused_sql(&self, sql: &str) -> String {
        let mut command = self.server.psql();
        command.args(["-d", &self.name, "-v", "ON_ERROR_STOP=1", "-qAtc", sql]);
        let output = command.output().expect("psql is there");
        assert!(!output.status.success(), "{sql} succeeded");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    /// A session that stays open.
    pub fn psql(&self) -> Psql {
        let mut child = self
            .server
            .psql()
            .args(["-d", &self.name, "-v", "ON_ERROR_STOP=1", "-qAt"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("psql is there");
        let stdin = child.stdin.take().expect("it is piped");
        let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        Psql {
            child,
            stdin,
            stdout,
        }
    }

    /// Ends every session in it but those of `psql`; gives how many there were.
    pub fn terminate_sessions(&self) -> usize {
        let sql = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                   WHERE datname = current_database() AND application_name <> 'psql'";
        self.sql(sql).parse().expect("a count is a number")
    }
}

/// A session of `psql`, for what holds a lock. Dropping it ends it, and rolls back.
#[derive(Debug)]
pub struct Psql {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Psql {
    /// Runs SQL, and returns once it is done.
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
