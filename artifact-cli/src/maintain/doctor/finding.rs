//! One line of the doctor: what was found, what it means and what to do.

use std::borrow::Cow;

use anyhow::Result;
use serde_json::json;

use crate::output;

/// How good or bad something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Ok,
    /// The server runs, but something is slower or less safe than it could be.
    Warning,
    /// The server does not start, or loses data.
    Problem,
    /// It could not be checked.
    Skipped,
}

impl Status {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Problem => "problem",
            Self::Skipped => "skipped",
        }
    }
}

/// What one check found.
#[derive(Debug)]
pub(super) struct Finding {
    /// The name of the check, which programs read.
    check: &'static str,
    status: Status,
    found: String,
    /// What the check is for, or what follows from what was found.
    meaning: Cow<'static, str>,
    /// What to do, unless all is good.
    advice: Option<Cow<'static, str>>,
}

impl Finding {
    pub(super) fn ok(
        check: &'static str,
        found: impl Into<String>,
        meaning: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            check,
            status: Status::Ok,
            found: found.into(),
            meaning: meaning.into(),
            advice: None,
        }
    }

    pub(super) fn new(
        status: Status,
        check: &'static str,
        found: impl Into<String>,
        meaning: impl Into<Cow<'static, str>>,
        advice: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            advice: Some(advice.into()),
            status,
            ..Self::ok(check, found, meaning)
        }
    }

    pub(super) fn is_problem(&self) -> bool {
        self.status == Status::Problem
    }

    pub(super) fn is_warning(&self) -> bool {
        self.status == Status::Warning
    }

    /// Prints the finding. For people, one that is good is one line.
    pub(super) fn print(&self, as_json: bool) -> Result<()> {
        let Self {
            check,
            found,
            meaning,
            advice,
            ..
        } = self;
        let status = self.status.as_str();
        if as_json {
            return output::data(json!({
                "check": check,
                "status": status,
                "found": found,
                "meaning": meaning,
                "advice": advice,
            }));
        }
        let found = output::printable(found);
        let mut text = format!("{status:<8} {check}: {found}");
        if let Some(advice) = advice {
            text = format!("{text}\n         meaning: {meaning}\n         to do: {advice}");
        }
        output::data(text)
    }
}
