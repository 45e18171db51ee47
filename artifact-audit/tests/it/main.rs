//! Tests audit logs through the public interface, on real files.

#![expect(clippy::unwrap_used, reason = "test helpers may panic like tests")]

mod model;
mod older;
mod restart;
mod rotation;
mod select;
mod support;
