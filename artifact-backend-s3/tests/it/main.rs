//! Integration tests that need no server.

#![expect(
    clippy::unwrap_used,
    reason = "tests and their helpers fail by panicking"
)]

#[cfg(all(feature = "s3", feature = "gcs", feature = "azure"))]
mod checksums;
mod contract;
#[cfg(all(feature = "s3", feature = "gcs", feature = "azure"))]
mod credentials;
#[cfg(feature = "gcs")]
mod dead_bucket;
mod foreign;
#[cfg(all(feature = "s3", feature = "gcs", feature = "azure"))]
mod http_server;
mod leftovers;
#[cfg(all(feature = "s3", feature = "gcs", feature = "azure"))]
mod own_credentials;
mod probe;
mod readback;
#[cfg(all(feature = "s3", feature = "gcs", feature = "azure"))]
mod redirects;
#[cfg(feature = "gcs")]
mod slow_link;
#[cfg(feature = "gcs")]
mod sweep;
