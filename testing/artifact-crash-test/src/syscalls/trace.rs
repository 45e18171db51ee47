//! A subject under ptrace(2), stopped at each system call on a file.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use nix::errno::Errno as Failed;
use nix::libc::user_regs_struct;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::call::Call;
use super::fault::Fault;
use super::memory;
use super::table::{self, Transfer, UNSEEN};
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::{Line, Lines};
use crate::subject::{Ended, Subject};

/// What a traced run did.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Traced {
    /// The calls of the window, in order.
    pub calls: Vec<Call>,
    /// What the subject said, in order.
    pub lines: Vec<Line>,
    /// How many of the lines stood before the call at which something was done for the first time.
    pub lines_before: usize,
    /// How it ended.
    pub ended: Ended,
}

/// Whether processes can be traced here.
///
/// # Errors
///
/// [`ErrorKind::Unavailable`] where a seccomp filter or a security module forbids it.
pub fn available() -> Result<()> {
    let root = tempfile::tempdir().map_err(Error::io("make a temporary folder"))?;
    let nothing = Subject::new("true");
    match trace(&nothing, root.path(), |_| None) {
        Ok(_) => Ok(()),
        Err(error) => Err(Error::new(
            ErrorKind::Unavailable,
            format!("ptrace(2) ({error})"),
        )),
    }
}

