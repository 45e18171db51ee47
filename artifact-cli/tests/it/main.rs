//! The real binary, from outside: its arguments, its files, its sockets and its exit codes.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod harness;

mod deposit_and_fetch;
mod golden;
mod quick_start;
mod ready;
mod refusals;
mod shutdown;
