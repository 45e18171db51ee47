//! Google Cloud Storage's XML interface, as far as `object_store` uses it, in this process.
//!
//! It is a fake: it answers as Google's documentation says (<https://cloud.google.com/storage/docs/xml-api>),
//! and proves what our client asks and makes of the answers, not how Google's service behaves.

mod answer;
mod bucket;
mod objects;
mod request;
mod server;
mod uploads;

pub use server::GcsFake;
