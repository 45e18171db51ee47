//! A server, and how it ends.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::database::Database;
use crate::programs::{self, User, option_env, succeeded};

/// The password that connections by TCP need, as the user `postgres`.
pub(crate) const PASSWORD: &str = "canary-postgres-5b1c";

/// Below the ports that systems give out by themselves, so that nobody has it by chance.
const PORTS: std::ops::Range<u16> = 20_000..30_000;

/// Ends the server and removes its folder when the pipe to it closes, which is when the tests end:
/// nobody drops what is shared, and nobody who is killed drops anything.
const KEEPER: &str = "read _; \"$1/pg_ctl\" -D \"$2/data\" -m immediate stop; rm -rf -- \"$2\"";

/// A running server.
#[derive(Debug)]
#[must_use = "a server that is dropped is stopped"]
pub struct Server {
    programs: PathBuf,
    user: User,
    port: u16,
    databases: AtomicU32,
    keeper: Child,
    /// Taken when it is dropped.
    pipe: Option<ChildStdin>,
    folder: PathBuf,
}

/// How a server is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Connections are told, and ended.
    Fast,
    /// As by a crash: it recovers from its log at the next start.
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
    /// The one server of this test binary. `None` where the machine has no PostgreSQL: a line says
    /// so, and where `ARTIFACT_TEST_REQUIRE=all` it is a failure.
    pub fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<Server>> = OnceLock::new();
        let shared =
            SHARED.get_or_init(|| found().map(|(programs, user)| Self::run(programs, user)));
        if shared.is_none() {
            skipped();
        }
        shared.as_ref()
    }

    /// A server of its own, for a test that stops it. `None` as in [`shared`](Self::shared).
    pub fn start() -> Option<Self> {
        let found = found();
        if found.is_none() {
            skipped();
        }
        found.map(|(programs, user)| Self::run(programs, user))
    }

    fn run(programs: PathBuf, user: User) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("artifact-pg-")
            .tempdir()
            .expect("a temporary folder can be made")
            .keep();
        user.own(&folder);
        make(&programs, user, &folder);
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
        // Somebody may take the port between the look and the start.
        for attempt in 1.. {
            server.port = free_port(attempt);
            if server.try_resume() {
                return server;
            }
            assert!(attempt < 5, "the server does not start: {}", server.log());
        }
        unreachable!("the loop ends by itself")
    }

    /// A new database, with nothing in it.
    pub fn database(&self) -> Database<'_> {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        Database::create(self, format!("test_{number}"))
    }

    /// Stops it, as an operator or a crash does.
    pub fn stop(&self, how: Stop) {
        succeeded(self.control().args(["-m", how.as_str(), "stop"]));
    }

    /// Starts it again, on the same port, with what it had.
    pub fn resume(&self) {
        assert!(self.try_resume(), "{}", self.log());
    }

    fn try_resume(&self) -> bool {
        let socket = self.folder.display();
        let options = format!("-p {} -k '{socket}'", self.port);
        let log = self.folder.join("log");
        let mut command = self.control();
        command.arg("-l").arg(log).args(["-o", &options, "start"]);
        // It would hold the pipes of this process open for as long as it runs.
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

    /// The folder of its Unix socket.
    pub fn socket_folder(&self) -> &Path {
        &self.folder
    }

    /// Its port, on 127.0.0.1 and in the name of the socket.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The password that connections by TCP need. Those by the socket need none.
    pub fn password(&self) -> &'static str {
        PASSWORD
    }

    pub(crate) fn psql(&self) -> Command {
        let mut command = Command::new(self.programs.join("psql"));
        command
            .arg("-h")
            .arg(&self.folder)
            .args(["-p", &self.port.to_string(), "-U", "postgres"]);
        command
    }

    /// What it has logged.
    #[expect(clippy::disallowed_methods, reason = "a test looks at its own files")]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.pipe.take());
        // It ends once the server has; nothing more can be done about one that cannot be waited for.
        let _ = self.keeper.wait();
    }
}

fn found() -> Option<(PathBuf, User)> {
    Some((programs::folder()?, User::find()?))
}

#[expect(clippy::print_stderr, reason = "a skip is said in a line")]
fn skipped() {
    let (what, how) = (
        "nothing with PostgreSQL",
        "install Debian's package postgresql, or put initdb and pg_ctl into the PATH",
    );
    assert!(
        option_env("ARTIFACT_TEST_REQUIRE") != "all",
        "{what} was tested; {how}"
    );
    eprintln!("skipped: {what} was tested; {how}");
}

/// Makes the files of a server. They need no sync: who crashes in a test begins anew.
#[expect(clippy::disallowed_methods, reason = "a test makes its own files")]
fn make(programs: &Path, user: User, folder: &Path) {
    let password = folder.join("password");
    std::fs::write(&password, PASSWORD).expect("the folder is ours");
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
    // What is promised of durability is tested with syncs; the rest keeps it small and quick.
    let settings = "\
        listen_addresses = '127.0.0.1'\n\
        fsync = on\n\
        max_connections = 200\n\
        shared_buffers = 32MB\n\
        log_line_prefix = '%m [%p] %d '\n";
    std::fs::write(data.join("postgresql.auto.conf"), settings).expect("the folder is there");
}

fn free_port(attempt: u16) -> u16 {
    let first = u16::try_from(std::process::id() % 7919).expect("it is below 7919");
    let mut ports = PORTS
        .cycle()
        .skip(usize::from(first + attempt * 13))
        .take(1000);
    ports
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("one of a thousand ports is free")
}
