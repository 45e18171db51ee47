//! A file system that keeps only what was synced, and every crash that a recorded run can have.
//!
//! [`record`] runs a subject on it and gives a [`Recording`]; [`explore`] rebuilds from that, without
//! running anything again, what each crash point leaves under each [`Survival`] and judges it;
//! [`sweep`] runs the subject again and again with one injected [`Fault`] each.

mod disk;
mod event;
mod explore;
mod fault;
mod handles;
mod image;
mod live;
mod mount;
mod serve;
mod survival;
mod sweep;

pub use disk::Disk;
pub use event::{Edit, Event};
pub use explore::{Exploration, explore};
pub use fault::{At, Effect, Fault, OpKind};
pub use image::{Content, Image, Inode, InodeKind, STORE};
pub use mount::{Options, Recording, StrictMount, record};
pub use survival::Survival;
pub use sweep::{SweepOptions, sweep};
