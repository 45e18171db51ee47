//! Lets others read an artifact: grants to workers and groups, and links that need no credential.

mod fetch;
mod grants;
mod links;

pub use grants::{Grant, GrantPage, Grantee};
pub use links::{CreatedLink, Link, LinkPage};
