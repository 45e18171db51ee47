//! Two servers on one database and one folder, and collectors as processes of their own.

use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::Duration;

use artifact_client::{Client, Credential};
use artifact_crash_test::Subject;
use artifact_crash_test::syscalls::{self, Call, Fault, TracedRun};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::timeout;

use crate::clients::{Clients, check_whole, connect};
use crate::harness::{BINARY, Done, Server, TOKEN, artifact, run};
use crate::maintained::{age_file, blobs_below, totals};
use crate::traced::kind_of;

/// The bytes of the `-shm` file that SQLite locks (its documentation of the WAL format, "WAL Locks"): a writer, a checkpoint,
/// recovery, and the marks of readers. A process that has one of them exclusively keeps the others waiting.
const LOCKS: RangeInclusive<u64> = 120..=127;
/// How often a wait looks whether the lock was taken meanwhile.
const GLANCE: Duration = Duration::from_millis(200);

/// A store with two servers.
pub(super) struct Site {
    folder: TempDir,
    database: String,
    /// The folder of the blobs.
    backend: String,
    servers: Vec<Server>,
    /// The blobs that look old already.
    aged: Mutex<HashSet<String>>,
}

impl Site {
    pub(super) fn on_sqlite() -> Self {
        let folder = TempDir::new().unwrap();
        let database = folder.path().join("rows.sqlite");
        Self::open(folder, database.to_str().unwrap().to_owned())
    }

    #[cfg(feature = "postgres")]
    pub(super) fn on(database: String) -> Self {
        Self::open(TempDir::new().unwrap(), database)
    }

    fn open(folder: TempDir, database: String) -> Self {
        let blobs = folder.path().join("blobs");
        let mut site = Self {
            folder,
            database,
            backend: blobs.to_str().unwrap().to_owned(),
            servers: Vec::new(),
            aged: Mutex::default(),
        };
        for _ in 0..2 {
            let server = {
                let arguments = [&["--gc-interval", "0"][..], &site.halves()].concat();
                let secrets = [("ARTIFACT_ADMIN_TOKEN", TOKEN)];
                Server::start_with(TempDir::new().unwrap(), &arguments, &secrets)
            };
            site.servers.push(server);
        }
        site
    }

    pub(super) fn database(&self) -> &str {
        &self.database
    }

    pub(super) fn backend(&self) -> &str {
        &self.backend
    }

    /// Returns a path in the folder of the store, outside its halves.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Returns the settings that name the two halves.
    pub(super) fn halves(&self) -> [&str; 4] {
        ["--database", &self.database, "--backend", &self.backend]
    }

    pub(super) fn urls(&self) -> Vec<String> {
        self.servers
            .iter()
            .map(|server| server.url.clone())
            .collect()
    }

    /// Returns a client of the first server with the rights of the administrator.
    pub(super) fn admin(&self) -> Client {
        admin(&self.servers[0].url)
    }

    /// Makes all blobs look as old as two days, also those of deposits in progress: for a collector, the clock has
    /// moved.
    pub(super) fn age_new(&self) {
        let mut aged = self.aged.lock().unwrap();
        for (path, id) in blobs_below(Path::new(&self.backend)) {
            // A client or a collector may have deleted it since.
            if !aged.contains(&id) && age_file(&path).is_ok() {
                aged.insert(id);
            }
        }
    }

    /// Returns a command of maintenance as a subject of the tracer.
    pub(super) fn collector(&self) -> Subject {
        let halves = self.halves().join("' '");
        let script = format!("echo BEGIN; exec env -i '{BINARY}' gc --many-orphans '{halves}'");
        Subject::new("/bin/sh")
            .with_arg("-c")
            .with_arg(script)
            .with_sockets()
            .with_time_limit(Duration::from_mins(5))
    }

    pub(super) fn trace(
        &self,
        subject: &Subject,
        decide: impl FnMut(&Call) -> Option<Fault>,
    ) -> TracedRun {
        syscalls::trace(subject, self.folder.path(), decide).unwrap()
    }

    /// Returns whether a call is one on the store.
    pub(super) fn is_step(&self, call: &Call) -> bool {
        Path::new(&call.target).starts_with(self.folder.path())
            || call.target.starts_with("socket:")
    }

    /// Returns the kind of a step.
    pub(super) fn kind(&self, call: &Call) -> String {
        kind_of(call, self.folder.path())
    }

