//! The experiment, its workers and its groups.

mod experiment;
mod group;
mod request;
mod worker;

pub(crate) use request::{check_id, id_segment, json};

pub use experiment::{Experiment, Whoami};
pub use group::{Group, NewGroup};
pub use worker::{NewWorker, RegisteredWorker, Worker};
