//! The backend on Linux, by rustix.

mod backend;
mod claims;
mod committer;
mod compaction;
mod coop;
mod delete;
mod entry_cache;
mod error;
mod index;
mod list;
mod load;
mod noted;
mod open_segment;
mod opening;
mod patience;
mod pool;
mod queue;
#[cfg(test)]
mod queue_tests;
mod replay;
mod request;
mod root;
mod root_check;
mod scrub;
mod seal;
mod segment;
mod shared;
mod spares;
mod stats;
mod store;
mod sweep;
mod sys;
mod upload;

pub use backend::PackBackend;
pub use root_check::{PackFinding, PackProblem, RootReport, check_root};
pub use scrub::PackScrubReport;
pub use stats::PackStats;