    /// Waits until more deposits were acknowledged. Returns false if that is impossible, because a process other than the
    /// servers has a lock of SQLite.
    pub(super) async fn go_on(&self, clients: &mut Clients, deposits: u64) -> bool {
        let target = *clients.acknowledged.borrow() + deposits;
        for _ in 0..300 {
            if self.is_locked_by_other() {
                return false;
            }
            if timeout(GLANCE, clients.reach(target)).await.is_ok() {
                return true;
            }
        }
        let logs: Vec<_> = self.servers.iter().map(Server::stderr).collect();
        panic!("no deposit goes on: {logs:?}");
    }

    /// Returns whether a process other than the two servers has an exclusive lock of SQLite.
    ///
    /// If it is stopped then, the others wait for it: writers for up to 5 seconds, and readers, also those that open the
    /// file, for up to 10 seconds until SQLite reports `locking protocol`.
    pub(super) fn is_locked_by_other(&self) -> bool {
        self.is_locked_by_other_than(None)
    }

    /// Returns the same, without the locks of a further process.
    #[expect(clippy::disallowed_methods, reason = "the kernel's file")]
    fn is_locked_by_other_than(&self, process: Option<u32>) -> bool {
        let Ok(shm) = std::fs::metadata(format!("{}-shm", self.database)) else {
            return false;
        };
        let inode = format!(":{}", shm.ino());
        let locks = std::fs::read_to_string("/proc/locks").unwrap();
        locks.lines().any(|line| {
            // "1: POSIX  ADVISORY  WRITE 4711 fd:01:123456 120 120", proc(5).
            let words: Vec<_> = line.split_whitespace().collect();
            let [_, "POSIX", _, "WRITE", holder, file, first, last] = words[..] else {
                return false;
            };
            let number = |text: &str| text.parse().unwrap_or(0);
            let mut known = self.servers.iter().map(Server::pid).chain(process);
            let is_known = known.any(|pid| u64::from(pid) == number(holder));
            let is_lock = number(first) <= *LOCKS.end() && *LOCKS.start() <= number(last);
            file.ends_with(&inode) && is_lock && !is_known
        })
    }

    /// Collects in a process of its own. Fails if a row has lost its bytes.
    #[track_caller]
    pub(super) fn gc(&self) -> Value {
        let done = self
            .maintain(&["gc", "--many-orphans", "--json"])
            .succeeded();
        let totals = totals(&done);
        assert_eq!(totals["missing"], 0, "{done:?}");
        totals
    }

    /// Collects as [`gc`](Self::gc) does. Returns `None` if a traced process, of which one thread is stopped, has a lock of SQLite.
    ///
    /// Another of its threads may have taken the lock after the look at the locks. It is stopped at its next step, and waits for the
    /// tracer, which waits for the collection, which waits for the lock. So the collection is killed then.
    #[track_caller]
    pub(super) fn gc_unless_locked(&self) -> Option<Value> {
        let mut command = artifact(self.folder.path());
        command.args(["gc", "--many-orphans", "--json"]);
        command.args(self.halves());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        let id = child.id();
        let (sender, ended) = mpsc::channel();
        let waiting = thread::spawn(move || sender.send(child.wait_with_output()));
        let done = loop {
            match ended.recv_timeout(GLANCE) {
                Ok(output) => break Some(Done::from(output.unwrap())),
                Err(_) if self.is_locked_by_other_than(Some(id)) => break None,
                Err(_) => {}
            }
        };
        let Some(done) = done else {
            let pid = Pid::from_raw(id.cast_signed()).unwrap();
            // It may have ended meanwhile; its thread reaps it.
            let _ = kill_process(pid, Signal::KILL);
            drop(waiting.join());
            return None;
        };
        let totals = totals(&done.succeeded());
        assert_eq!(totals["missing"], 0);
        Some(totals)
    }

    fn maintain(&self, arguments: &[&str]) -> Done {
        let mut command = artifact(self.folder.path());
        run(command.args(arguments).args(self.halves()))
    }

    /// Checks that the store is whole after all clients have stopped.
    pub(super) async fn check_whole(&self, clients: &Clients) {
        self.age_new();
        self.gc();
        let scrub = self.maintain(&["scrub", "--json"]).succeeded();
        let totals = totals(&scrub);
        assert_eq!(totals["complete"], true);
        check_whole(&self.admin(), &clients.ledger).await;
    }
}

fn admin(url: &str) -> Client {
    connect(url, Credential::new("admin", TOKEN).unwrap())
}

/// Returns whether a step reads or changes what other processes see, or takes or gives back a lock. To be stopped at
/// another one is the same as to be stopped at the next.
pub(super) fn is_shared(call: &Call) -> bool {
    let is_lock = || call.name == "fcntl" && call.target.ends_with("-shm");
    let is_private = matches!(
        call.name,
        "close" | "fcntl" | "fstatfs" | "readlink" | "lseek" | "ioctl"
    );
    !is_private || is_lock()
}
