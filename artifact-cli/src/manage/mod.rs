//! `artifact ls`, `info`, `usage`, `delete`, `hold`, `release`, `retention` and `quota`: what is stored, over HTTP.

mod command;
mod each;
mod info;
mod list;
mod quota;
mod retention;
mod usage;

pub(crate) use command::{
    Artifacts, DeleteArguments, InfoArguments, ListArguments, QuotaCommand, RetentionArguments,
};
pub(crate) use each::{delete, hold, release};
pub(crate) use info::info;
pub(crate) use list::list;
pub(crate) use quota::quota;
pub(crate) use retention::retention;
pub(crate) use usage::usage;
