#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[doc(hidden)]
#[allow(missing_docs, reason = "not part of the public API")]
pub mod format;
#[cfg(all(unix, not(artifact_not_unix)))]
mod linux;
#[cfg(all(unix, not(artifact_not_unix)))]
mod sync;

#[cfg(all(unix, not(artifact_not_unix)))]
pub use artifact_backend_config::PackConfig;
#[cfg(all(unix, not(artifact_not_unix)))]
pub use linux::{
    PackBackend, PackFinding, PackProblem, PackScrubReport, PackStats, RootReport, check_root,
};
