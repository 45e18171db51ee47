#![doc = include_str!("../README.md")]

mod case;
mod cases;
mod check;
mod data;
mod fault;
mod plant;
mod report;
mod storage;
mod suite;

pub use fault::{Fault, FaultBackend, Hold, Point};
pub use plant::Plant;
pub use report::{CaseReport, Report, Verdict};
pub use storage::Storage;
pub use suite::Suite;
