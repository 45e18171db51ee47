//! Reads the blobs that are visible in a root after a crash.

use std::path::Path;

use crate::error::Result;
use crate::finding::Visible;
use crate::layout::Layout;
use crate::subject::Subject;

/// A reader of the blobs in a root after a crash.
#[derive(Debug, Clone)]
pub struct Checker(pub(crate) CheckerKind);

/// The two kinds of checker.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum CheckerKind {
    /// Matches paths against patterns. Fast, independent of the subject, and finds stray files.
    Layout(Layout),
    /// Runs `SUBJECT check ROOT`. The program may first recover the store, as the subject would.
    Program(Subject),
}

impl From<Layout> for Checker {
    fn from(layout: Layout) -> Self {
        Self(CheckerKind::Layout(layout))
    }
}

impl From<Subject> for Checker {
    fn from(subject: Subject) -> Self {
        Self(CheckerKind::Program(subject))
    }
}

impl Checker {
    /// Reads a mounted root. The inner `Err` says why the root could not be read.
    pub(crate) fn inspect(&self, root: &Path) -> Result<Result<Vec<Visible>, String>> {
        match &self.0 {
            CheckerKind::Program(subject) => subject.check(root),
            CheckerKind::Layout(layout) => {
                Ok(layout.inspect(root).map_err(|error| error.to_string()))
            }
        }
    }
}
