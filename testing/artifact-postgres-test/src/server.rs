//! Starts and stops a PostgreSQL server.

use std::fs::Permissions;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::database::Database;
use crate::programs::{self, User, option_env, succeeded};

/// The password of the user `postgres` for TCP connections.
pub(crate) const PASSWORD: &str = "canary-postgres-5b1c";

/// The ports of the servers. They are below the ephemeral ports, so the operating system does not assign
/// them to other processes.
const PORTS: std::ops::Range<u16> = 20_000..30_000;

/// A shell script that stops the server and removes its folder when the pipe to it closes.
///
/// The pipe closes when the test process ends. `Drop` is not enough: a shared server is in a static, which
/// is never dropped, and a killed process runs no destructors.
const KEEPER: &str = "read _; \"$1/pg_ctl\" -D \"$2/data\" -m immediate stop; rm -rf -- \"$2\"";

/// A running server.
#[derive(Debug)]
#[must_use = "dropping a server stops it"]
pub struct Server {
    programs: PathBuf,
    user: User,
    port: u16,
    databases: AtomicU32,
    keeper: Child,
    /// Taken by `drop`.
    pipe: Option<ChildStdin>,
    folder: PathBuf,
}

/// How to stop a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Closes the connections properly.
    Fast,
    /// Like a crash: the server recovers from its log at the next start.
    Immediate,
}

impl Stop {
    fn as_str(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Immediate => "immediate",
        }
    }
}

impl Server {
    /// Returns the server that all tests of this binary share.
    ///
    /// If the machine has no PostgreSQL, prints a line and returns `None`; with
    /// `ARTIFACT_TEST_REQUIRE=all` it panics instead.
    pub fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<Server>> = OnceLock::new();
        let shared =
            SHARED.get_or_init(|| found().map(|(programs, user)| Self::create(programs, user)));
        if shared.is_none() {
            skipped();
        }
        shared.as_ref()
    }

    /// Starts a server for one test, which may stop it. Returns `None` as [`shared`](Self::shared)
    /// does.
    pub fn start() -> Option<Self> {
        let found = found();
        if found.is_none() {
            skipped();
        }
        found.map(|(programs, user)| Self::create(programs, user))
    }

    /// Starts a server that accepts TLS, with a certificate and its key in PEM. Returns `None` as
    /// [`shared`](Self::shared) does.
    pub fn start_with_tls(certificate: &str, key: &str) -> Option<Self> {
        let found = found();
        if found.is_none() {
            skipped();
        }
        let (programs, user) = found?;
        let initdb = programs.clone();
        Some(Self::run(programs, user, |folder| {
            create_files(&initdb, user, folder);
            enable_tls(user, &folder.join("data"), certificate, key);
        }))
    }

    /// Starts a standby of this server, which answers queries and follows the server.
    pub fn standby(&self) -> Self {
        Self::run(self.programs.clone(), self.user, |folder| {
            let program = self.programs.join("pg_basebackup");
            succeeded(
                self.user
                    .command(program)
                    .arg("-h")
                    .arg(&self.folder)
                    .args(["-p", &self.port.to_string(), "-U", "postgres", "-D"])
                    .arg(folder.join("data"))
                    // Follows the server after the copy, and does not wait for its next checkpoint.
                    .args(["--write-recovery-conf", "--checkpoint=fast", "--no-sync"])
                    .current_dir("/"),
            );
        })
    }

    /// Makes a standby accept writes. Returns once it does.
    pub fn promote(&self) {
        succeeded(self.control().arg("promote"));
    }

    fn create(programs: PathBuf, user: User) -> Self {
        let initdb = programs.clone();
        Self::run(programs, user, |folder| create_files(&initdb, user, folder))
    }

    /// Starts a server on the files that `create_files` puts into its folder.
    fn run(programs: PathBuf, user: User, create_files: impl FnOnce(&Path)) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("artifact-pg-")
            .tempdir()
            .expect("a temporary folder can be created")
            .keep();
        user.own(&folder);
        create_files(&folder);
        let mut keeper = user
            .command("/bin/sh")
            .args(["-c", KEEPER, "sh"])
            .args([&programs, &folder])
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell can be started");
        let pipe = keeper.stdin.take();
        let mut server = Self {
            programs,
            user,
            port: 0,
            databases: AtomicU32::new(0),
            keeper,
            pipe,
            folder,
        };
        // Another process may take the port between the check and the start.
        for attempt in 1.. {
            server.port = free_port();
            if server.try_resume() {
                return server;
            }
            assert!(attempt < 5, "the server does not start: {}", server.log());
        }
        unreachable!("the loop returns or panics")
    }

    /// Creates an empty database.
    pub fn database(&self) -> Database<'_> {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        Database::create(self, format!("test_{number}"))
    }

    /// Returns the copy that a standby has of a database.
    pub fn same_database(&self, database: &Database<'_>) -> Database<'_> {
        Database::existing(self, database.name().to_owned())
    }

    /// Stops the server, like an operator or a crash.
    pub fn stop(&self, mode: Stop) {
        succeeded(self.control().args(["-m", mode.as_str(), "stop"]));
    }

    /// Starts the server again, on the same port with the same data.
    pub fn resume(&self) {
        assert!(self.try_resume(), "{}", self.log());
    }

    fn try_resume(&self) -> bool {
        let socket = self.folder.display();
        let options = format!("-p {} -k '{socket}'", self.port);
        let log = self.folder.join("log");
        let mut command = self.control();
        command.arg("-l").arg(log).args(["-o", &options, "start"]);
        // Otherwise the server would keep the pipes of this process open.
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    }

    fn control(&self) -> Command {
        let mut command = self.user.command(self.programs.join("pg_ctl"));
        command
            .arg("-D")
            .arg(self.folder.join("data"))
            .args(["-w", "-t", "60"])
            .current_dir("/");
        command
    }

    /// Returns the host and port of the Unix socket as a part of a URL.
    pub fn socket_host(&self) -> String {
        let folder = self.folder.display().to_string();
        format!("{}:{}", folder.replace('/', "%2F"), self.port)
    }

    /// Returns the folder of the Unix socket.
    pub fn socket_folder(&self) -> &Path {
        &self.folder
    }

    /// Returns the port, which is used on 127.0.0.1 and in the name of the socket.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the password for TCP connections. Connections through the socket need none.
    pub fn password(&self) -> &'static str {
        PASSWORD
    }

    pub(crate) fn user(&self) -> User {
        self.user
    }

    pub(crate) fn psql(&self) -> Command {
        let mut command = Command::new(self.programs.join("psql"));
        command
            .arg("-h")
            .arg(&self.folder)
            .args(["-p", &self.port.to_string(), "-U", "postgres"]);
        command
    }

    /// Returns the log.
    #[expect(clippy::disallowed_methods, reason = "a test reads its own files")]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.pipe.take());
        // The script ends after the server. If the wait fails, nothing more can be done.
        let _ = self.keeper.wait();
    }
}

