//! Runs a subject under ptrace(2) and stops it at each system call on a file.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use nix::errno::Errno;
use nix::libc::user_regs_struct;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::call::Call;
use super::fault::Fault;
use super::memory;
use super::table::{self, Transfer, UNTRACEABLE};
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::{Line, LineSplitter};
use crate::subject::{RunOutcome, Subject};

/// The recording of a traced run.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TracedRun {
    /// The calls between BEGIN and END, in order.
    pub calls: Vec<Call>,
    /// The lines that the subject printed, in order.
    pub lines: Vec<Line>,
    /// The number of lines that were printed before the first fault.
    pub lines_before_fault: usize,
    /// The outcome of the run.
    pub outcome: RunOutcome,
}

/// Checks that this machine allows tracing of processes.
///
/// # Errors
///
/// [`ErrorKind::Unavailable`] if a seccomp filter or a security module forbids it.
pub fn available() -> Result<()> {
    let root = tempfile::tempdir().map_err(Error::io("create a temporary folder"))?;
    match trace(&Subject::new("true"), root.path(), |_| None) {
        Ok(_) => Ok(()),
        Err(error) => Err(Error::new(
            ErrorKind::Unavailable,
            format!("ptrace(2) ({error})"),
        )),
    }
}

/// Runs `run ROOT` under the tracer and calls `decide` before each system call on a file between BEGIN and
/// END. `decide` returns the fault to inject, or `None` for a normal call. The thread waits in the call
/// meanwhile, so `decide` may block, or change the environment.
///
/// # Errors
///
/// [`ErrorKind::Subject`] if the subject does not start or sets up an `io_uring`, [`ErrorKind::Io`] if it
/// cannot be traced.
pub fn trace(
    subject: &Subject,
    root: &Path,
    decide: impl FnMut(&Call) -> Option<Fault>,
) -> Result<TracedRun> {
    let stopped = subject.start_stopped(root)?;
    let group = Pid::from_raw(stopped.process.cast_signed());
    let failed = |op: &'static str| move |errno: Errno| Error::io(op)(std::io::Error::from(errno));
    let _group_guard = ProcessGroup(group);
    match waitpid(group, Some(WaitPidFlag::WUNTRACED)).map_err(failed("wait for the subject"))? {
        WaitStatus::Stopped(..) => {}
        other => {
            let message = format!("it did not start: {other:?}");
            return Err(Error::new(ErrorKind::Subject, message));
        }
    }
    let options = Options::PTRACE_O_TRACESYSGOOD
        | Options::PTRACE_O_TRACECLONE
        | Options::PTRACE_O_TRACEFORK
        | Options::PTRACE_O_TRACEVFORK
        | Options::PTRACE_O_TRACEEXEC
        | Options::PTRACE_O_EXITKILL;
    ptrace::seize(group, options).map_err(failed("trace the subject"))?;
    kill(group, Signal::SIGCONT).map_err(failed("resume the subject"))?;

    let timed_out = AtomicBool::new(false);
    let mut tracer = Tracer {
        group,
        stdout: &stopped.stdout,
        subject,
        decide,
        pending_calls: BTreeMap::new(),
        calls: Vec::new(),
        window: Window::Before,
        output: Vec::new(),
        output_before_fault: None,
        killed: false,
        untraceable: false,
    };
    let status = std::thread::scope(|scope| {
        let (done, ended) = mpsc::channel::<()>();
        let (limit, timed_out) = (subject.time_limit(), &timed_out);
        scope.spawn(move || kill_after(group, limit, &ended, timed_out));
        let status = tracer.run();
        drop(done);
        status
    })?;
    if tracer.untraceable {
        let why =
            "it uses io_uring or aio, whose operations a tracer cannot see; use plain system calls";
        return Err(Error::new(ErrorKind::Subject, why));
    }
    let outcome = if timed_out.load(Ordering::Relaxed) {
        RunOutcome::TimedOut
    } else if tracer.killed {
        RunOutcome::Killed
    } else {
        match status {
            WaitStatus::Exited(_, 0) => RunOutcome::Success,
            other => RunOutcome::Failure(format!("{other:?}{}", stopped.stderr())),
        }
    };
    // The subject may have gone on to print after END, which is not traced.
    let output = read_output(&stopped.stdout)?;
    let before = tracer.output_before_fault.unwrap_or(output.len());
    let parse = |bytes: &[u8]| LineSplitter::default().push(bytes);
    Ok(TracedRun {
        lines_before_fault: parse(&output[..before.min(output.len())]).len(),
        lines: parse(&output),
        calls: tracer.calls,
        outcome,
    })
}

/// Kills the group if its run exceeds the time limit.
fn kill_after(group: Pid, limit: Duration, ended: &mpsc::Receiver<()>, timed_out: &AtomicBool) {
    if ended.recv_timeout(limit) == Err(mpsc::RecvTimeoutError::Timeout) {
        timed_out.store(true, Ordering::Relaxed);
        let _ = killpg(group, Signal::SIGKILL);
    }
}

