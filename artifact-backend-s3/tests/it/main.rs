//! The integration tests of this crate, with what needs no server.

mod contract;
mod probe;
