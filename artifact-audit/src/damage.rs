//! What can be wrong with a line.

use std::fmt;

use crate::hash::LineHash;
use crate::line::VERSION;

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DamageKind {
    /// The line is not a line of an audit log, or is longer than 64 KiB.
    Unreadable,
    /// The line has a version of the format that this program does not know.
    UnknownVersion,
    /// The bytes of the line are not those that the next line has the hash of.
    Changed,
    /// Lines before this one are missing: their number.
    Missing(u64),
    /// The line is not where it was written: it was moved, repeated or inserted.
    OutOfOrder,
    /// The first line of the file does not begin a file of this chain.
    NotAStart,
    /// The last line of the file has no line feed. A crash of its writer leaves it, and so does a writer that is just writing it.
    Torn,
    /// No line has this hash, so the lines at the end were cut off, or the file that has it was not given.
    HeadNotFound(LineHash),
}

/// One thing that is wrong with a log.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Damage {
    /// The name of the file; empty for [`DamageKind::HeadNotFound`].
    pub file: String,
    /// The number of the line in the file, from 1 on; 0 for [`DamageKind::HeadNotFound`].
    pub line: u64,
    /// What is wrong with it.
    pub kind: DamageKind,
}

impl DamageKind {
    /// Returns a name of one or two words, for programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::UnknownVersion => "unknown-version",
            Self::Changed => "changed",
            Self::Missing(_) => "missing",
            Self::OutOfOrder => "out-of-order",
            Self::NotAStart => "not-a-start",
            Self::Torn => "torn",
            Self::HeadNotFound(_) => "head-not-found",
        }
    }
}

impl fmt::Display for DamageKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable => f.write_str("this is not a line of an audit log"),
            Self::UnknownVersion => write!(
                f,
                "the line has another version than {VERSION}; check it with the program that wrote it"
            ),
            Self::Changed => f.write_str("the line was changed"),
            Self::Missing(1) => f.write_str("the line before this one is missing"),
            Self::Missing(lines) => write!(f, "{lines} lines before this one are missing"),
            Self::OutOfOrder => f.write_str("the line was moved here, repeated or inserted"),
            Self::NotAStart => {
                f.write_str("the file does not begin with a first line of its chain")
            }
            Self::Torn => f.write_str(
                "the last line is not complete: its writer crashed, or is just writing it",
            ),
            Self::HeadNotFound(head) => write!(
                f,
                "no line has the hash {head}: lines at the end were cut off, or their file was not given"
            ),
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, kind } = self;
        match kind {
            DamageKind::HeadNotFound(_) => write!(f, "{kind}"),
            _ => write!(f, "{file}:{line}: {kind}"),
        }
    }
}
