//! Simulates power cuts with a recording block device under real file systems.
//!
//! [`record`] runs a subject on a file system on a loop device and logs every write and flush of the
//! device's backing file. [`explore`] rebuilds from the log the device after a power cut, lets the real
//! file system repair itself, and judges what is visible.

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
