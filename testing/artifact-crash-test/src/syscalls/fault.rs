//! The faults that the tracer can inject at a system call.

use rustix::io::Errno;

use super::call::Call;

/// A fault at a system call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The subject is killed before the kernel executes the call.
    KillBefore,
    /// The kernel executes the call, and the subject is killed before the call returns.
    KillAfter,
    /// The kernel does not execute the call, and the call returns this error.
    Fail(Errno),
    /// The kernel executes the call, but the call returns this error.
    FailAfter(Errno),
    /// The kernel reads or writes at most this many bytes: a real short read or write.
    Short(u64),
}

/// The errors that any call on a file may return. Each one is injected at every call, because manuals do
/// not say which errors a file system returns from which call.
const ANYWHERE: [Errno; 6] = [
    Errno::IO,
    Errno::NOSPC,
    Errno::DQUOT,
    Errno::ROFS,
    Errno::INTR,
    Errno::AGAIN,
];

/// The further errors of calls that create a descriptor.
const OPENING: [Errno; 4] = [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::ACCESS];

impl Fault {
    /// Returns all faults that are plausible at `call`.
    pub fn plausible(call: &Call) -> Vec<Self> {
        let mut faults = vec![Self::KillBefore, Self::KillAfter];
        faults.extend(ANYWHERE.map(Self::Fail));
        if call.name.starts_with("open") || call.name == "creat" {
            faults.extend(OPENING.map(Self::Fail));
        }
        if call.lasting {
            faults.extend([Errno::IO, Errno::INTR].map(Self::FailAfter));
        }
        match call.bytes {
            None | Some(0 | 1) => {}
            Some(2) => faults.push(Self::Short(1)),
            Some(bytes) => faults.extend([Self::Short(1), Self::Short(bytes / 2)]),
        }
        faults
    }
}
