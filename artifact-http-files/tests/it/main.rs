//! Tests of the blocks with a store in memory, without a framework.

#![expect(clippy::unwrap_used, reason = "test helpers may panic like tests")]

mod received_file;
mod respond;
mod support;
