//! Who and what an experiment holds besides artifacts: its workers, its groups, itself.

mod call;
mod experiment;
mod group;
mod token;
mod worker;

pub use experiment::{Experiment, Whoami};
pub use group::{Group, NewGroup};
pub use token::RegistrationToken;
pub use worker::{NewWorker, RegisteredWorker, Worker};
