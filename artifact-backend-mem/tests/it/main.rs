//! Integration tests of artifact-backend-mem.

mod bound;
mod contract;
mod model;
