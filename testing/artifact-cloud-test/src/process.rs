//! A server's process, in a process group of its own that is killed however the test ends.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::error::{Error, Result};

/// How long a server may take to become ready. On two busy cores they take 1 to 15 s.
const START_TIMEOUT: Duration = Duration::from_secs(90);

/// The number of bytes of a log that an error shows.
const LOG_TAIL_BYTES: u64 = 2_000;

/// A running server. Dropping it kills its process group and waits for it.
#[derive(Debug)]
pub(crate) struct Process {
    name: String,
    child: Child,
    watchdog: Watchdog,
    log: std::path::PathBuf,
}

impl Process {
    /// Starts `command` and writes its output to a file in `folder`.
    pub(crate) fn start(name: String, mut command: Command, folder: &Path) -> Result<Self> {
        let log = folder.join(format!("{name}.log"));
        let output = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)
            .map_err(Error::io("cannot create a server's log"))?;
        let errors = output
            .try_clone()
            .map_err(Error::io("cannot duplicate a log's descriptor"))?;
        let child = command
            .current_dir(folder)
            .env("HOME", folder)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .process_group(0)
            .spawn()
            .map_err(Error::io("cannot start a server"))?;
        let watchdog = Watchdog::watch(child.id(), folder);
        Ok(Self {
            name,
            child,
            watchdog,
            log,
        })
    }

    /// Repeats `probe` until it succeeds, the process exits, or the time is up.
    pub(crate) async fn ready<E, F>(&mut self, mut probe: impl FnMut() -> F) -> Result<()>
    where
        E: std::fmt::Display,
        F: Future<Output = Result<(), E>>,
    {
        let until = Instant::now() + START_TIMEOUT;
        let mut why = String::from("it was not probed");
        while Instant::now() < until {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(self.not_ready(format!("it exited: {status}")));
            }
            match probe().await {
                Ok(()) => return Ok(()),
                Err(error) => why = error.to_string(),
            }
            // Another process's progress can only be polled.
            sleep(Duration::from_millis(100)).await;
        }
        Err(self.not_ready(why))
    }

    fn not_ready(&self, why: String) -> Error {
        Error::NotReady {
            server: self.name.clone(),
            why,
            log: tail(&self.log),
        }
    }

    /// Kills the process and its children immediately (SIGKILL).
    pub(crate) fn kill(&mut self) {
        kill_group(self.child.id());
        let _ = self.child.wait();
        self.watchdog.dismiss();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn kill_group(id: u32) {
    let pid = i32::try_from(id).ok().and_then(Pid::from_raw);
    if let Some(pid) = pid {
        let _ = kill_process_group(pid, Signal::KILL);
    }
}

fn tail(log: &Path) -> String {
    let read = || -> std::io::Result<String> {
        let mut file = OpenOptions::new().read(true).open(log)?;
        let end = file.seek(SeekFrom::End(0))?;
        file.seek(SeekFrom::Start(end.saturating_sub(LOG_TAIL_BYTES)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    read().unwrap_or_else(|error| format!("(cannot read its log: {error})"))
}

/// A shell that kills a process group and removes its folder if this process ends without doing so:
/// a SIGKILL runs no destructor, and a `static` is never dropped. The shell waits for the end of a pipe
/// that only this process holds open.
#[derive(Debug)]
struct Watchdog(Option<Child>);

impl Watchdog {
    /// Starts the shell. If that fails, only the destructors clean up.
    fn watch(group: u32, folder: &Path) -> Self {
        const SCRIPT: &str = "trap '' HUP INT TERM
            read -r done || { kill -s KILL -- \"-$1\"; cd /; rm -rf -- \"$2\"; }";
        let child = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "artifact-cloud-watchdog"])
            .arg(group.to_string())
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn();
        Self(child.ok())
    }

    /// Ends the shell without killing the group.
    fn dismiss(&mut self) {
        let Some(mut child) = self.0.take() else {
            return;
        };
        if let Some(mut stdin) = child.stdin.take() {
            let _ = stdin.write_all(b"done\n");
        }
        let _ = child.wait();
    }
}

/// Creates a folder for a server. It is removed with its contents on drop.
pub(crate) fn folder() -> Result<TempDir> {
    tempfile::Builder::new()
        .prefix("artifact-cloud-")
        .tempdir()
        .map_err(Error::io("cannot create a folder for a server"))
}

/// Writes a server's configuration file.
pub(crate) fn write_config(path: &Path, text: &str) -> Result<()> {
    OpenOptions::new()
        .create_new(true)
        .write(true)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(Error::io("cannot write a server's configuration"))
}

/// Returns an error and its sources on one line.
pub(crate) fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut below = error.source();
    while let Some(error) = below {
        let _ = write!(text, ": {error}");
        below = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::{Process, folder};

    #[test]
    fn a_killed_test_leaves_no_server_and_no_folder() {
        let kept = folder().unwrap();
        let mut command = Command::new("/bin/sh");
        // It has a child, which must be killed too.
        command.args(["-c", "sleep 600 & wait"]);
        let mut server = Process::start("sleeper".into(), command, kept.path()).unwrap();
        let mut watchdog = server.watchdog.0.take().unwrap();
        // The end of this process would close the pipe like this.
        drop(watchdog.stdin.take());
        watchdog.wait().unwrap();
        let status = server.child.wait().unwrap();
        assert_eq!(status.code(), None, "it was not killed: {status}");
        assert!(!kept.path().exists());
    }

    #[test]
    fn dropping_a_server_kills_it_and_ends_the_watchdog() {
        let kept = folder().unwrap();
        let mut command = Command::new("/bin/sleep");
        command.arg("600");
        let server = Process::start("sleeper".into(), command, kept.path()).unwrap();
        let id = server.child.id();
        drop(server);
        let process = std::path::PathBuf::from(format!("/proc/{id}"));
        assert!(!process.exists());
        assert!(kept.path().exists(), "its owner removes the folder");
    }
}
