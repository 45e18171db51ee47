//! The integration tests of this crate, with what needs no server.

mod contract;
mod foreign;
mod leftovers;
mod probe;
mod readback;
