//! Code that the example programs share. The handlers, which the examples are about, are in the programs.
//!
//! The programs deliberately have their own API, not that of `artifact-http`. `POST /files` takes the bytes as its body and
//! returns 201 with a URI. `GET /files?uri=...` returns the bytes. A key in the header `X-Api-Key` identifies the user.

mod discard;
mod keys;
mod store;
mod trial;

pub use discard::discard;
pub use keys::{KEY_HEADER, Keys};
pub use store::{DELIVERY, open, status};
pub use trial::{Failure, round_trip};
