//! The program under test: started, bounded in time, and never left behind.

use std::ffi::OsString;
use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

use crate::clock;
use crate::error::{Error, Result};
use crate::finding::Visible;
use crate::protocol::Seen;

/// A program that stores blobs, and says what it promises: see the crate's documentation.
///
/// It is called as `PROGRAM ARGS... run ROOT` and `PROGRAM ARGS... check ROOT`.
#[derive(Debug, Clone)]
pub struct Subject {
    program: OsString,
    args: Vec<OsString>,
    time_limit: Duration,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ended {
    /// By itself, with success.
    Well,
    /// By itself, otherwise: a status, and the end of what it wrote to standard error.
    Badly(String),
    /// The simulator killed it, as a power cut would.
    Killed,
    /// It ran for longer than the time limit and was killed.
    Late,
}

impl Subject {
    /// A subject that is started as `program`, by the rules of [`std::process::Command`]. It may run
    /// for 60 seconds.
    pub fn new(program: impl Into<OsString>) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            time_limit: Duration::from_mins(1),
        }
    }

    /// With this argument before `run` and `check`.
    #[must_use]
    pub fn with_arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// With another bound on the time of one run or check.
    #[must_use]
    pub fn with_time_limit(mut self, time_limit: Duration) -> Self {
        self.time_limit = time_limit;
        self
    }

    /// Runs `run ROOT` with `stdout` as standard output until it ends, is late, or `stop` says true,
    /// upon which it and everything it started are killed.
    pub(crate) fn run(&self, root: &Path, stdout: File, stop: impl Fn() -> bool) -> Result<Ended> {
        let (child, errors) = self.start("run", root, Stdio::from(stdout))?;
        let mut child = Group(child);
        let ended = match self.wait(&mut child.0, stop)? {
            Waited::Ended(status) if status.success() => Ended::Well,
            Waited::Ended(status) => Ended::Badly(format!("{status}{}", tail(errors))),
            Waited::Stopped => Ended::Killed,
            Waited::Late => Ended::Late,
        };
        drop(child);
        Ok(ended)
    }

    /// Runs `check ROOT` and gives what it saw; `Err` in the inner result is why it could not.
    pub(crate) fn check(&self, root: &Path) -> Result<Result<Vec<Visible>, String>> {
        let output = tempfile::tempfile().map_err(Error::io("make a temporary file"))?;
        let copy = output.try_clone().map_err(Error::io("copy a descriptor"))?;
        let (child, errors) = self.start("check", root, Stdio::from(copy))?;
        let mut child = Group(child);
        let waited = self.wait(&mut child.0, || false)?;
        drop(child);
        match waited {
            Waited::Ended(status) if status.success() => {}
            Waited::Ended(status) => return Ok(Err(format!("check: {status}{}", tail(errors)))),
            Waited::Stopped | Waited::Late => {
                return Ok(Err("check did not end in time".to_owned()));
            }
        }
        let text = whole(output).map_err(Error::io("read what the check printed"))?;
        Ok(Ok(text
            .lines()
            .filter_map(Seen::parse)
            .map(|seen| match seen {
                Seen::Have(id, digest) => Visible::Blob(id, digest),
                Seen::Bad(id, why) => Visible::Unreadable(id, why),
                Seen::Stray(what) => Visible::Stray(what),
            })
            .collect()))
    }

    /// Starts `run ROOT`, stopped before its first instruction, as a process group of its own. The
    /// caller waits for it.
    pub(crate) fn start_stopped(&self, root: &Path) -> Result<Stopped> {
        let mut shell = Command::new("/bin/sh");
        shell
            .args(["-c", "kill -STOP $$; exec \"$@\"", "subject"])
            .arg(&self.program);
        let output = tempfile::tempfile().map_err(Error::io("make a temporary file"))?;
        let (child, errors) = self.spawn(shell, "run", root, output.into())?;
        Ok(Stopped {
            process: child.id(),
            errors,
        })
    }

    pub(crate) fn time_limit(&self) -> Duration {
        self.time_limit
    }

    fn start(&self, verb: &str, root: &Path, stdout: Stdio) -> Result<(Child, File)> {
        self.spawn(Command::new(&self.program), verb, root, stdout)
    }

    fn spawn(
        &self,
        mut command: Command,
        verb: &str,
        root: &Path,
        stdout: Stdio,
    ) -> Result<(Child, File)> {
        let errors = tempfile::tempfile().map_err(Error::io("make a temporary file"))?;
        let copy = errors.try_clone().map_err(Error::io("copy a descriptor"))?;
        let child = command
            .args(&self.args)
            .arg(verb)
            .arg(root)
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(copy)
            .process_group(0)
            .spawn()
            .map_err(Error::io(format!(
                "start the subject {}",
                Path::new(&self.program).display()
            )))?;
        Ok((child, errors))
    }

    fn wait(&self, child: &mut Child, stop: impl Fn() -> bool) -> Result<Waited> {
        let began = clock::now();
        let mut pause = Duration::from_micros(200);
        loop {
            if let Some(status) = child
                .try_wait()
                .map_err(Error::io("wait for the subject"))?
            {
                return Ok(Waited::Ended(status));
            }
            if stop() {
                return Ok(Waited::Stopped);
            }
            if began.elapsed() > self.time_limit {
                return Ok(Waited::Late);
            }
            // There is no wait with a time limit in the standard library.
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(5));
        }
    }
}

/// A subject that was started and stopped.
#[derive(Debug)]
pub(crate) struct Stopped {
    pub(crate) process: u32,
    errors: File,
}

impl Stopped {
    /// The end of what it wrote to standard error.
    pub(crate) fn errors(self) -> String {
        tail(self.errors)
    }
}

enum Waited {
    Ended(ExitStatus),
    Stopped,
    Late,
}

/// A child that leads its process group; nothing of the group outlives this, panics included.
struct Group(Child);

impl Drop for Group {
    fn drop(&mut self) {
        // The group outlives its leader as long as a member does, and a group id is not given away
        // before that: with the leader reaped and no member left this is ESRCH.
        if let Some(group) = Pid::from_raw(self.0.id().cast_signed()) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.0.wait();
    }
}

fn whole(mut file: File) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The last lines of standard error, for messages.
fn tail(file: File) -> String {
    let text = whole(file).unwrap_or_default();
    let mut lines: Vec<_> = text.lines().rev().take(5).collect();
    lines.push("");
    lines.reverse();
    lines.join("; ")
}
