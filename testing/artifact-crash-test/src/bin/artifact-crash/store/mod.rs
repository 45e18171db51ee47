//! Small stores, right and wrong in one way each, that the simulator is tested on. They are also the
//! shortest examples of what a subject is.

mod put;
mod recipe;
mod workload;

pub(crate) use recipe::Recipe;
pub(crate) use workload::{Workload, check, run};
