//! `artifact worker`, `artifact group`, `artifact administrator` and `artifact whoami`: the principals, over HTTP.

mod administrator;
mod command;
mod credential_output;
mod group;
mod print;
mod worker;

pub(crate) use administrator::administrator;
pub(crate) use command::{AdministratorCommand, GroupCommand, WorkerCommand};
pub(crate) use group::group;
pub(crate) use worker::{whoami, worker};
