//! The log of receipts.

mod copies;
mod failures;
mod log;
mod site;
mod together;
