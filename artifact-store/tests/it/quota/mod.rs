//! Deposits with quotas.

mod charged;
#[cfg(all(feature = "archive", feature = "sqlite"))]
mod copies;
mod deposits;
mod model;
mod together;
