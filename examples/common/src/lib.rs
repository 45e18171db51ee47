//! What the example programs share. Their point, the handlers, is in the programs themselves.
//!
//! The programs have an API of their own, on purpose not that of `artifact-http`: `POST /files` with
//! the bytes as its body answers 201 and a URI; `GET /files?uri=...` answers the bytes. Who asks is
//! told by a key in the header `X-Api-Key`.

mod keys;
mod store;
mod trial;

pub use keys::{KEY_HEADER, Keys};
pub use store::{DELIVERY, open, status};
pub use trial::{Failure, round_trip};
