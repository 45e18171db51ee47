//! Simulates power cuts with a file system in memory that keeps only synced data.
//!
//! [`record`] runs a subject on the file system and returns a [`Recording`]. [`explore`] rebuilds from the
//! recording the state after each crash point under each [`Survival`] rule, without running the subject
//! again, and judges it. [`sweep`] runs the subject repeatedly, each time with one injected [`Fault`].

mod disk;
mod event;
mod explore;
mod fault;
mod fuse;
mod handles;
mod image;
mod injector;
mod live;
mod mount;
mod operations;
mod survival;
mod sweep;

pub use disk::Disk;
pub use event::{Edit, Event};
pub use explore::{Exploration, explore};
pub use fault::{Effect, Fault, FaultPoint, OpKind};
pub use image::{Content, Image, Inode, InodeKind, STORE};
pub use mount::{Options, Recording, StrictMount, record};
pub use survival::Survival;
pub use sweep::{SweepOptions, sweep};
