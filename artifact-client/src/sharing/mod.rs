//! Lets others read an artifact or a collection: grants to workers and groups, and links that need no credential.

mod collection_grants;
mod fetch;
mod grants;
mod links;

pub use collection_grants::{CollectionGrant, CollectionGrantPage};
pub use grants::{Grant, GrantPage, Grantee};
pub use links::{CreatedLink, Link, LinkPage};
