//! The portable profile: the layout of the Linux profile, by `std` alone.
//!
//! Paths take the place of descriptors, so each operation checks the folders of its path before and after it
//! works. No code here is for one system; what only Unix has is in [`files`].

mod blob;
mod error;
mod failure_record;
mod files;
mod inventory;
mod layout;
mod marker;
mod profile;
mod publish;
mod read;
mod root;
mod staging;
mod store_id;
mod sweep;
mod trial;

pub(crate) use profile::PortableProfile;
