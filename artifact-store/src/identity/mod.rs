//! Identities: workers with their stored credentials, and groups.

mod credential;
mod display_name;
mod group;
mod id;
mod labels;
mod list;
mod page;
mod store;
mod worker;

pub use credential::{CredentialHash, InvalidCredentialHash, StoredCredential};
pub use display_name::{DisplayName, InvalidDisplayName};
pub use group::Group;
pub(crate) use id::LEN as ID_LEN;
pub use id::{AdministratorId, GrantId, GroupId, InvalidId, LinkId, MemberId, WorkerId};
pub use labels::{InvalidLabels, Labels};
pub use list::IdentityStoreExt;
pub use page::{ListPosition, Page};
pub use store::IdentityStore;
pub use worker::Worker;
