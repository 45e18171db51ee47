//! The simulators on the stores that are right and wrong on purpose. Needs root and `/dev/fuse`.

#![expect(
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "helpers of tests: a panic is their verdict, and a skip must be seen"
)]

mod block;
mod cli;
mod harness;
mod strict;
mod syscalls;
