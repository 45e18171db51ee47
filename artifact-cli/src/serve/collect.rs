//! Collects expired artifacts and orphans on a schedule.

use std::convert::Infallible;
use std::error::Error as StdError;
use std::time::Duration;

use artifact_audit::AuditLog;
use artifact_backend::random;
use artifact_store::{CollectEvent, CollectReport, CollectStep, Collector, Error, ErrorKind};

use super::sweep::shorten;
use crate::maintain::{DELETE_ORPHAN, EXPIRE, record_removal};

/// Collects now and then about once per interval, until the future is dropped. If another server on the same database
/// collects, this one leaves it to that server.
///
/// The interval counts from the end of a collection, so collections do not overlap. It is shortened at random by up to
/// a tenth. A failure is logged, and the next interval tries again.
pub(crate) async fn run(
    interval: Duration,
    collector: Collector,
    audit: Option<AuditLog>,
) -> Infallible {
    let holder = random::bytes();
    loop {
        match collector
            .run_alone(holder, |event| report(event, audit.as_ref()))
            .await
        {
            Ok(Some(report)) => log_report(&report),
            Ok(None) => tracing::debug!("another server collects"),
            Err(error) => log_failure("the collector", &error),
        }
        tokio::time::sleep(shorten(interval, random::bytes())).await;
    }
}

fn report(event: CollectEvent, audit: Option<&AuditLog>) {
    match event {
        CollectEvent::Expired { id } => record_removal(audit, EXPIRE, id),
        CollectEvent::Orphan { id, .. } => record_removal(audit, DELETE_ORPHAN, id),
        _ => {}
    }
    log_event(event);
}

/// Logs what only this event says. Alarms are logged by the collector itself.
fn log_event(event: CollectEvent) {
    match event {
        CollectEvent::Expired { id } => tracing::info!(%id, "removed an expired artifact"),
        CollectEvent::Orphan { id, size } => tracing::info!(%id, size, "deleted an orphan"),
        CollectEvent::Failed { id, error } => tracing::warn!(
            %id,
            error = &error as &dyn StdError,
            "cannot collect this id; the next collection tries again"
        ),
        _ => {}
    }
}

fn log_report(report: &CollectReport) {
    for (step, error) in &report.unfinished {
        // The collector has logged this one as an alarm.
        if (*step, error.kind()) != (CollectStep::Orphans, ErrorKind::Misconfigured) {
            log_failure(step.as_str(), error);
        }
    }
    let (expired, orphans, failed) = (report.expired, report.orphans, report.failed);
    if expired + orphans + failed > 0 {
        tracing::info!(
            expired,
            orphans,
            orphan_bytes = report.orphan_bytes,
            orphans_left = report.orphans_left,
            failed,
            "collected expired artifacts and orphans"
        );
    } else {
        tracing::debug!(
            blobs = report.blobs,
            rows = report.rows,
            "nothing to collect"
        );
    }
}

fn log_failure(part: &str, error: &Error) {
    tracing::warn!(
        part,
        error = error as &dyn StdError,
        "a collection was not finished; the server tries again after --gc-interval"
    );
}
