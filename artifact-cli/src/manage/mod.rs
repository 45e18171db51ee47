//! `artifact ls`, `info`, `usage`, `delete`, `hold`, `release` and `retention`: what is stored, over HTTP.

mod command;
mod each;
mod info;
mod list;
mod retention;
mod usage;

pub(crate) use command::{
    Artifacts, DeleteArguments, InfoArguments, ListArguments, RetentionArguments,
};
pub(crate) use each::{delete, hold, release};
pub(crate) use info::info;
pub(crate) use list::list;
pub(crate) use retention::retention;
pub(crate) use usage::usage;
