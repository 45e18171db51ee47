//! `artifact worker`, `artifact group` and `artifact whoami`: workers and groups, over HTTP.

mod command;
mod group;
mod print;
mod worker;

pub(crate) use command::{GroupCommand, WorkerCommand};
pub(crate) use group::group;
pub(crate) use worker::{whoami, worker};
