//! Measures how late a 2 ms timer fires on the measured runtime, which is the delay that other tasks of a server would
//! see.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

const PERIOD: Duration = Duration::from_millis(2);

pub struct Stall {
    stop: Arc<AtomicBool>,
    task: JoinHandle<Vec<Duration>>,
}

impl Stall {
    /// Starts the timer on the current runtime.
    pub fn start() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&stop);
        let task = tokio::spawn(async move {
            let mut late = Vec::new();
            while !seen.load(Ordering::Relaxed) {
                let before = Instant::now();
                tokio::time::sleep(PERIOD).await;
                late.push(before.elapsed().saturating_sub(PERIOD));
            }
            late
        });
        Self { stop, task }
    }

    /// Stops the timer and returns the 99th percentile and the maximum delay.
    pub async fn stop(self) -> (Duration, Duration) {
        self.stop.store(true, Ordering::Relaxed);
        let mut late = self.task.await.expect("the timer does not panic");
        late.sort_unstable();
        (
            crate::cell::percentile(&late, 99),
            late.last().copied().unwrap_or_default(),
        )
    }
}
