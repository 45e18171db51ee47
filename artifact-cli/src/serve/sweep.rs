//! Removes the leftovers of crashed deposits: at the start, and then on a schedule.

use std::convert::Infallible;
use std::error::Error as StdError;
use std::time::Duration;

use artifact_backend::metrics::{Metric, describe};
use artifact_backend::{Result, SweepReport, random};

/// The minimum age of a crashed deposit's leftovers that are removed.
const LEFTOVER_AGE: Duration = Duration::from_hours(24);

pub(super) const RUNS: Metric = Metric::counter(
    "artifact_sweep_runs_total",
    &["outcome"],
    "Sweeps of the backend, which remove what crashed deposits left",
);
pub(super) const REMOVED: Metric = Metric::counter(
    "artifact_sweep_removed_total",
    &[],
    "Leftovers of crashed deposits that were removed",
);
pub(super) const FREED: Metric = Metric::counter(
    "artifact_sweep_freed_bytes_total",
    &[],
    "Bytes of the leftovers of crashed deposits that were removed",
);

/// Calls `sweep` now and then about once per interval, until the future is dropped.
///
/// The interval counts from the end of a sweep, so sweeps do not overlap. Each interval is shortened at random
/// by up to a tenth, so that servers with the same backend do not sweep at the same time. An error is logged,
/// and the next interval tries again.
pub(crate) async fn run<F>(interval: Duration, mut sweep: impl FnMut(Duration) -> F) -> Infallible
where
    F: Future<Output = Result<SweepReport>>,
{
    describe(&[RUNS, REMOVED, FREED]);
    // The counters begin with 0.
    for outcome in ["ok", "failed"] {
        let _ = RUNS.register_counter(&[outcome]);
    }
    let mut total = Total::default();
    loop {
        total.record(sweep(LEFTOVER_AGE).await, interval);
        tokio::time::sleep(shorten(interval, random::bytes())).await;
    }
}

/// What all sweeps of this process did.
#[derive(Debug, Default)]
struct Total {
    sweeps: u64,
    removed: u64,
    failures: u64,
}

impl Total {
    fn record(&mut self, outcome: Result<SweepReport>, interval: Duration) {
        self.sweeps += 1;
        match outcome {
            Ok(report) => {
                self.removed += report.removed;
                RUNS.register_counter(&["ok"]).increment(1);
                REMOVED.register_counter(&[]).increment(report.removed);
                FREED.register_counter(&[]).increment(report.removed_bytes);
                // A line per interval without any news would hide the others.
                if report.removed > 0 || self.sweeps == 1 {
                    tracing::info!(
                        removed = report.removed,
                        removed_bytes = report.removed_bytes,
                        kept = report.kept,
                        total_removed = self.removed,
                        "removed leftovers of crashed deposits"
                    );
                } else {
                    tracing::debug!(kept = report.kept, "no leftovers to remove");
                }
            }
            Err(error) => {
                self.failures += 1;
                RUNS.register_counter(&["failed"]).increment(1);
                tracing::warn!(
                    error = &error as &dyn StdError,
                    total_failures = self.failures,
                    "cannot remove leftovers of crashed deposits; the server tries again in about {} s",
                    interval.as_secs()
                );
            }
        }
    }
}

/// Shortens the interval by up to a tenth.
pub(super) fn shorten(interval: Duration, random: [u8; 4]) -> Duration {
    let share = f64::from(u32::from_ne_bytes(random)) / f64::from(u32::MAX);
    interval.mul_f64(1.0 - share / 10.0)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use artifact_backend::{Error, ErrorKind, Operation};
    use tokio::time::{Instant, sleep, timeout};

    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    #[tokio::test(start_paused = true)]
    async fn leftovers_are_removed_at_the_start_and_then_once_per_interval() {
        let start = Instant::now();
        let times = Cell::new(Vec::new());
        let schedule = run(HOUR, async |age| {
            assert_eq!(age, Duration::from_hours(24));
            let mut all = times.take();
            all.push(start.elapsed());
            times.set(all);
            Ok(SweepReport::default())
        });
        timeout(HOUR * 10, schedule).await.unwrap_err();
        let times = times.take();
        assert_eq!(times[0], Duration::ZERO);
        for pair in times.windows(2) {
            let pause = pair[1].checked_sub(pair[0]).unwrap();
            // The clock of a runtime counts milliseconds.
            assert!(
                (HOUR.mul_f64(0.9)..HOUR + Duration::from_millis(2)).contains(&pause),
                "{pause:?}"
            );
        }
        assert!((10..=12).contains(&times.len()), "{times:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn sweeps_longer_than_the_interval_do_not_overlap() {
        let (running, count) = (Cell::new(0), Cell::new(0));
        let schedule = run(HOUR, async |_| {
            running.set(running.get() + 1);
            assert_eq!(running.get(), 1);
            sleep(HOUR * 3).await;
            running.set(running.get() - 1);
            count.set(count.get() + 1);
            Ok(SweepReport::default())
        });
        timeout(HOUR * 12, schedule).await.unwrap_err();
        assert_eq!(count.get(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_sweep_is_counted_and_the_next_interval_tries_again() {
        let fail = || Err(Error::new(ErrorKind::Unavailable, Operation::Sweep));
        let mut total = Total::default();
        total.record(fail(), HOUR);
        total.record(Ok(SweepReport::default()), HOUR);
        total.record(fail(), HOUR);
        assert_eq!((total.sweeps, total.failures), (3, 2));

        let count = Cell::new(0);
        let schedule = run(HOUR, async |_| {
            count.set(count.get() + 1);
            fail()
        });
        timeout(HOUR * 3, schedule).await.unwrap_err();
        assert!(count.get() >= 3, "{}", count.get());
    }

    #[test]
    fn intervals_are_shortened_by_at_most_a_tenth() {
        assert_eq!(shorten(HOUR, [0; 4]), HOUR);
        assert_eq!(shorten(HOUR, [255; 4]), HOUR.mul_f64(0.9));
    }
}
