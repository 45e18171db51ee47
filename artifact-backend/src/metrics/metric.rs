//! The definition of a metric.

use metrics::{
    Counter, Gauge, Histogram, Label, Unit, counter, describe_counter, describe_gauge,
    describe_histogram, gauge, histogram,
};

/// What the value of a metric does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// It only grows, from 0 at the start of the process.
    Counter,
    /// It goes up and down.
    Gauge,
    /// It counts samples by their size.
    Histogram,
}

impl MetricKind {
    /// Returns `counter`, `gauge` or `histogram`, as Prometheus names them.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// A metric: its name, its labels and what it means. Values are in base units, seconds and bytes, as its name says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metric {
    /// The name. That of a counter ends with `_total`.
    pub name: &'static str,
    /// What the value does.
    pub kind: MetricKind,
    /// The names of the labels.
    pub labels: &'static [&'static str],
    /// One sentence about the value, without a full stop.
    pub help: &'static str,
}

impl Metric {
    /// Defines a counter.
    pub const fn counter(
        name: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Self {
        Self::new(MetricKind::Counter, name, labels, help)
    }

    /// Defines a gauge.
    pub const fn gauge(
        name: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Self {
        Self::new(MetricKind::Gauge, name, labels, help)
    }

    /// Defines a histogram.
    pub const fn histogram(
        name: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Self {
        Self::new(MetricKind::Histogram, name, labels, help)
    }

    const fn new(
        kind: MetricKind,
        name: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Self {
        Self {
            name,
            kind,
            labels,
            help,
        }
    }

    /// Returns the unit that the name says: seconds, bytes, or a count.
    pub fn unit(&self) -> Unit {
        let name = self.name.trim_end_matches("_total");
        if name.ends_with("_seconds") {
            Unit::Seconds
        } else if name.ends_with("_bytes") {
            Unit::Bytes
        } else {
            Unit::Count
        }
    }

    /// Describes the metric to the recorder that is installed.
    pub fn describe(&self) {
        match self.kind {
            MetricKind::Counter => describe_counter!(self.name, self.unit(), self.help),
            MetricKind::Gauge => describe_gauge!(self.name, self.unit(), self.help),
            MetricKind::Histogram => describe_histogram!(self.name, self.unit(), self.help),
        }
    }

    /// Registers the counter with these values of its labels. Keep the handle: registering takes a lock.
    pub fn register_counter(&self, values: &[&'static str]) -> Counter {
        counter!(self.name, self.labels_with(values))
    }

    /// Registers the gauge with these values of its labels.
    pub fn register_gauge(&self, values: &[&'static str]) -> Gauge {
        gauge!(self.name, self.labels_with(values))
    }

    /// Registers the histogram with these values of its labels.
    pub fn register_histogram(&self, values: &[&'static str]) -> Histogram {
        histogram!(self.name, self.labels_with(values))
    }

    fn labels_with(&self, values: &[&'static str]) -> Vec<Label> {
        debug_assert_eq!(self.labels.len(), values.len(), "{}", self.name);
        let labels = self.labels.iter().zip(values);
        labels
            .map(|(name, value)| Label::from_static_parts(name, value))
            .collect()
    }
}

/// Describes metrics to the recorder that is installed.
pub fn describe(metrics: &[Metric]) {
    for metric in metrics {
        metric.describe();
    }
}
