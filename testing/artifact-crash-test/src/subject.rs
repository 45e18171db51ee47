//! Starts the program under test, limits its run time, and kills all of its processes at the end.

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
use crate::protocol::CheckLine;

/// A program that stores blobs and prints what it promises. The crate documentation has the protocol.
///
/// It is started as `PROGRAM ARGS... run ROOT` and `PROGRAM ARGS... check ROOT`.
#[derive(Debug, Clone)]
pub struct Subject {
    program: OsString,
    args: Vec<OsString>,
    time_limit: Duration,
    signals_begin: bool,
    traced_sockets: bool,
}

/// The outcome of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RunOutcome {
    /// The subject exited with success.
    Success,
    /// The subject failed or died. Holds its exit status and the last lines of its standard error.
    Failure(String),
    /// The simulator killed the subject, as a power cut would.
    Killed,
    /// The subject exceeded the time limit and was killed.
    TimedOut,
}

impl Subject {
    /// Names the program, by the rules of [`std::process::Command`]. The time limit is 60 seconds.
    pub fn new(program: impl Into<OsString>) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            time_limit: Duration::from_secs(60),
            signals_begin: false,
            traced_sockets: false,
        }
    }

    /// Adds an argument before `run` and `check`.
    #[must_use]
    pub fn with_arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Sets the time limit of one run or check.
    #[must_use]
    pub fn with_time_limit(mut self, time_limit: Duration) -> Self {
        self.time_limit = time_limit;
        self
    }

    /// States that the subject sends `SIGURG` to itself after the line BEGIN. It is then not stopped at its system calls
    /// before that, which makes a traced run faster. Without a tracer the signal has no effect (signal(7)).
    #[must_use]
    pub fn with_begin_signal(mut self) -> Self {
        self.signals_begin = true;
        self
    }

    /// Counts the calls on sockets among the traced system calls, for a subject that works on a server.
    #[must_use]
    pub fn with_sockets(mut self) -> Self {
        self.traced_sockets = true;
        self
    }

    pub(crate) fn has_traced_sockets(&self) -> bool {
        self.traced_sockets
    }

    pub(crate) fn signals_begin(&self) -> bool {
        self.signals_begin
    }

    /// Runs `run ROOT` with `stdout` as standard output until the subject exits, exceeds the time limit,
    /// or `stop` returns true. Then kills the subject and every process it started.
    pub(crate) fn run(
        &self,
        root: &Path,
        stdout: File,
        stop: impl Fn() -> bool,
    ) -> Result<RunOutcome> {
        let (child, stderr) = self.start("run", root, Stdio::from(stdout))?;
        let mut child = ProcessGroup(child);
        let outcome = match self.wait(&mut child.0, stop)? {
            WaitResult::Exited(status) if status.success() => RunOutcome::Success,
            WaitResult::Exited(status) => {
                RunOutcome::Failure(format!("{status}{}", last_lines(&stderr)))
            }
            WaitResult::Stopped => RunOutcome::Killed,
            WaitResult::TimedOut => RunOutcome::TimedOut,
        };
        drop(child);
        Ok(outcome)
    }

    /// Runs `check ROOT` and returns what it reports. The inner `Err` says why the check failed.
    pub(crate) fn check(&self, root: &Path) -> Result<Result<Vec<Visible>, String>> {
        let output = tempfile::tempfile().map_err(Error::io("create a temporary file"))?;
        let copy = output
            .try_clone()
            .map_err(Error::io("duplicate a file descriptor"))?;
        let (child, stderr) = self.start("check", root, Stdio::from(copy))?;
        let mut child = ProcessGroup(child);
        let waited = self.wait(&mut child.0, || false)?;
        drop(child);
        match waited {
            WaitResult::Exited(status) if status.success() => {}
            WaitResult::Exited(status) => {
                return Ok(Err(format!("check: {status}{}", last_lines(&stderr))));
            }
            WaitResult::Stopped | WaitResult::TimedOut => {
                return Ok(Err("check exceeded the time limit".to_owned()));
            }
        }
        let text = read_all(&output).map_err(Error::io("read the output of the check"))?;
        Ok(Ok(text
            .lines()
            .filter_map(CheckLine::parse)
            .map(|line| match line {
                CheckLine::Have(id, digest) => Visible::Blob(id, digest),
                CheckLine::Bad(id, why) => Visible::Unreadable(id, why),
                CheckLine::Stray(path) => Visible::Stray(path),
            })
            .collect()))
    }

    /// Starts `run ROOT` in a new process group, stopped before its first instruction. The caller must
    /// wait for the process.
    pub(crate) fn start_stopped(&self, root: &Path) -> Result<StoppedSubject> {
        let mut shell = Command::new("/bin/sh");
        shell
            .args(["-c", "kill -STOP $$; exec \"$@\"", "subject"])
            .arg(&self.program);
        let stdout = tempfile::tempfile().map_err(Error::io("create a temporary file"))?;
        let copy = stdout
            .try_clone()
            .map_err(Error::io("duplicate a file descriptor"))?;
        let (child, stderr) = self.spawn(shell, "run", root, copy.into())?;
        Ok(StoppedSubject {
            process: child.id(),
            stdout,
            stderr,
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
        let stderr = tempfile::tempfile().map_err(Error::io("create a temporary file"))?;
        let copy = stderr
            .try_clone()
            .map_err(Error::io("duplicate a file descriptor"))?;
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
        Ok((child, stderr))
    }

    fn wait(&self, child: &mut Child, stop: impl Fn() -> bool) -> Result<WaitResult> {
        let began = clock::now();
        let mut pause = Duration::from_micros(200);
        loop {
            if let Some(status) = child
                .try_wait()
                .map_err(Error::io("wait for the subject"))?
            {
                return Ok(WaitResult::Exited(status));
            }
            if stop() {
                return Ok(WaitResult::Stopped);
            }
            if began.elapsed() > self.time_limit {
                return Ok(WaitResult::TimedOut);
            }
            // The standard library has no wait with a time limit.
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(5));
        }
    }
}

/// A subject that is stopped before its first instruction.
#[derive(Debug)]
pub(crate) struct StoppedSubject {
    pub(crate) process: u32,
    pub(crate) stdout: File,
    stderr: File,
}

impl StoppedSubject {
    /// Returns the last lines of its standard error.
    pub(crate) fn stderr(&self) -> String {
        last_lines(&self.stderr)
    }
}

enum WaitResult {
    Exited(ExitStatus),
    Stopped,
    TimedOut,
}

/// A child that leads its process group. Dropping it kills the whole group, also during a panic.
struct ProcessGroup(Child);

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        // The kernel does not reuse a group id while the group has a member. If the leader is reaped
        // and no member is left, this fails with ESRCH.
        if let Some(group) = Pid::from_raw(self.0.id().cast_signed()) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.0.wait();
    }
}

fn read_all(mut file: &File) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Returns the last five lines of a file for a message, each preceded by `; `.
fn last_lines(file: &File) -> String {
    let text = read_all(file).unwrap_or_default();
    let mut lines: Vec<_> = text.lines().rev().take(5).collect();
    lines.push("");
    lines.reverse();
    lines.join("; ")
}
