//! One system call of a subject, as it stops before it.

use std::fmt;

use nix::unistd::Pid;

use super::memory;
use super::table::{self, Entry, Transfer};

/// One system call on a file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Call {
    /// Its number among those of the window, from 0.
    pub index: u64,
    /// Its name, as the manual has it.
    pub name: &'static str,
    /// What its descriptor refers to, and its path, where it has them; for messages.
    pub on: String,
    /// How many bytes it asks to move, where it moves any: of a call with several buffers, the bytes of
    /// the first.
    pub bytes: Option<u64>,
    /// Whether it changes names or makes something durable.
    pub lasting: bool,
    /// Whether the subject's first thread makes it.
    pub first_thread: bool,
}

impl Call {
    /// Whether it asks for something to be made durable.
    pub fn is_sync(&self) -> bool {
        matches!(self.name, "fsync" | "fdatasync" | "syncfs")
    }

    /// The call that a thread is about to make, if it is one on a file.
    pub(crate) fn of(thread: Pid, number: i64, arguments: [u64; 6], index: u64) -> Option<Self> {
        let Entry {
            name,
            descriptor,
            path,
            transfer,
            lasting,
            ..
        } = *table::find(number)?;
        let mut on = String::new();
        if let Some(at) = descriptor {
            // AT_FDCWD and descriptors that are not open have no name; the path says what is meant.
            let named = memory::descriptor(thread, arguments[at]);
            if named.as_ref().is_none_or(|name| !name.starts_with('/')) && path.is_none() {
                // A pipe, a socket, an event: not a file.
                return None;
            }
            on = named.unwrap_or_default();
        }
        // The simulator's own files, as which a subject's standard streams are given to it.
        if path.is_none() && descriptor.is_some_and(|at| arguments[at] <= 2) {
            return None;
        }
        if let Some(at) = path {
            let path = memory::text(thread, arguments[at]);
            if on.is_empty() || path.starts_with('/') {
                on = path;
            } else if !path.is_empty() {
                on = format!("{on}/{path}");
            }
        }
        let bytes = match transfer {
            Transfer::None => None,
            Transfer::Length => Some(arguments[2]),
            // struct iovec: the base, then the length.
            Transfer::Vector => memory::word(thread, arguments[1] + 8),
        };
        Some(Self {
            index,
            name,
            on,
            bytes,
            lasting,
            first_thread: false,
        })
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "call {}, {}({})", self.index, self.name, self.on)
    }
}
