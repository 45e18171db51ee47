//! Export and import of an experiment.

mod collected;
mod damage;
mod fuzz_replay;
mod killed;
mod plain_tar;
mod refusals;
mod round_trip;
mod site;
