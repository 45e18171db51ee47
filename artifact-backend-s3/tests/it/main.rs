//! The integration tests of this crate, with what needs no server.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

mod contract;
mod foreign;
mod leftovers;
mod probe;
mod readback;
