//! Integration tests that need no server.

#![expect(
    clippy::unwrap_used,
    reason = "tests and their helpers fail by panicking"
)]

mod contract;
#[cfg(all(feature = "s3", feature = "azure"))]
mod credentials;
mod foreign;
mod leftovers;
mod probe;
mod readback;
#[cfg(feature = "gcs")]
mod sweep;
