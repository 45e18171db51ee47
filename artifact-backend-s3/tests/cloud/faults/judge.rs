//! Whether what a caller was told is true.

use std::fmt;

use super::act::Told;

/// Whose bytes are at the key in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Truth {
    Nothing,
    Ours,
    Others,
}

/// What an answer was worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Right,
    /// "I cannot know": never false.
    Ambiguous,
    /// Told Ok, and nothing is there, or another's.
    FalseOk,
    /// Told that it exists, and nothing is there, or our own.
    FalseExists,
    /// Told that it failed, and it is there.
    FalseFailure,
    /// Another's blob was there first, and is gone.
    Overwrote,
}

pub(super) fn judge(told: &Told, truth: Truth, others_were_first: bool) -> Verdict {
    match (told, truth) {
        (_, Truth::Ours) if others_were_first => Verdict::Overwrote,
        (Told::Ok, Truth::Ours) | (Told::Exists, Truth::Others) => Verdict::Right,
        (Told::Ok, _) => Verdict::FalseOk,
        (Told::Exists, _) => Verdict::FalseExists,
        (Told::Ambiguous, _) => Verdict::Ambiguous,
        (Told::Failed(_), Truth::Ours) => Verdict::FalseFailure,
        (Told::Failed(_), _) => Verdict::Right,
    }
}

/// How often each verdict was given.
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
| runs | right | Ambiguous | false Ok | false AlreadyExists | overwrote another's | error, yet stored |";
