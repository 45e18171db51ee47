//! The Linux profile: unnamed temporary files, and every path relative to a descriptor, by rustix.

mod blob;
mod coop;
mod download;
mod error;
mod examine;
mod failure_record;
mod fan_out;
mod filesystem;
mod inventory;
mod layout_check;
mod load;
mod marker;
mod migration;
mod profile;
mod publish;
mod root;
mod shared;
mod staging;
mod store_id;
mod sweep;
mod sys;
mod trial;
mod writer;

pub(crate) use examine::examine;
pub(crate) use filesystem::risks;
pub(crate) use layout_check::{check_layout, check_private_file, check_private_folder};
pub(crate) use profile::LinuxProfile;
