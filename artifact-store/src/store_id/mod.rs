//! The store id, which ties a database and a backend together.

mod halves;
mod mismatch;
mod record;

pub use halves::{StoreHalves, check_new_backend, check_new_database};
pub use mismatch::{JoinError, Mismatch};
pub use record::StoreIdRecord;
