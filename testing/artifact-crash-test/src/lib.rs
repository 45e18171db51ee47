#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod error;

// The lines of a subject, and the promises that follow from them.
mod claims;
mod digest;
mod finding;
mod protocol;

// Reading what survived a crash.
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
pub use crate::layout::{Layout, PathKind};
pub use crate::protocol::{CheckLine, Line, LineSplitter};
pub use crate::random::Random;
pub use crate::report::{Report, ReportedFinding};
pub use crate::subject::{RunOutcome, Subject};
