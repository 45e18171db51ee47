//! The tests of the crate, in modules that mirror `src/`.

#![expect(clippy::unwrap_used, reason = "what helps tests is a test too")]

#[cfg(feature = "archive")]
mod archive;
mod authorize;
#[cfg(feature = "backup")]
mod backup;
mod catalog;
mod close;
mod collect;
mod collections;
mod content_type;
mod conversions;
mod database_url;
mod deposit;
mod dump;
mod error;
mod experiment;
mod file_name;
mod free_space;
mod identity;
mod lane;
mod manage;
mod memory;
mod placement;
mod principal;
mod quota;
mod ranges;
mod readiness;
mod receipts;
#[cfg(all(feature = "pack", feature = "sqlite", target_os = "linux"))]
mod row_notes;
#[cfg(feature = "schemars")]
mod schema;
mod scrub;
mod scrub_due;
mod secrets;
#[cfg(feature = "serde")]
mod serde;
mod sharing;
mod store;
mod store_id;
mod support;
mod uploads;
#[cfg(feature = "fs")]
mod verified;
