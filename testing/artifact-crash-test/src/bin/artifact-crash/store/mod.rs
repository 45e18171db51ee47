//! Small stores that the simulator is tested on: correct stores, and broken stores with one flaw each. They
//! are also the shortest examples of a subject.

mod put;
mod recipe;
mod workload;

pub(crate) use recipe::Recipe;
pub(crate) use workload::{Workload, check, run};
