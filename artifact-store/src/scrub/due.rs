//! A scrub on a schedule: one process at a time, continued after a restart.

use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use artifact_backend::{ArtifactId, background};
use futures_util::future::{Either, select};
use tokio::time::sleep;

use super::{ScrubEvent, ScrubFinding, ScrubReport, Scrubber};
use crate::alone::AloneTask;
use crate::catalog::{CatalogInventory, RowPosition, ScrubRecord};
use crate::error::{Error, Result};
use crate::metrics::ScrubMetrics;

const TASK: AloneTask = AloneTask {
    lease: "scrub",
    worker: "scrubber",
};
/// How often the position is recorded.
const RECORD: Duration = Duration::from_secs(30);
/// How many findings of a call are logged.
const LOGGED: u64 = 100;

/// What [`Scrubber::run_due`] did.
#[derive(Debug)]
#[non_exhaustive]
pub enum ScrubTurn {
    /// It scrubbed. The report is about the whole scrub, also about the parts that earlier calls did. If it is
    /// [unfinished](ScrubReport::unfinished), the next call continues.
    Scrubbed(ScrubReport),
    /// No scrub is due before this time is over.
    NotDue(Duration),
    /// Another process scrubs.
    Busy,
}

impl Scrubber {
    /// Scrubs if a scrub is due on this database: if there was none yet, if the last one was not finished, which is then
    /// continued, or if the last one began at least `interval` ago. So each stored byte is read once per interval,
    /// provided that a scrub is faster than that.
    ///
    /// Only one call at a time scrubs, in all processes on the database. `holder` is a random number that stands for this
    /// process. Times are those of the database's clock.
    ///
    /// The catalog keeps how far the scrub is: at least every 30 seconds, and at the end. After a crash, a later call
    /// in any process continues there; it reads what was read since then, or at least 64 artifacts, again. See
    /// [`ScrubRecord`].
    ///
    /// Damage is an alarm in the log (`alarm="corrupt-blob"` or `alarm="missing-blobs"`), up to 100 lines per call. `observe` gets
    /// all. A dropped future stops the scrub, and leaves its lease for up to two minutes. Needs a Tokio runtime with a timer.
    ///
    /// # Errors
    ///
    /// If the catalog cannot be read or written. `Unavailable` if the lease was lost: the scrub was stopped midway, as by a
    /// dropped future.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use artifact_store::{ScrubTurn, Scrubber};
    ///
    /// # async fn example(scrubber: Scrubber) -> artifact_store::Result<()> {
    /// let month = Duration::from_secs(30 * 24 * 60 * 60);
    /// match scrubber.run_due(month, [7; 16], |_event| ()).await? {
    ///     ScrubTurn::Scrubbed(report) => println!("{} findings", report.findings()),
    ///     ScrubTurn::NotDue(left) => println!("the next one begins in {} s", left.as_secs()),
    ///     _ => println!("another process scrubs"),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn run_due(
        &self,
        interval: Duration,
        holder: [u8; 16],
        observe: impl FnMut(ScrubEvent) + Send,
    ) -> Result<ScrubTurn> {
        // In a box, because the futures of the turn are large.
        background(Box::pin(self.take_turn(interval, holder, observe))).await
    }

    async fn take_turn(
        &self,
        interval: Duration,
        holder: [u8; 16],
        observe: impl FnMut(ScrubEvent) + Send,
    ) -> Result<ScrubTurn> {
        // Without the lease, so that waiting writes nothing.
        let last = self.catalog.last_scrub().await?;
        if let Some(last) = &last {
            ScrubMetrics::record(last, &*self.options.clock);
        }
        if let Err(left) = due(last, interval) {
            return Ok(ScrubTurn::NotDue(left));
        }
        let work = self.scrub_if_due(interval, observe);
        let done = TASK.run(&*self.catalog, holder, work).await?;
        done.unwrap_or(Ok(ScrubTurn::Busy))
    }

    async fn scrub_if_due(
        &self,
        interval: Duration,
        mut observe: impl FnMut(ScrubEvent) + Send,
    ) -> Result<ScrubTurn> {
        // Another process may have scrubbed since the first look.
        let start = match due(self.catalog.last_scrub().await?, interval) {
            Ok(start) => start,
            Err(left) => return Ok(ScrubTurn::NotDue(left)),
        };
        self.catalog.record_scrub(&start).await?;
        if start.reached == RowPosition::START {
            ScrubMetrics::record(&start, &*self.options.clock);
        }
        let checkpoint = Mutex::new(start);
        let mut alarms = Alarms::default();
        let mut damaged = start.damaged();
        let observe = |event| {
            alarms.log(&event);
            if let ScrubEvent::Found(ScrubFinding::Corrupt { .. } | ScrubFinding::Missing { .. }) =
                event
            {
                damaged += 1;
                ScrubMetrics::set_known_damaged(damaged.max(start.known_damaged));
            }
            observe(event);
        };
        let report = {
            let run = pin!(self.run_from(ScrubReport::of(&start), &checkpoint, observe));
            let record = pin!(record_regularly(&*self.catalog, &checkpoint));
            match select(run, record).await {
                Either::Left((report, _)) => report,
                Either::Right((error, _)) => return Err(error),
            }
        };
        if report.unfinished.is_some() {
            self.catalog.record_scrub(&copy(&checkpoint)).await?;
        } else {
            self.record_end(&report, Some(start.number)).await?;
        }
        Ok(ScrubTurn::Scrubbed(report))
    }

    /// Records a whole scrub by [`run`](Self::run) from [`RowPosition::START`], as [`run_due`](Self::run_due) does with its own. So
    /// servers know what it found, also that earlier damage is repaired, and the interval of scrubs counts from now. A scrub
    /// that could not check everything is not recorded. Returns whether it was.
    ///
    /// # Errors
    ///
    /// If the catalog cannot be read or written.
    pub async fn record(&self, report: &ScrubReport) -> Result<bool> {
        if report.is_complete() {
            self.record_end(report, None).await?;
        }
        Ok(report.is_complete())
    }

    /// Records a scrub that has looked at everything as the newest one: under the number with which its beginning was recorded, or
    /// under a new one if it has none or a newer scrub began meanwhile.
    async fn record_end(&self, report: &ScrubReport, begun: Option<u64>) -> Result<()> {
        let last = self.catalog.last_scrub().await?;
        let newest = last.map_or(0, |last| last.number);
        let begun = begun.filter(|number| *number >= newest);
        let number = begun.unwrap_or_else(|| newest.saturating_add(1));
        let ended = ScrubRecord {
            is_finished: true,
            ..report.record(number)
        };
        self.catalog.record_scrub(&ended).await?;
        if let Some(last) = self.catalog.last_scrub().await? {
            ScrubMetrics::record(&last, &*self.options.clock);
        }
        Ok(())
    }
}

