//! Settings: flags over the environment over a TOML file over defaults, all from one registry.

mod environment;
mod load;
mod nearest;
mod print;
#[cfg(test)]
mod reference;
mod registry;
mod value;

pub(crate) use environment::Environment;
pub(crate) use load::{Loaded, load};
pub(crate) use print::effective;
pub(crate) use registry::{Command, Key, Kind, SETTINGS};
pub(crate) use value::Source;
