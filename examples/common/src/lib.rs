//! Code that the example programs share. The handlers, which the examples are about, are in the programs.
//!
//! The programs deliberately have their own API, not that of `artifact-http`. `POST /files` takes a file as its body, or a
//! form with one file, and returns 201 with a URI. `GET /files?uri=...` returns the bytes. A key in the header `X-Api-Key`
//! identifies the user.

mod discard;
mod keys;
mod store;
mod trial;
mod trial_deposits;
mod trial_fetches;

pub use discard::discard;
pub use keys::{KEY_HEADER, Keys};
pub use store::{open, status};
pub use trial::{Failure, round_trip};
