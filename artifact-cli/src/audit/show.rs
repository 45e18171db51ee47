//! `artifact audit show`: finds lines in audit logs.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::SystemTime;

use anyhow::Result;
use artifact_audit::{AuditField, DamageKind, LineFilter, select_lines};
use artifact_backend::{ArtifactId, Clock as _, SystemClock};
use clap::Args;
use jiff::Timestamp;

use super::check_skipped;
use crate::failure::{ended_with, setup_from};
use crate::output;
use crate::settings::{Period, text};

/// What `audit show` prints.
#[derive(Debug, Args)]
pub(crate) struct ShowAuditArguments {
    /// Files of one or more audit logs, in any order
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,

    /// Print only lines about this artifact: its URI, or the id at the end of it
    #[arg(long, value_name = "URI_OR_ID", value_parser = artifact)]
    artifact: Option<ArtifactId>,

    /// Print only lines about what this principal did: `admin`, or the id of a worker or of a named administrator
    #[arg(long, value_name = "ID", value_parser = text)]
    principal: Option<String>,

    /// Print only lines from this time on: 2026-01-31T12:00:00Z, 2026-01-31 for the beginning of that day in UTC, or how long
    /// ago it was, such as 7d
    #[arg(long, value_name = "TIME")]
    since: Option<PointInTime>,

    /// Print only lines from before this time, in the same forms
    #[arg(long, value_name = "TIME")]
    until: Option<PointInTime>,
}

/// A time, or how long ago it was.
#[derive(Debug, Clone, Copy)]
struct PointInTime(SystemTime);

impl FromStr for PointInTime {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // The beginning of a day. A longer text would be a time without its offset from UTC.
        let day = (text.len() == "2026-01-31".len()).then(|| format!("{text}T00:00:00Z"));
        if let Ok(time) = day.as_deref().unwrap_or(text).parse::<Timestamp>()
            && let Ok(time) = SystemTime::try_from(time)
        {
            return Ok(Self(time));
        }
        if let Ok(Period(period)) = text.parse()
            && let Some(time) = SystemClock.now().checked_sub(period)
        {
            return Ok(Self(time));
        }
        let text = text.escape_debug();
        Err(format!(
            "must be a time, such as 2026-01-31T12:00:00Z, 2026-01-31 or 7d, not '{text}'"
        ))
    }
}

/// Parses the URI or the id of an artifact.
fn artifact(text: &str) -> Result<ArtifactId, String> {
    let id = text.rsplit('/').next().unwrap_or_default();
    id.parse().map_err(|_| {
        let text = text.escape_debug();
        format!("must be the URI of an artifact or the 32 digits at its end, not '{text}'")
    })
}

/// Prints the lines.
pub(super) fn show(arguments: &ShowAuditArguments) -> Result<()> {
    let mut printed = Ok(());
    let report = select_lines(&arguments.files, &arguments.filter(), |line| {
        printed = output::data(line);
        match printed {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    });
    let report = report.map_err(|error| setup_from(error, "cannot read the files"))?;
    printed?;
    check_skipped(&arguments.files, &report.skipped)?;
    for damage in &report.unreadable {
        output::note(damage);
    }
    // A server may be just writing the last line of a file.
    let is_read = |kind: &DamageKind| *kind == DamageKind::Torn;
    if report.unreadable.iter().all(|damage| is_read(&damage.kind)) {
        Ok(())
    } else {
        Err(ended_with(1))
    }
}

impl ShowAuditArguments {
    fn filter(&self) -> LineFilter {
        let mut filter = LineFilter::default();
        if let Some(id) = self.artifact {
            filter = filter.with(AuditField::Artifact, id.to_string());
        }
        if let Some(principal) = &self.principal {
            filter = filter.with(AuditField::Principal, principal);
        }
        if let Some(PointInTime(since)) = self.since {
            filter = filter.with_since(since);
        }
        if let Some(PointInTime(until)) = self.until {
            filter = filter.with_until(until);
        }
        filter
    }
}