/// A traced process group. Dropping it kills and reaps the whole group, also during a panic.
struct ProcessGroup(Pid);

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        let _ = killpg(self.0, Signal::SIGKILL);
        while waitpid(members(self.0), Some(WaitPidFlag::__WALL)).is_ok() {}
    }
}

/// Returns the argument by which waitpid(2) selects the members of a process group.
fn members(group: Pid) -> Pid {
    Pid::from_raw(-group.as_raw())
}

/// The position of the subject relative to its lines BEGIN and END.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Window {
    Before,
    Open,
    Closed,
}

/// Reads what the subject has printed. Leaves the position alone, which the subject shares.
fn read_output(stdout: &File) -> Result<Vec<u8>> {
    let failed = || Error::io("read the output of the subject");
    let length = stdout.metadata().map_err(failed())?.len();
    let mut output = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
    stdout.read_exact_at(&mut output, 0).map_err(failed())?;
    Ok(output)
}

/// A system call in progress: what the tracer does when the call returns.
#[derive(Debug)]
struct PendingCall {
    fault: Option<Fault>,
    /// The length argument that the tracer changed, and its original value.
    original_length: Option<(ChangedLength, u64)>,
}

#[derive(Debug, Clone, Copy)]
enum ChangedLength {
    /// The third argument.
    Register,
    /// The word at this address of the subject's memory.
    Memory(u64),
}

struct Tracer<'a, F> {
    group: Pid,
    stdout: &'a File,
    subject: &'a Subject,
    decide: F,
    /// The system calls in progress, by thread.
    pending_calls: BTreeMap<Pid, PendingCall>,
    calls: Vec<Call>,
    window: Window,
    /// The bytes written to standard output.
    output: Vec<u8>,
    /// The length of the output before the first fault.
    output_before_fault: Option<usize>,
    killed: bool,
    untraceable: bool,
}

