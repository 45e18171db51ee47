//! How what is visible after a crash is found out.

use std::path::Path;

use crate::error::Result;
use crate::finding::Visible;
use crate::layout::Layout;
use crate::subject::Subject;

/// What looks at a root after a crash.
#[derive(Debug, Clone)]
pub struct Checker(pub(crate) CheckerKind);

/// The two ways of looking.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum CheckerKind {
    /// By the paths alone: fast, and independent of the subject. Finds strays.
    Layout(Layout),
    /// By a program, `SUBJECT check ROOT`, which may recover first, as the subject would.
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
    /// Looks at a root that is mounted; `Err` in the inner result is why nothing could be seen.
    pub(crate) fn look(&self, root: &Path) -> Result<Result<Vec<Visible>, String>> {
        match &self.0 {
            CheckerKind::Program(subject) => subject.check(root),
            CheckerKind::Layout(layout) => Ok(layout.look(root).map_err(|error| error.to_string())),
        }
    }
}
