//! Where the blobs of a store are: one backend, or two while they are moved from one to the other.

mod backend;
mod change;
mod open;
mod parts;
mod record;

#[cfg(feature = "archive")]
pub(crate) use backend::Epochs;
pub use backend::PlacedBackend;
pub(crate) use change::Begun;
pub use change::PlacementConflict;
pub use open::OpenBackend;
pub use record::{FormerBackend, Placement, PlacementRecord};
