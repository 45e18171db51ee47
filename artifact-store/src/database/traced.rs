//! A `tracing` span around each call of a database.

use tracing::field::Empty;
use tracing::{Instrument as _, debug_span};

use super::subject::Subject;
use crate::error::Result;

/// Runs a call in a span at the level `DEBUG`, by the conventions of OpenTelemetry for clients of databases. The span has neither a
/// statement nor a value.
///
/// Rows of several deposits can be one statement. Then each span is as long as its deposit waited for it.
pub(super) async fn traced<T: Send>(
    system: &'static str,
    subject: impl Into<Subject> + Send,
    call: impl Future<Output = Result<T>> + Send,
) -> Result<T> {
    let operation = subject.into().operation().as_str();
    let span = debug_span!(
        target: "artifact_store::database",
        "database",
        otel.name = operation,
        otel.kind = "client",
        otel.status_code = Empty,
        db.system.name = system,
        db.operation.name = operation,
        "error.type" = Empty,
    );
    let result = call.instrument(span.clone()).await;
    if let Err(error) = &result {
        span.record("error.type", error.kind().as_str());
        span.record("otel.status_code", "ERROR");
    }
    result
}
