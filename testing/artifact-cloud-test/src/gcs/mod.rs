//! An in-process fake of Google Cloud Storage's XML API, as far as `object_store` uses it.
//!
//! It responds as Google's documentation says (<https://cloud.google.com/storage/docs/xml-api>). So it
//! tests the requests of our client and how the client handles the responses, but not how Google's
//! service behaves.

mod bucket;
mod objects;
mod request;
mod response;
mod server;
mod uploads;

pub use server::GcsFake;
