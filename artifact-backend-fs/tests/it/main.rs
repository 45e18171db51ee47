//! Integration tests of artifact-backend-fs.

#![expect(
    clippy::disallowed_methods,
    reason = "tests inspect the folder from outside"
)]
#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

mod attacks;
mod contract;
mod disk;
mod examine;
mod failed_syncs;
mod faults;
mod fuzz_replay;
mod layout_check;
mod migration;
mod opening;
mod portable;
mod race;
mod store_id;
mod surroundings;
mod sweep;
mod syscalls;
mod world;
