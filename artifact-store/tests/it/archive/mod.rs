//! Export and import of an experiment.

mod collected;
mod damage;
mod fuzz_replay;
mod killed;
#[cfg(feature = "fs")]
mod mixed_sizes;
mod plain_tar;
mod refusals;
mod round_trip;
pub(crate) mod site;
