//! The filter of the log, which can be replaced while the server runs.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::{EnvFilter, reload};

/// Replaces what is logged.
pub(crate) struct LogFilter {
    reload: Box<dyn Fn(EnvFilter) -> Result<(), reload::Error> + Send + Sync>,
    needs_spans: Arc<AtomicBool>,
}

impl fmt::Debug for LogFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogFilter").finish_non_exhaustive()
    }
}

impl LogFilter {
    /// Returns a filter as a layer, and the handle to replace it.
    pub(super) fn new<S: Subscriber>(filter: &str) -> (FilterLayer<S>, Self) {
        let (layer, handle) = reload::Layer::new(parse(filter));
        let needs_spans = Arc::new(AtomicBool::new(names_span(filter)));
        let layer = FilterLayer {
            filter: layer,
            needs_spans: Arc::clone(&needs_spans),
        };
        let replace = Self {
            reload: Box::new(move |filter| handle.reload(filter)),
            needs_spans,
        };
        (layer, replace)
    }

    /// Returns a filter of the log alone, beside a layer that sees more, and the handle to replace it.
    pub(super) fn of_log_alone<S: Subscriber>(filter: &str) -> (reload::Layer<EnvFilter, S>, Self) {
        let (layer, handle) = reload::Layer::new(parse(filter));
        let replace = Self {
            reload: Box::new(move |filter| handle.reload(filter)),
            needs_spans: Arc::default(),
        };
        (layer, replace)
    }

    /// Replaces the filter. The settings have checked its text.
    pub(crate) fn replace(&self, filter: &str) -> anyhow::Result<()> {
        let names_span = names_span(filter);
        // A filter that ignores spans may learn of them, but not the other way round.
        self.needs_spans.fetch_or(names_span, Ordering::SeqCst);
        (self.reload)(parse(filter))?;
        self.needs_spans.store(names_span, Ordering::SeqCst);
        Ok(())
    }
}

fn parse(filter: &str) -> EnvFilter {
    EnvFilter::builder().parse_lossy(filter)
}

/// Returns whether a filter may name a span, as `artifact[request]=debug` does.
fn names_span(filter: &str) -> bool {
    filter.contains('[')
}

/// A filter that learns of spans only if it names one.
///
/// Otherwise each step of a request would take four locks that all threads share, and each request has a
/// dozen steps.
pub(super) struct FilterLayer<S> {
    filter: reload::Layer<EnvFilter, S>,
    needs_spans: Arc<AtomicBool>,
}

impl<S> FilterLayer<S> {
    /// Returns the filter if it must learn of spans.
    fn of_spans(&self) -> Option<&reload::Layer<EnvFilter, S>> {
        let needs_spans = self.needs_spans.load(Ordering::Relaxed);
        needs_spans.then_some(&self.filter)
    }
}

/// All methods that `EnvFilter` has.
impl<S: Subscriber> Layer<S> for FilterLayer<S> {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        self.filter.register_callsite(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Layer::max_level_hint(&self.filter)
    }

    fn enabled(&self, metadata: &Metadata<'_>, context: Context<'_, S>) -> bool {
        Layer::enabled(&self.filter, metadata, context)
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(filter) = self.of_spans() {
            Layer::on_new_span(filter, attributes, id, context);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(filter) = self.of_spans() {
            Layer::on_record(filter, id, values, context);
        }
    }

    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        if let Some(filter) = self.of_spans() {
            Layer::on_enter(filter, id, context);
        }
    }

    fn on_exit(&self, id: &Id, context: Context<'_, S>) {
        if let Some(filter) = self.of_spans() {
            Layer::on_exit(filter, id, context);
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        if let Some(filter) = self.of_spans() {
            Layer::on_close(filter, id, context);
        }
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::{Registry, fmt, prelude::*};

    use super::super::captured::captured;
    use super::*;

    /// Returns the messages that are logged under the first filter, and then under the second one.
    fn logged(filters: [&str; 2]) -> String {
        let (layer, replace) = LogFilter::new::<Registry>(filters[0]);
        captured(
            |lines| {
                let log = fmt::layer().with_writer(lines).without_time();
                let log = log.with_ansi(false);
                tracing_subscriber::registry().with(layer.and_then(log))
            },
            || {
                for (number, filter) in filters.iter().enumerate() {
                    replace.replace(filter).unwrap();
                    let id = number;
                    tracing::error_span!("request", id).in_scope(|| tracing::debug!("in span"));
                    tracing::debug!("outside");
                    tracing::info!("info");
                }
            },
        )
    }

    #[test]
    fn a_filter_that_names_a_span_applies_to_that_span_only() {
        for filters in [["[request]=debug", "info"], ["info", "[request]=debug"]] {
            let lines = logged(filters);
            let named = filters.iter().position(|text| text.contains('[')).unwrap();
            assert_eq!(lines.matches("in span").count(), 1, "{lines}");
            assert!(lines.contains(&format!("{{id={named}}}")), "{lines}");
            assert_eq!(lines.matches("outside").count(), 0, "{lines}");
            assert_eq!(lines.matches("info").count(), 1, "{lines}");
        }
    }

    #[test]
    fn a_filter_without_spans_applies_everywhere() {
        let lines = logged(["debug", "info"]);
        assert_eq!(lines.matches("in span").count(), 1, "{lines}");
        assert_eq!(lines.matches("outside").count(), 1, "{lines}");
        assert_eq!(lines.matches("INFO").count(), 2, "{lines}");
        assert_eq!(logged(["error", "off"]), "");
    }
}
