//! Integration tests of artifact-backend-pack.

#![cfg(target_os = "linux")]
#![expect(
    clippy::disallowed_methods,
    reason = "tests inspect the folder from outside"
)]
#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

mod contract;
mod crashes;
mod damage;
mod damaged_frames;
mod fuzz_replay;
mod maintenance;
mod note_mutants;
mod notes;
mod opening;
mod root_check;
mod world;
