//! The tests of the crate, which use only its public interface.

#![expect(clippy::unwrap_used, reason = "test helpers may unwrap")]

mod accepted;
mod boundary;
mod fuzz_replay;
mod refused;
mod splits;
mod support;
