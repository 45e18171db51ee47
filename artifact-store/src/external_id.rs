//! The ids of principals that this store did not register.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::file_name::disturbs_line;
use crate::identity::{AdministratorId, GroupId, ID_LEN, WorkerId};
use crate::principal::PrincipalId;

/// The id of a principal that the authenticator of an embedding program knows, such as
/// `alice@example.com`, `auth0|5f7c8ec7` or `spiffe://example.org/build`.
///
/// 1 to 128 bytes of UTF-8 with no control character, line or paragraph separator, or mark that changes the
/// direction of text, and with no white space at either end. An id is neither `admin`, nor begins with `wkr_` or
/// `grp_`, nor has 30 bytes that begin with `adm_`, all in upper or lower case, so it is never the text of another
/// [`PrincipalId`]. Everything else is
/// opaque: ids are stored as they are and compared byte for byte, without case folding or Unicode normalization.
///
/// ```
/// use artifact_store::ExternalId;
///
/// let id: ExternalId = "auth0|5f7c8ec7".parse()?;
/// assert_eq!(id.as_str(), "auth0|5f7c8ec7");
/// for text in ["", "Admin", "wkr_alice", "alice\n", &"x".repeat(129)] {
///     assert!(text.parse::<ExternalId>().is_err());
/// }
/// # Ok::<(), artifact_store::InvalidPrincipalId>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExternalId(Arc<str>);

impl ExternalId {
    /// The maximum length in bytes.
    pub const MAX_LEN: usize = 128;

    /// Returns the id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ExternalId {
    type Err = InvalidPrincipalId;

    fn from_str(text: &str) -> Result<Self, InvalidPrincipalId> {
        let length_fits = (1..=Self::MAX_LEN).contains(&text.len());
        let is_one_line = text.trim() == text && !text.contains(disturbs_line);
        if length_fits && is_one_line && !is_reserved(text) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidPrincipalId(()))
        }
    }
}

/// Returns whether a text is, or looks like, the id of another kind of principal or of a group.
fn is_reserved(text: &str) -> bool {
    let begins_with = |prefix: &str| {
        let beginning = text.as_bytes().get(..prefix.len());
        beginning.is_some_and(|beginning| beginning.eq_ignore_ascii_case(prefix.as_bytes()))
    };
    text.eq_ignore_ascii_case(PrincipalId::ADMIN)
        || begins_with(WorkerId::PREFIX)
        || begins_with(GroupId::PREFIX)
        // Only what has the length of such an id: programs may have had ids with this prefix before.
        || (text.len() == ID_LEN && begins_with(AdministratorId::PREFIX))
}

impl fmt::Display for ExternalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for ExternalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ExternalId({:?})", &*self.0)
    }
}

/// The error for a string that is not a valid principal id. Its message does not repeat the string.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a principal id is \"admin\", or \"wkr_\" or \"adm_\" and 26 of the characters 0-9 a-h j k m n p-t v-z, or 1 to \
     128 bytes of other text in one line without white space at its ends"
)]
pub struct InvalidPrincipalId(());
