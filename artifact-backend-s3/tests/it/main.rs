//! Integration tests that need no server.

#![expect(
    clippy::unwrap_used,
    reason = "tests and their helpers fail by panicking"
)]

mod contract;
#[cfg(all(feature = "s3", feature = "azure"))]
mod credentials;
#[cfg(feature = "gcs")]
mod dead_bucket;
mod foreign;
mod leftovers;
mod probe;
mod readback;
#[cfg(feature = "gcs")]
mod slow_link;
#[cfg(feature = "gcs")]
mod sweep;
