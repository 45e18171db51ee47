//! Prints workers, groups and administrators.

use std::fmt::Write as _;

use anyhow::Result;
use artifact_client::{Administrator, Group, Worker};

pub(super) use crate::output::json;
use crate::output::{self, printable};

/// Prints one line of a list: id, tab, name.
pub(super) fn line(id: &str, name: Option<&str>) -> Result<()> {
    output::data(format_args!(
        "{id}\t{}",
        printable(name.unwrap_or_default())
    ))
}

/// The expiry of a token that was revoked.
const REVOKED: &str = "1970-01-01T00:00:00Z";

/// Prints a worker: one property per line, its name first.
pub(super) fn worker(worker: &Worker) -> Result<()> {
    let mut text = format!("worker {}\n", worker.worker_id);
    if let Some(name) = &worker.name {
        let _ = writeln!(text, "name {}", printable(name));
    }
    for (key, value) in &worker.labels {
        let _ = writeln!(text, "label {}={}", printable(key), printable(value));
    }
    token(&mut text, worker.token_expires_at.as_deref());
    let at = printable(&worker.registered_at);
    let by = printable(&worker.registered_by);
    let _ = write!(text, "registered {at} by {by}");
    output::data(text)
}

/// Appends a line about a token, unless it does not expire.
fn token(text: &mut String, expires_at: Option<&str>) {
    let _ = match expires_at {
        None => Ok(()),
        Some(REVOKED) => writeln!(text, "token revoked"),
        Some(time) => writeln!(text, "token expires {}", printable(time)),
    };
}

/// Prints an administrator: one property per line, its name first.
pub(super) fn administrator(administrator: &Administrator) -> Result<()> {
    let mut text = format!("administrator {}\n", administrator.administrator_id);
    let _ = writeln!(text, "name {}", printable(&administrator.name));
    token(&mut text, administrator.token_expires_at.as_deref());
    let at = printable(&administrator.created_at);
    let by = printable(&administrator.created_by);
    let _ = write!(text, "created {at} by {by}");
    output::data(text)
}

/// Prints a group: one property per line, its name first.
pub(super) fn group(group: &Group) -> Result<()> {
    let mut text = format!("group {}\n", group.group_id);
    if let Some(name) = &group.name {
        let _ = writeln!(text, "name {}", printable(name));
    }
    for member in &group.members {
        let _ = writeln!(text, "member {member}");
    }
    let at = printable(&group.created_at);
    let by = printable(&group.created_by);
    let _ = write!(text, "created {at} by {by}");
    output::data(text)
}
