//! Deposits with quotas.

mod deposits;
mod model;
mod together;
