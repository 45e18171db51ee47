#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod case;
mod cases;
mod check;
mod data;
mod each_case;
mod fault;
mod plant;
mod progress;
mod report;
mod storage;
mod suite;

#[doc(hidden)]
pub use each_case::run_as_test;
pub use fault::{Fault, FaultBackend, Hold, Point};
pub use plant::Plant;
pub use progress::Progress;
pub use report::{CaseReport, Report, Verdict};
pub use storage::Storage;
pub use suite::Suite;
