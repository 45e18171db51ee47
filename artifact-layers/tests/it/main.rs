//! Integration tests of artifact-layers.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

mod concurrency_limit;
mod contract;
#[cfg(feature = "metrics")]
mod metrics;
mod moving;
mod read_cache;
mod retry;
mod support;
mod tenant;
mod throttle;
mod timeout;
#[cfg(feature = "tracing")]
mod trace;
