//! Where the blobs of a store are, and how they move.

mod copies;
#[cfg(feature = "archive")]
mod imports;
mod moves;
mod record;
mod search;
mod site;
mod switch;
