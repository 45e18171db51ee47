//! The backend on real servers, with injected faults.
//!
//!     bash .ci/cloud-servers
//!     cargo test -p artifact-backend-s3 --all-features --test cloud

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests and their helpers fail by panicking, and print tables for the reader"
)]

mod conformance;
mod faults;
mod integration;
mod kinds;
mod leftovers;
mod location;
mod reads;
mod verdicts;
