//! Who else may read: grants to workers and groups, and links that need no credential.

mod grant;
mod handle;
mod link;
mod record;
mod secret;

pub use grant::{AccessGrant, GrantSubject};
pub use handle::Sharing;
pub use link::{AccessLink, NewLink};
pub(crate) use record::MAX_SHARES;
pub use record::SharingRecord;
pub use secret::{InvalidLinkSecret, LinkSecret};
