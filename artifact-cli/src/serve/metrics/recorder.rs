//! The recorder of this process.

use std::time::Duration;

use anyhow::Result;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use crate::failure::setup;

/// The upper bounds of the buckets of durations, in seconds: from a look-up in memory to the time-out of a deposit.
const SECONDS: [f64; 14] = [
    0.000_1, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0, 60.0,
];

/// How often samples move into their buckets. Until then each takes eight bytes.
const UPKEEP: Duration = Duration::from_secs(1);

/// Keeps the values of all metrics of this process. Clones share them.
#[derive(Clone)]
pub(crate) struct Recorder(PrometheusHandle);

impl Recorder {
    /// Installs a recorder for the whole process.
    pub(crate) fn install() -> Result<Self> {
        let builder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
            .map_err(|error| setup(error.to_string()))?;
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        metrics::set_global_recorder(recorder)
            .map_err(|_| setup("this process has a recorder of metrics already"))?;
        Ok(Self(handle))
    }

    /// Returns the values in the text format of Prometheus.
    pub(crate) fn render(&self) -> String {
        self.0.render()
    }

    /// Moves samples into their buckets, so that the memory does not grow while no program reads the metrics.
    pub(crate) async fn keep_up(self) {
        loop {
            tokio::time::sleep(UPKEEP).await;
            self.0.run_upkeep();
        }
    }
}
