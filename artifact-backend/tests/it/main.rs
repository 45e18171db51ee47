//! Integration tests of artifact-backend.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

#[cfg(feature = "arbitrary")]
mod arbitrary;
#[cfg(feature = "blocking")]
mod blocking;
mod clock;
mod digest;
mod download;
mod error;
mod example;
mod ext;
mod forward;
mod fuzz_replay;
mod id;
mod layer;
mod range;
#[cfg(feature = "serde")]
mod serde;
mod spy;
mod store_id;
mod uri;
