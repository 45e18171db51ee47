#![doc = include_str!("../README.md")]

mod error;

// What a subject says, and what it then owes.
mod claims;
mod digest;
mod finding;
mod protocol;

// How what survived is read.
mod checker;
mod layout;
mod tree;

mod report;
mod subject;

// The two simulators, and the sweep over system calls.
pub mod block;
pub mod strict;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub mod syscalls;

mod clock;
mod guard;
mod random;

pub use crate::checker::{Checker, CheckerKind};
pub use crate::claims::Claims;
pub use crate::digest::{Digest, DigestParseError};
pub use crate::error::{Error, ErrorKind, Result};
pub use crate::finding::{Finding, Visible};
pub use crate::guard::available;
pub use crate::layout::{Layout, Place};
pub use crate::protocol::{Line, Lines, Seen};
pub use crate::random::Random;
pub use crate::report::{Found, Report};
pub use crate::subject::{Ended, Subject};
