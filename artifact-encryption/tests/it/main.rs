//! Integration tests of artifact-encryption.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

mod contract;
mod forgery;
mod keys;
mod ranges;
mod requests;
mod uploads;
mod vectors;
mod world;
