//! Integration tests of artifact-backend.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

#[cfg(feature = "arbitrary")]
mod arbitrary;
#[cfg(feature = "blocking")]
mod blocking;
#[cfg(feature = "blocking-api")]
mod blocking_backend;
mod clock;
mod conversions;
mod digest;
mod download;
mod error;
mod example;
mod ext;
mod forward;
mod fuzz_replay;
mod id;
mod io_error;
mod layer;
mod range;
#[cfg(feature = "tokio-io")]
mod reader;
#[cfg(feature = "schemars")]
mod schema;
#[cfg(feature = "serde")]
mod serde;
mod spy;
mod store_id;
mod uri;
#[cfg(feature = "tokio-io")]
mod writer;
