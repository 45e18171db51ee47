//! Rows as notes: the row of a deposit becomes durable together with its bytes, in the backend.

mod catch_up;
mod format;
mod recorder;

pub use catch_up::{CatchUp, CatchUpReport};
pub(crate) use format::encode;
pub(crate) use recorder::OpenDeposit;
pub use recorder::RowNotes;
