#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod backend;
mod buffers;
mod error;
mod examine;
#[cfg_attr(
    any(not(target_os = "linux"), artifact_not_linux),
    expect(dead_code, reason = "only the Linux profile needs all of it")
)]
mod failed_syncs;
#[cfg_attr(
    any(not(target_os = "linux"), artifact_not_linux),
    expect(dead_code, reason = "only the Linux profile needs all of it")
)]
mod layout;
mod layout_check;
#[cfg(all(target_os = "linux", not(artifact_not_linux)))]
mod linux;
mod list_end;
mod passes;
mod pool;
#[cfg(any(feature = "portable", not(target_os = "linux"), artifact_not_linux))]
mod portable;
mod risk;
mod sync;
mod upload;
mod version;

pub use artifact_backend_config::{FsConfig, FsProfile};
pub use backend::FsBackend;
pub use examine::{Ext4Report, FolderReport, SyncTimes, examine_folder};
pub use layout_check::{
    LayoutFinding, LayoutOptions, LayoutProblem, LayoutReport, check_layout, check_private_file,
    check_private_folder,
};
pub use risk::{FileSystemRisk, file_system_risks};
