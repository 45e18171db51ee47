//! Integration tests that need no server.

#![expect(
    clippy::unwrap_used,
    reason = "tests and their helpers fail by panicking"
)]

mod contract;
mod foreign;
mod leftovers;
mod probe;
mod readback;