fn found() -> Option<(PathBuf, User)> {
    Some((programs::folder()?, User::find()?))
}

#[expect(clippy::print_stderr, reason = "a skipped test prints a line")]
fn skipped() {
    let message = "nothing with PostgreSQL was tested; install Debian's package postgresql, or put \
                   initdb and pg_ctl into the PATH";
    assert!(option_env("ARTIFACT_TEST_REQUIRE") != "all", "{message}");
    eprintln!("skipped: {message}");
}

/// Creates the files of a server. They are not synced: after a crash a test starts from the beginning.
#[expect(clippy::disallowed_methods, reason = "a test creates its own files")]
fn create_files(programs: &Path, user: User, folder: &Path) {
    let password = folder.join("password");
    std::fs::write(&password, PASSWORD).expect("the folder is writable");
    let data = folder.join("data");
    succeeded(
        user.command(programs.join("initdb"))
            .arg("-D")
            .arg(&data)
            .args(["--no-sync", "--no-instructions", "--username=postgres"])
            .args(["--auth-local=trust", "--auth-host=scram-sha-256"])
            .args(["--encoding=UTF8", "--no-locale"])
            .arg("--pwfile")
            .arg(&password)
            .current_dir("/"),
    );
    // The durability tests need fsync; the other settings keep the server small and fast.
    let settings = "\
        listen_addresses = '127.0.0.1'\n\
        fsync = on\n\
        max_connections = 200\n\
        shared_buffers = 32MB\n\
        log_line_prefix = '%m [%p] %d '\n";
    std::fs::write(data.join("postgresql.auto.conf"), settings)
        .expect("initdb has created the folder");
}

/// Puts a certificate and its key where the server looks for them.
#[expect(clippy::disallowed_methods, reason = "a test creates its own files")]
fn enable_tls(user: User, data: &Path, certificate: &str, key: &str) {
    let write = |name: &str, text: &str| {
        let path = data.join(name);
        std::fs::write(&path, text).expect("initdb has created the folder");
        user.own(&path);
        path
    };
    write("server.crt", certificate);
    let key = write("server.key", key);
    // The server refuses a key that others may read.
    std::fs::set_permissions(key, Permissions::from_mode(0o600)).expect("it is a test's own file");
    let path = data.join("postgresql.auto.conf");
    let settings = std::fs::read_to_string(&path).expect("it was written before");
    write("postgresql.auto.conf", &(settings + "ssl = on\n"));
}

/// Returns a port that no server of this process has had: a stopped server keeps its port.
fn free_port() -> u16 {
    static ATTEMPTS: AtomicU32 = AtomicU32::new(0);
    // Test processes that run at the same time begin at different ports.
    let offset = std::process::id() % 7919;
    for _ in 0..1000 {
        let attempt = ATTEMPTS.fetch_add(1, Ordering::Relaxed);
        let index = usize::try_from(offset + attempt).expect("it is small");
        let port = PORTS.cycle().nth(index).expect("the ports repeat");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("one of a thousand ports is free");
}
