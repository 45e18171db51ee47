//! The tests of the crate, in modules that mirror `src/`.

mod authorize;
mod backend_url;
mod content_type;
mod deposit;
mod error;
mod file_name;
mod names;
mod rows;
mod store;
mod support;
