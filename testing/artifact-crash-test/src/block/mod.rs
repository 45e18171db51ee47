//! A recording block device under real file systems, and the crashes that its log can have.
//!
//! [`record`] runs a subject on a file system on a loop device whose backing file is ours: it logs
//! every write and every flush. [`explore`] rebuilds from the log what a power cut leaves of the
//! device, lets the real file system repair itself from that, and judges what is visible.

mod device;
mod event;
mod explore;
mod file_system;
mod loop_device;
mod pages;
mod record;
mod rig;

pub use event::{BlockEvent, BlockRecording};
pub use explore::{BlockExploration, explore};
pub use file_system::FileSystem;
pub use pages::Pages;
pub use record::{BlockOptions, record};
