//! Scrubs the store on a schedule.

use std::convert::Infallible;
use std::error::Error as StdError;
use std::time::Duration;

use artifact_backend::random;
use artifact_store::{Error, ScrubEvent, ScrubReport, ScrubTurn, Scrubber};

use super::sweep::shorten;

/// How often the server looks whether a scrub is due.
const LOOK: Duration = Duration::from_mins(5);

/// Scrubs whenever a scrub is due, until the future is dropped. If another server on the same database scrubs, this one
/// leaves it to that server. A failure is logged, and the scrub is continued a few minutes later.
pub(crate) async fn run(interval: Duration, scrubber: Scrubber) -> Infallible {
    let holder = random::bytes();
    loop {
        let turn = scrubber.run_due(interval, holder, log_event).await;
        let pause = match turn {
            Ok(ScrubTurn::Scrubbed(report)) => {
                log_report(&report);
                interval
            }
            Ok(ScrubTurn::NotDue(left)) => left,
            Ok(_) => {
                tracing::debug!("another server scrubs");
                LOOK
            }
            Err(error) => {
                log_failure(&error);
                LOOK
            }
        };
        tokio::time::sleep(shorten(pause.min(LOOK), random::bytes())).await;
    }
}

/// Logs what only this event says. Alarms are logged by the scrubber itself.
fn log_event(event: ScrubEvent) {
    if let ScrubEvent::Unchecked { id, error } = event {
        tracing::warn!(
            %id,
            error = &error as &dyn StdError,
            "the scrub cannot read this blob; the next scrub tries again"
        );
    }
}

fn log_report(report: &ScrubReport) {
    if let Some(error) = &report.unfinished {
        log_failure(error);
        return;
    }
    // The same fields whether all is good or not.
    macro_rules! summary {
        ($level:ident, $text:literal) => {
            tracing::$level!(
                artifacts = report.artifacts,
                bytes = report.bytes,
                corrupt = report.corrupt,
                missing = report.missing,
                orphaned = report.orphaned,
                unreadable_rows = report.unreadable_rows,
                unchecked = report.unchecked,
                $text
            )
        };
    }
    if report.findings() > 0 || !report.is_complete() {
        summary!(
            warn,
            "the scrub is finished, and not everything is good; `artifact scrub` names each id"
        );
    } else if report.artifacts == 0 {
        tracing::debug!("nothing to scrub");
    } else {
        summary!(info, "the scrub found every artifact good");
    }
}

fn log_failure(error: &Error) {
    tracing::warn!(
        error = error as &dyn StdError,
        "a scrub was not finished; a server continues it in a few minutes"
    );
}
