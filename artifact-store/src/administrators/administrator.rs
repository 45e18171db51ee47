//! A named administrator.

use jiff::Timestamp;

use crate::identity::{AdministratorId, CredentialHash, DisplayName};
use crate::principal::PrincipalId;
use crate::time::truncate_to_micros;

/// A person or a program with the rights of `admin` and a credential of its own.
///
/// It belongs to no experiment, so it may use all of them. The record never changes; the credential can be replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Administrator {
    /// Its id.
    pub id: AdministratorId,
    /// Its name for people. A label: two administrators may have the same one.
    pub name: DisplayName,
    /// When it was registered, in whole microseconds since 1970.
    pub created_at: Timestamp,
    /// The principal that registered it.
    pub created_by: PrincipalId,
    /// The hash of its token, with the time when the token expires.
    pub credential: CredentialHash,
}

impl Administrator {
    /// Creates an administrator. Truncates `created_at` to microseconds.
    pub fn new(
        id: AdministratorId,
        name: DisplayName,
        created_at: Timestamp,
        created_by: PrincipalId,
        credential: CredentialHash,
    ) -> Self {
        Self {
            id,
            name,
            created_at: truncate_to_micros(created_at),
            created_by,
            credential,
        }
    }
}
