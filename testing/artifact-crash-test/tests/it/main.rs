//! Runs the simulators on stores that are correct or broken on purpose. Needs root and `/dev/fuse`.

#![expect(
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "test helpers fail by a panic, and a skipped test must be visible"
)]

mod block;
mod cli;
mod harness;
mod strict;
mod strict_file_system;
mod syscalls;