/// Runs `run ROOT` under the tracer. Before each system call of the window `decide` is asked: it says
/// what is to happen there (`None`: what would have), and may take its time, or change the world, while
/// the thread waits in the call.
///
/// # Errors
///
/// [`ErrorKind::Subject`] when it does not start, or sets up an `io_uring`; [`ErrorKind::Io`] when it
/// cannot be traced.
pub fn trace(
    subject: &Subject,
    root: &Path,
    decide: impl FnMut(&Call) -> Option<Fault>,
) -> Result<Traced> {
    let stopped = subject.start_stopped(root)?;
    let group = Pid::from_raw(stopped.process.cast_signed());
    let failed =
        |what: &'static str| move |errno: Failed| Error::io(what)(std::io::Error::from(errno));
    let _reaped = Reaped(group);
    match waitpid(group, Some(WaitPidFlag::WUNTRACED)).map_err(failed("wait for the subject"))? {
        WaitStatus::Stopped(..) => {}
        other => {
            let message = format!("did not start: {other:?}");
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
    kill(group, Signal::SIGCONT).map_err(failed("let the subject run"))?;

    let late = AtomicBool::new(false);
    let mut tracer = Tracer {
        group,
        decide,
        threads: BTreeMap::new(),
        calls: Vec::new(),
        window: Window::Before,
        said: Vec::new(),
        said_before: None,
        killed: false,
        unseen: false,
    };
    let status = std::thread::scope(|scope| {
        let (done, ended) = mpsc::channel::<()>();
        let (limit, late) = (subject.time_limit(), &late);
        scope.spawn(move || watch(group, limit, &ended, late));
        let status = tracer.run();
        drop(done);
        status
    })?;
    if tracer.unseen {
        let why = "it uses io_uring or aio, whose operations no tracer sees";
        return Err(Error::new(ErrorKind::Subject, why));
    }
    let ended = if late.load(Ordering::Relaxed) {
        Ended::Late
    } else if tracer.killed {
        Ended::Killed
    } else {
        match status {
            WaitStatus::Exited(_, 0) => Ended::Well,
            other => Ended::Badly(format!("{other:?}{}", stopped.errors())),
        }
    };
    let before = tracer.said_before.unwrap_or(tracer.said.len());
    let parse = |bytes: &[u8]| Lines::default().push(bytes);
    Ok(Traced {
        lines_before: parse(&tracer.said[..before]).len(),
        lines: parse(&tracer.said),
        calls: tracer.calls,
        ended,
    })
}

/// Kills a group that takes too long.
fn watch(group: Pid, limit: Duration, ended: &mpsc::Receiver<()>, late: &AtomicBool) {
    if ended.recv_timeout(limit) == Err(mpsc::RecvTimeoutError::Timeout) {
        late.store(true, Ordering::Relaxed);
        let _ = killpg(group, Signal::SIGKILL);
    }
}

/// Nothing of the group outlives this, panics included.
struct Reaped(Pid);

impl Drop for Reaped {
    fn drop(&mut self) {
        let _ = killpg(self.0, Signal::SIGKILL);
        while waitpid(members(self.0), Some(WaitPidFlag::__WALL)).is_ok() {}
    }
}

/// How waitpid(2) names the members of a process group.
fn members(group: Pid) -> Pid {
    Pid::from_raw(-group.as_raw())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Window {
    Before,
    Open,
    Closed,
}

/// What is to be done when a call ends.
#[derive(Debug)]
struct Within {
    fault: Option<Fault>,
    /// A length that was changed, and what it was.
    lent: Option<(Lent, u64)>,
}

#[derive(Debug, Clone, Copy)]
enum Lent {
    /// The third argument.
    Register,
    /// A word of the subject's memory.
    At(u64),
}

struct Tracer<F> {
    group: Pid,
    decide: F,
    /// Threads that are within a system call.
    threads: BTreeMap<Pid, Within>,
    calls: Vec<Call>,
    window: Window,
    /// What was written to standard output.
    said: Vec<u8>,
    /// How much of that came before the first fault.
    said_before: Option<usize>,
    killed: bool,
    unseen: bool,
}

impl<F: FnMut(&Call) -> Option<Fault>> Tracer<F> {
    /// Until no thread is left; gives how the first process ended.
    fn run(&mut self) -> Result<WaitStatus> {
        let mut last = WaitStatus::StillAlive;
        loop {
            let status = match waitpid(members(self.group), Some(WaitPidFlag::__WALL)) {
                Ok(status) => status,
                Err(Failed::ECHILD) => return Ok(last),
                Err(Failed::EINTR) => continue,
                Err(errno) => {
                    return Err(Error::io("wait for the subject")(std::io::Error::from(
                        errno,
                    )));
                }
            };
            let (thread, signal) = match status {
                WaitStatus::Exited(process, _) | WaitStatus::Signaled(process, ..) => {
                    self.threads.remove(&process);
                    if process == self.group {
                        last = status;
                    }
                    continue;
                }
                WaitStatus::PtraceSyscall(thread) => {
                    self.at_call(thread)?;
                    (thread, None)
                }
                // Within a clone or an exec, whose end is still to come, or where a new thread begins.
                WaitStatus::PtraceEvent(thread, ..) => (thread, None),
                WaitStatus::Stopped(thread, signal) => (thread, Some(signal)),
                _ => continue,
            };
            // A thread that was killed meanwhile is gone, which the next wait tells.
            match ptrace::syscall(thread, signal) {
                Ok(()) | Err(Failed::ESRCH) => {}
                Err(errno) => {
                    return Err(Error::io("let a thread go on")(std::io::Error::from(errno)));
                }
            }
        }
    }

    fn at_call(&mut self, thread: Pid) -> Result<()> {
        let Ok(registers) = ptrace::getregs(thread) else {
            return Ok(());
        };
        let done = match self.threads.remove(&thread) {
            Some(within) => self.leave(thread, registers, &within),
            None => self.enter(thread, registers),
        };
        match done {
            Ok(()) | Err(Failed::ESRCH) => Ok(()),
            Err(errno) => Err(Error::io("change a system call")(std::io::Error::from(
                errno,
            ))),
        }
    }

    fn enter(&mut self, thread: Pid, mut registers: user_regs_struct) -> Result<(), Failed> {
        let number = registers.orig_rax.cast_signed();
        let arguments = [
            registers.rdi,
            registers.rsi,
            registers.rdx,
            registers.r10,
            registers.r8,
            registers.r9,
        ];
        let mut within = Within {
            fault: None,
            lent: None,
        };
        if self.window == Window::Open && UNSEEN.contains(&number) {
            self.unseen = true;
        }
        if number == nix::libc::SYS_write && arguments[0] == 1 {
            let most = usize::try_from(arguments[2]).unwrap_or(0).min(64 << 10);
            let bytes = memory::read(thread, arguments[1], most);
            self.hear(&bytes);
        } else if self.window == Window::Open {
            let index = self.calls.len() as u64;
            if let Some(mut call) = Call::of(thread, number, arguments, index) {
                call.first_thread = thread == self.group;
                let fault = (self.decide)(&call);
                self.calls.push(call);
                if fault.is_some() && self.said_before.is_none() {
                    self.said_before = Some(self.said.len());
                }
                within.fault = fault;
                match fault {
                    None | Some(Fault::KillAfter | Fault::DoneButFails(_)) => {}
                    Some(Fault::KillBefore) => {
                        self.killed = true;
                        killpg(self.group, Signal::SIGKILL)?;
                    }
                    Some(Fault::Fail(_)) => {
                        // No such call: the kernel does nothing.
                        registers.orig_rax = u64::MAX;
                        ptrace::setregs(thread, registers)?;
                    }
                    Some(Fault::Short(bytes)) => {
                        let vector = table::find(number)
                            .is_some_and(|entry| entry.transfer == Transfer::Vector);
                        if vector {
                            let at = arguments[1] + 8;
                            if let Some(former) = memory::word(thread, at)
                                && memory::set_word(thread, at, bytes).is_ok()
                            {
                                within.lent = Some((Lent::At(at), former));
                            }
                        } else {
                            within.lent = Some((Lent::Register, registers.rdx));
                            registers.rdx = bytes;
                            ptrace::setregs(thread, registers)?;
                        }
                    }
                }
            }
        }
        self.threads.insert(thread, within);
        Ok(())
    }

    fn leave(
        &mut self,
        thread: Pid,
        mut registers: user_regs_struct,
        within: &Within,
    ) -> Result<(), Failed> {
        match within.fault {
            Some(Fault::KillAfter) => {
                self.killed = true;
                killpg(self.group, Signal::SIGKILL)?;
            }
            Some(Fault::Fail(errno) | Fault::DoneButFails(errno)) => {
                registers.rax = i64::from(-errno.raw_os_error()).cast_unsigned();
                ptrace::setregs(thread, registers)?;
            }
            Some(Fault::Short(_)) => {
                // A program may rely on what it passed: compilers do.
                match within.lent {
                    Some((Lent::At(at), former)) => drop(memory::set_word(thread, at, former)),
                    Some((Lent::Register, former)) => {
                        registers.rdx = former;
                        ptrace::setregs(thread, registers)?;
                    }
                    None => {}
                }
            }
            Some(Fault::KillBefore) | None => {}
        }
        Ok(())
    }

    /// What the subject says opens and closes the window.
    fn hear(&mut self, bytes: &[u8]) {
        self.said.extend_from_slice(bytes);
        for line in bytes.split(|&byte| byte == b'\n') {
            match (self.window, line) {
                (Window::Before, b"BEGIN") => self.window = Window::Open,
                (Window::Open, b"END") => self.window = Window::Closed,
                _ => {}
            }
        }
    }
}