/// Returns the record of the scrub to continue, or how long until the next one is due.
fn due(last: Option<ScrubRecord>, interval: Duration) -> Result<ScrubRecord, Duration> {
    match last {
        None => Ok(ScrubRecord::new(1)),
        Some(last) if !last.is_finished => Ok(last),
        Some(last) => match interval.saturating_sub(last.age) {
            Duration::ZERO => Ok(last.next()),
            left => Err(left),
        },
    }
}

/// Records the checkpoint until that fails twice in a row. Returns why.
async fn record_regularly(
    catalog: &dyn CatalogInventory,
    checkpoint: &Mutex<ScrubRecord>,
) -> Error {
    let mut recorded = copy(checkpoint);
    let mut has_failed = false;
    loop {
        sleep(RECORD).await;
        let current = copy(checkpoint);
        if current == recorded {
            continue;
        }
        match catalog.record_scrub(&current).await {
            Ok(()) => (recorded, has_failed) = (current, false),
            Err(error) if has_failed => return error,
            Err(_) => has_failed = true,
        }
    }
}

fn copy(checkpoint: &Mutex<ScrubRecord>) -> ScrubRecord {
    // Only whole records are assigned under the lock.
    *checkpoint.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Logs damage.
#[derive(Debug, Default)]
struct Alarms {
    found: u64,
}

impl Alarms {
    fn log(&mut self, event: &ScrubEvent) {
        let ScrubEvent::Found(finding) = event else {
            return;
        };
        // The collector deletes orphans.
        if matches!(finding, ScrubFinding::Orphaned { .. }) {
            return;
        }
        self.found += 1;
        match finding {
            _ if self.found > LOGGED => {}
            ScrubFinding::Corrupt { id, error } => corrupt(*id, error),
            finding => tracing::error!(
                alarm = "missing-blobs",
                id = %finding.id(),
                "the artifact has a row, and its blob is missing; restore the blob from a backup"
            ),
        }
        if self.found == LOGGED {
            tracing::error!(
                alarm = "corrupt-blob",
                "the scrub has found {LOGGED} damaged or missing blobs, and logs no more ids; run `artifact scrub` for all"
            );
        }
    }
}

fn corrupt(id: ArtifactId, error: &Error) {
    tracing::error!(
        alarm = "corrupt-blob",
        %id,
        error = error as &dyn std::error::Error,
        "the stored bytes are not those that were deposited; restore the blob from a backup"
    );
}