impl<F: FnMut(&Call) -> Option<Fault>> Tracer<'_, F> {
    /// Traces until no thread is left. Returns the exit status of the first process.
    fn run(&mut self) -> Result<WaitStatus> {
        let mut last = WaitStatus::StillAlive;
        loop {
            let status = match waitpid(members(self.group), Some(WaitPidFlag::__WALL)) {
                Ok(status) => status,
                Err(Errno::ECHILD) => return Ok(last),
                Err(Errno::EINTR) => continue,
                Err(errno) => {
                    return Err(Error::io("wait for the subject")(std::io::Error::from(
                        errno,
                    )));
                }
            };
            let (thread, signal) = match status {
                WaitStatus::Exited(process, _) | WaitStatus::Signaled(process, ..) => {
                    self.pending_calls.remove(&process);
                    if process == self.group {
                        last = status;
                    }
                    continue;
                }
                WaitStatus::PtraceSyscall(thread) => {
                    self.on_syscall_stop(thread)?;
                    (thread, None)
                }
                // A stop during a clone or an exec, or at the start of a new thread.
                WaitStatus::PtraceEvent(thread, ..) => (thread, None),
                WaitStatus::Stopped(thread, Signal::SIGURG) if self.waits_for_signal() => {
                    self.on_begin_signal(thread)?;
                    (thread, None)
                }
                WaitStatus::Stopped(thread, signal) => (thread, Some(signal)),
                _ => continue,
            };
            // The thread may have been killed in the meantime. The next wait reports that.
            match self.resume(thread, signal) {
                Ok(()) | Err(Errno::ESRCH) => {}
                Err(errno) => {
                    return Err(Error::io("resume a thread")(std::io::Error::from(errno)));
                }
            }
        }
    }

    /// Returns whether a signal will open the window. Nothing is traced before it.
    fn waits_for_signal(&self) -> bool {
        self.subject.signals_begin() && self.window == Window::Before
    }

    /// Lets a thread go on, to its next system call if it matters.
    fn resume(&self, thread: Pid, signal: Option<Signal>) -> Result<(), Errno> {
        let has_fault = |pending: &PendingCall| pending.fault.is_some();
        let is_over = self.window == Window::Closed
            && !self.pending_calls.get(&thread).is_some_and(has_fault);
        if self.waits_for_signal() || is_over {
            ptrace::cont(thread, signal)
        } else {
            ptrace::syscall(thread, signal)
        }
    }

    /// Opens the window. Stops the other threads, so that they are traced when they go on.
    fn on_begin_signal(&mut self, thread: Pid) -> Result<()> {
        self.output = read_output(self.stdout)?;
        self.window = Window::Open;
        let tasks = format!("/proc/{}/task", self.group);
        for task in std::fs::read_dir(&tasks).map_err(Error::io("list the threads"))? {
            let task = task.map_err(Error::io("list the threads"))?;
            let other = task.file_name().to_str().and_then(|name| name.parse().ok());
            if let Some(other) = other.map(Pid::from_raw).filter(|other| *other != thread) {
                match ptrace::interrupt(other) {
                    Ok(()) | Err(Errno::ESRCH) => {}
                    Err(errno) => {
                        return Err(Error::io("stop a thread")(std::io::Error::from(errno)));
                    }
                }
            }
        }
        Ok(())
    }

    fn on_syscall_stop(&mut self, thread: Pid) -> Result<()> {
        let Ok(registers) = ptrace::getregs(thread) else {
            return Ok(());
        };
        let result = match self.pending_calls.remove(&thread) {
            Some(pending) => self.on_exit(thread, registers, &pending),
            None => self.on_entry(thread, registers),
        };
        match result {
            Ok(()) | Err(Errno::ESRCH) => Ok(()),
            Err(errno) => Err(Error::io("change a system call")(std::io::Error::from(
                errno,
            ))),
        }
    }

    fn on_entry(&mut self, thread: Pid, mut registers: user_regs_struct) -> Result<(), Errno> {
        let number = registers.orig_rax.cast_signed();
        let arguments = [
            registers.rdi,
            registers.rsi,
            registers.rdx,
            registers.r10,
            registers.r8,
            registers.r9,
        ];
        let mut pending = PendingCall {
            fault: None,
            original_length: None,
        };
        if self.window == Window::Open && UNTRACEABLE.contains(&number) {
            self.untraceable = true;
        }
        if number == nix::libc::SYS_write && arguments[0] == 1 {
            let length = usize::try_from(arguments[2]).unwrap_or(0).min(64 << 10);
            let bytes = memory::read(thread, arguments[1], length);
            self.record_output(&bytes);
        } else if self.window == Window::Open {
            let index = self.calls.len() as u64;
            let with_sockets = self.subject.has_traced_sockets();
            if let Some(mut call) = Call::of(thread, number, arguments, index, with_sockets) {
                call.first_thread = thread == self.group;
                let fault = (self.decide)(&call);
                self.calls.push(call);
                if fault.is_some() && self.output_before_fault.is_none() {
                    self.output_before_fault = Some(self.output.len());
                }
                pending.fault = fault;
                match fault {
                    None | Some(Fault::KillAfter | Fault::FailAfter(_)) => {}
                    Some(Fault::KillBefore) => {
                        self.killed = true;
                        killpg(self.group, Signal::SIGKILL)?;
                    }
                    Some(Fault::Fail(_)) => {
                        // An invalid call number, so that the kernel does nothing.
                        registers.orig_rax = u64::MAX;
                        ptrace::setregs(thread, registers)?;
                    }
                    Some(Fault::Short(bytes)) => {
                        let vector = table::find(number)
                            .is_some_and(|entry| entry.transfer == Transfer::Vector);
                        if vector {
                            let address = arguments[1] + 8;
                            if let Some(original) = memory::word(thread, address)
                                && memory::set_word(thread, address, bytes).is_ok()
                            {
                                pending.original_length =
                                    Some((ChangedLength::Memory(address), original));
                            }
                        } else {
                            pending.original_length =
                                Some((ChangedLength::Register, registers.rdx));
                            registers.rdx = bytes;
                            ptrace::setregs(thread, registers)?;
                        }
                    }
                }
            }
        }
        self.pending_calls.insert(thread, pending);
        Ok(())
    }

    fn on_exit(
        &mut self,
        thread: Pid,
        mut registers: user_regs_struct,
        pending: &PendingCall,
    ) -> Result<(), Errno> {
        match pending.fault {
            Some(Fault::KillAfter) => {
                self.killed = true;
                killpg(self.group, Signal::SIGKILL)?;
            }
            Some(Fault::Fail(errno) | Fault::FailAfter(errno)) => {
                registers.rax = i64::from(-errno.raw_os_error()).cast_unsigned();
                ptrace::setregs(thread, registers)?;
            }
            Some(Fault::Short(_)) => {
                // Restores the length: compiled code may rely on unchanged argument registers.
                match pending.original_length {
                    Some((ChangedLength::Memory(address), original)) => {
                        drop(memory::set_word(thread, address, original));
                    }
                    Some((ChangedLength::Register, original)) => {
                        registers.rdx = original;
                        ptrace::setregs(thread, registers)?;
                    }
                    None => {}
                }
            }
            Some(Fault::KillBefore) | None => {}
        }
        Ok(())
    }

    /// Records standard output. The lines BEGIN and END open and close the window of traced calls.
    fn record_output(&mut self, bytes: &[u8]) {
        self.output.extend_from_slice(bytes);
        for line in bytes.split(|&byte| byte == b'\n') {
            match (self.window, line) {
                (Window::Before, b"BEGIN") => self.window = Window::Open,
                (Window::Open, b"END") => self.window = Window::Closed,
                _ => {}
            }
        }
    }
}
