//! What happens at a system call.

use rustix::io::Errno;

use super::call::Call;

/// What the tracer does to a system call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The process is killed before the kernel does anything.
    KillBefore,
    /// The kernel does it, and the process is killed before it hears of it.
    KillAfter,
    /// The kernel does nothing, and the process is told this error.
    Fail(Errno),
    /// The kernel does it, and the process is told this error all the same.
    DoneButFails(Errno),
    /// The kernel is asked for only so many bytes: a true short read or write.
    Short(u64),
}

/// What calls on files fail with on a bad day. Each goes to each call: which of them a file system
/// gives where, its manual does not say.
const ANYWHERE: [Errno; 6] = [
    Errno::IO,
    Errno::NOSPC,
    Errno::DQUOT,
    Errno::ROFS,
    Errno::INTR,
    Errno::AGAIN,
];

/// What calls that make a descriptor fail with besides.
const OPENING: [Errno; 4] = [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::ACCESS];

impl Fault {
    /// Everything that can plausibly happen at this call.
    pub fn plausible(call: &Call) -> Vec<Self> {
        let mut faults = vec![Self::KillBefore, Self::KillAfter];
        faults.extend(ANYWHERE.map(Self::Fail));
        if call.name.starts_with("open") || call.name == "creat" {
            faults.extend(OPENING.map(Self::Fail));
        }
        if call.lasting {
            faults.extend([Errno::IO, Errno::INTR].map(Self::DoneButFails));
        }
        match call.bytes {
            None | Some(0 | 1) => {}
            Some(2) => faults.push(Self::Short(1)),
            Some(bytes) => faults.extend([Self::Short(1), Self::Short(bytes / 2)]),
        }
        faults
    }
}
