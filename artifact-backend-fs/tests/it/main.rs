//! The folder as a backend: the contract, what may be planted in it, and what lies on the disk.

#![expect(
    clippy::disallowed_methods,
    reason = "tests look at the folder from outside"
)]

mod contract;
mod disk;
mod opening;
mod sweep;
mod world;
