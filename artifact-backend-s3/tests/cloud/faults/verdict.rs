//! Compares the reported outcome with the content of the store.

use std::fmt;

use super::write::Reported;

/// Whose bytes are at the key at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Truth {
    Nothing,
    Ours,
    Rival,
}

/// Whether the reported outcome was right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Right,
    /// The outcome was reported as unknown, which is never false.
    Ambiguous,
    /// Reported Ok, but the object is absent or another writer's.
    FalseOk,
    /// Reported that it exists, but the object is absent or our own.
    FalseExists,
    /// Reported a failure, but the object was stored.
    FalseFailure,
    /// Another writer's object existed first and was overwritten.
    Overwrote,
}

pub(super) fn judge(reported: &Reported, truth: Truth, rival_was_first: bool) -> Verdict {
    match (reported, truth) {
        (_, Truth::Ours) if rival_was_first => Verdict::Overwrote,
        (Reported::Ok, Truth::Ours) | (Reported::Exists, Truth::Rival) => Verdict::Right,
        (Reported::Ok, _) => Verdict::FalseOk,
        (Reported::Exists, _) => Verdict::FalseExists,
        (Reported::Ambiguous, _) => Verdict::Ambiguous,
        (Reported::Failed(_), Truth::Ours) => Verdict::FalseFailure,
        (Reported::Failed(_), _) => Verdict::Right,
    }
}

/// The number of runs with each verdict.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Count {
    pub(super) runs: usize,
    pub(super) right: usize,
    pub(super) ambiguous: usize,
    pub(super) false_ok: usize,
    pub(super) false_exists: usize,
    pub(super) false_failure: usize,
    pub(super) overwrote: usize,
}

impl Count {
    pub(super) fn add(&mut self, verdict: Verdict) {
        self.runs += 1;
        *match verdict {
            Verdict::Right => &mut self.right,
            Verdict::Ambiguous => &mut self.ambiguous,
            Verdict::FalseOk => &mut self.false_ok,
            Verdict::FalseExists => &mut self.false_exists,
            Verdict::FalseFailure => &mut self.false_failure,
            Verdict::Overwrote => &mut self.overwrote,
        } += 1;
    }

    pub(super) fn wrong(&self) -> usize {
        self.runs - self.right - self.ambiguous
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            runs,
            right,
            ambiguous,
            false_ok,
            false_exists,
            false_failure,
            overwrote,
        } = self;
        write!(
            f,
            "| {runs} | {right} | {ambiguous} | {false_ok} | {false_exists} | {overwrote} | {false_failure} |"
        )
    }
}

pub(super) const HEADING: &str = "\
| runs | right | Ambiguous | false Ok | false AlreadyExists | overwrote a rival | error, yet stored |";
