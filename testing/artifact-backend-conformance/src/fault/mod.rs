//! A backend that fails on demand, for tests of the code above a backend.

mod backend;
mod plan;
mod upload;

pub use backend::FaultBackend;
pub use plan::{Fault, Hold, Point};
