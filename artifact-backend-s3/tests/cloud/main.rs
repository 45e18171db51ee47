//! The backend on real servers, and with faults on the way to them.
//!
//!     bash .ci/cloud-servers
//!     cargo test -p artifact-backend-s3 --all-features --test cloud

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests: a panic is their verdict, and tables are read"
)]

mod conformance;
mod faults;
mod integration;
mod kinds;
mod leftovers;
mod place;
mod reads;
mod verdicts;
