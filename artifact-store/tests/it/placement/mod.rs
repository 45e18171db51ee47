//! Where the blobs of a store are, and how they move.

mod moves;
mod record;
mod search;
mod site;
mod switch;
