//! Describes a system call of a subject that is stopped before it.

use std::fmt;

use nix::unistd::Pid;

use super::memory;
use super::table::{self, Entry, Transfer};

/// A system call on a file, or on a socket if the subject is traced [with them](crate::Subject::with_sockets).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Call {
    /// The number among the traced calls, from 0.
    pub index: u64,
    /// The name, as in the manual.
    pub name: &'static str,
    /// The path of the call's descriptor and its path argument, if it has them, or `socket:[n]`. For messages.
    pub target: String,
    /// The number of bytes to read or write, if the call transfers bytes. For a call with several
    /// buffers, the length of the first.
    pub bytes: Option<u64>,
    /// Whether the call changes names or attributes, or makes something durable.
    pub lasting: bool,
    /// Whether the subject's first thread makes the call.
    pub first_thread: bool,
}

impl Call {
    /// Returns true for a call that makes data durable.
    pub fn is_sync(&self) -> bool {
        matches!(self.name, "fsync" | "fdatasync" | "syncfs")
    }

    /// Describes the call that a thread is about to make. Returns `None` if it is not a call on a file, or on a socket if
    /// these are `with_sockets`, or if the file is a setting of the kernel.
    pub(crate) fn of(
        thread: Pid,
        number: i64,
        arguments: [u64; 6],
        index: u64,
        with_sockets: bool,
    ) -> Option<Self> {
        let Entry {
            name,
            descriptor,
            path,
            transfer,
            lasting,
            ..
        } = *table::find(number)?;
        let mut target = String::new();
        if let Some(at) = descriptor {
            // AT_FDCWD and descriptors that are not open have no path. The path argument is then enough.
            let link = memory::descriptor(thread, arguments[at]);
            let is_traced = |link: &String| {
                link.starts_with('/') || with_sockets && link.starts_with("socket:")
            };
            if !link.as_ref().is_some_and(is_traced) && path.is_none() {
                // A pipe or an event is not a file.
                return None;
            }
            target = link.unwrap_or_default();
        }
        // Skips the standard streams, which are files of the simulator.
        if path.is_none() && descriptor.is_some_and(|at| arguments[at] <= 2) {
            return None;
        }
        if let Some(at) = path {
            let path = memory::text(thread, arguments[at]);
            if target.is_empty() || path.starts_with('/') {
                target = path;
            } else if !path.is_empty() {
                target = format!("{target}/{path}");
            }
        }
        // libc reads settings of the kernel whenever it likes, for example before it shrinks a heap, so such calls are in
        // some runs only. None of these files belongs to the subject.
        if target.starts_with("/proc/sys/") || target.starts_with("/sys/") {
            return None;
        }
        let bytes = match transfer {
            Transfer::None => None,
            Transfer::Length => Some(arguments[2]),
            // struct iovec holds the base address, then the length.
            Transfer::Vector => memory::word(thread, arguments[1] + 8),
        };
        Some(Self {
            index,
            name,
            target,
            bytes,
            lasting,
            first_thread: false,
        })
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "call {}, {}({})", self.index, self.name, self.target)
    }
}
