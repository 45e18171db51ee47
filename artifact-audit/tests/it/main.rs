//! Tests audit logs through the public interface, on real files.

mod model;
mod restart;
mod rotation;
mod support;
