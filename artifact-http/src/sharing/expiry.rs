//! When something that is made now ends.

use std::time::Duration;

use artifact_store::Timestamp;

use crate::management::MAX_KEEP_SECONDS;
use crate::problem::Problem;
use crate::router::Service;

/// Returns the time of the clock.
fn now(service: &Service) -> Result<Timestamp, Problem> {
    let now = service.store.config().clock().now();
    Timestamp::try_from(now).map_err(|error| {
        Problem::internal("the clock's time is outside of the supported years").with_source(error)
    })
}

/// Checks a period in seconds.
pub(super) fn period(seconds: u64) -> Result<Duration, Problem> {
    if (1..=MAX_KEEP_SECONDS).contains(&seconds) {
        return Ok(Duration::from_secs(seconds));
    }
    Err(Problem::bad_request(format!(
        "`expires_in` must be a number of seconds from 1 to {MAX_KEEP_SECONDS}"
    )))
}

/// Returns the time that one of the two members says, or `None` without both.
pub(super) fn time(
    service: &Service,
    at: Option<&str>,
    seconds: Option<u64>,
) -> Result<Option<Timestamp>, Problem> {
    match (at, seconds) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) => Err(Problem::bad_request(
            "give `expires_at` or `expires_in`, not both",
        )),
        (None, Some(seconds)) => {
            let expires_at = now(service)?.checked_add(period(seconds)?);
            expires_at.map(Some).map_err(|error| {
                Problem::bad_request("`expires_in` ends after the last representable time")
                    .with_source(error)
            })
        }
        (Some(text), None) => {
            let time: Timestamp = text.parse().map_err(|error| {
                Problem::bad_request("`expires_at` must be a time such as 2026-01-02T03:04:05Z")
                    .with_source(error)
            })?;
            if time <= now(service)? {
                return Err(Problem::bad_request("`expires_at` must be in the future"));
            }
            Ok(Some(time))
        }
    }
}
