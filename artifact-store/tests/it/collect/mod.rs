//! The collector: what it removes, what it leaves alone, and that it never leaves a row without bytes.

mod alone;
mod dropped;
mod model;
mod races;
mod rules;
pub(crate) mod site;
mod suspended;
