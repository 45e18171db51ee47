#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[doc(hidden)]
#[allow(missing_docs, reason = "not part of the public API")]
pub mod format;
#[cfg(all(target_os = "linux", not(artifact_not_linux)))]
mod linux;
#[cfg(all(target_os = "linux", not(artifact_not_linux)))]
mod sync;

#[cfg(all(target_os = "linux", not(artifact_not_linux)))]
pub use artifact_backend_config::PackConfig;
#[cfg(all(target_os = "linux", not(artifact_not_linux)))]
pub use linux::{PackBackend, PackFinding, PackProblem, PackScrubReport, RootReport, check_root};
