//! A server's process: started in a group of its own, ended with all its children on every way out.

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

/// How long a server may take until it serves; they need 1 to 15 s on two busy cores.
const START: Duration = Duration::from_secs(90);

/// How many bytes of a log an error shows.
const LOG_TAIL: u64 = 2_000;

/// A running server. Dropping it kills its process group and waits for it.
#[derive(Debug)]
pub(crate) struct Process {
    name: String,
    child: Child,
    janitor: Janitor,
    log: std::path::PathBuf,
}

impl Process {
    /// Starts `command`, whose output goes into a file of `folder`.
    pub(crate) fn start(name: String, mut command: Command, folder: &Path) -> Result<Self> {
        let log = folder.join(format!("{name}.log"));
        let output = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)
            .map_err(Error::io("make a server's log"))?;
        let errors = output.try_clone().map_err(Error::io("share a log"))?;
        let child = command
            .current_dir(folder)
            .env("HOME", folder)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .process_group(0)
            .spawn()
            .map_err(Error::io("start a server"))?;
        let janitor = Janitor::watch(child.id(), folder);
        Ok(Self {
            name,
            child,
            janitor,
            log,
        })
    }

    /// Tries `probe` again and again until it succeeds, the process ends or the time is up.
    pub(crate) async fn ready<E, F>(&mut self, mut probe: impl FnMut() -> F) -> Result<()>
    where
        E: std::fmt::Display,
        F: Future<Output = Result<(), E>>,
    {
        let until = Instant::now() + START;
        let mut why = String::from("it was not asked");
        while Instant::now() < until {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(self.not_ready(format!("it ended: {status}")));
            }
            match probe().await {
                Ok(()) => return Ok(()),
                Err(error) => why = error.to_string(),
            }
            // There is nothing to wait for but another process's progress.
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

    /// Kills the process and its children at once, as a power cut of the machine would.
    pub(crate) fn kill(&mut self) {
        kill_group(self.child.id());
        let _ = self.child.wait();
        self.janitor.dismiss();
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
        file.seek(SeekFrom::Start(end.saturating_sub(LOG_TAIL)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    read().unwrap_or_else(|error| format!("(its log cannot be read: {error})"))
}

/// A shell that ends one process group and removes its folder should this process end before it could:
/// a SIGKILL runs no destructor, nor does the end of a process drop a `static`. It waits at a pipe,
/// whose other end nobody but us has.
#[derive(Debug)]
struct Janitor(Option<Child>);

impl Janitor {
    /// Without a shell there is no janitor, and destructors alone must do.
    fn watch(group: u32, folder: &Path) -> Self {
        const SCRIPT: &str = "trap '' HUP INT TERM
            read -r done || { kill -s KILL -- \"-$1\"; cd /; rm -rf -- \"$2\"; }";
        let child = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "artifact-cloud-janitor"])
            .arg(group.to_string())
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn();
        Self(child.ok())
    }

    /// Its work is done: it goes without killing anybody.
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

/// A folder for a server, removed with all that is in it.
pub(crate) fn folder() -> Result<TempDir> {
    tempfile::Builder::new()
        .prefix("artifact-cloud-")
        .tempdir()
        .map_err(Error::io("make a folder for a server"))
}

/// Writes a server's configuration.
pub(crate) fn configure(path: &Path, text: &str) -> Result<()> {
    OpenOptions::new()
        .create_new(true)
        .write(true)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(Error::io("write a server's configuration"))
}

/// An error and all that lies under it, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
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
    fn a_server_whose_test_was_killed_is_ended_and_its_folder_removed() {
        let kept = folder().unwrap();
        let mut command = Command::new("/bin/sh");
        // With a child of its own, which must go too.
        command.args(["-c", "sleep 600 & wait"]);
        let mut server = Process::start("sleeper".into(), command, kept.path()).unwrap();
        let mut janitor = server.janitor.0.take().unwrap();
        // What the end of this process does to the pipe.
        drop(janitor.stdin.take());
        janitor.wait().unwrap();
        let ended = server.child.wait().unwrap();
        assert_eq!(ended.code(), None, "it was killed: {ended}");
        assert!(!kept.path().exists());
    }

    #[test]
    fn a_server_that_is_dropped_is_ended_and_the_janitor_goes() {
        let kept = folder().unwrap();
        let mut command = Command::new("/bin/sleep");
        command.arg("600");
        let server = Process::start("sleeper".into(), command, kept.path()).unwrap();
        let id = server.child.id();
        drop(server);
        let process = std::path::PathBuf::from(format!("/proc/{id}"));
        assert!(!process.exists());
        assert!(kept.path().exists(), "it is its owner's");
    }
}
