//! Conversions of ids and names from and to text, and of errors to `io::Error`.

use std::io;

use crate::collections::{
    CollectionId, CollectionPath, CollectionPosition, InvalidCollectionId, InvalidCollectionPath,
};
use crate::content_type::ContentType;
use crate::error::{Error, ErrorKind};
use crate::experiment::{ExperimentId, InvalidExperimentId};
use crate::external_id::{ExternalId, InvalidPrincipalId};
use crate::file_name::FileName;
use crate::idempotency::{IdempotencyKey, InvalidIdempotencyKey};
use crate::identity::{
    AdministratorId, DisplayName, GrantId, GroupId, InvalidDisplayName, InvalidId, LinkId,
    MemberId, WorkerId,
};
use crate::principal::PrincipalId;
use crate::sharing::{InvalidLinkSecret, LinkSecret};

macro_rules! try_from {
    ($($name:ident $error:ident)+) => {$(
        impl TryFrom<&str> for $name {
            type Error = $error;

            fn try_from(text: &str) -> Result<Self, $error> {
                text.parse()
            }
        }
    )+};
}

macro_rules! as_ref {
    ($($name:ident)+) => {$(
        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                self.as_str()
            }
        }
    )+};
}

try_from! {
    ExperimentId InvalidExperimentId
    WorkerId InvalidId
    GroupId InvalidId
    AdministratorId InvalidId
    MemberId InvalidId
    PrincipalId InvalidPrincipalId
    ExternalId InvalidPrincipalId
    IdempotencyKey InvalidIdempotencyKey
    DisplayName InvalidDisplayName
    GrantId InvalidId
    LinkId InvalidId
    LinkSecret InvalidLinkSecret
    CollectionId InvalidCollectionId
    CollectionPosition InvalidCollectionId
    CollectionPath InvalidCollectionPath
}

as_ref! {
    ExperimentId WorkerId GroupId AdministratorId MemberId PrincipalId ExternalId IdempotencyKey DisplayName ContentType FileName GrantId LinkId
    CollectionPath
}

/// Wraps the error, which [`io::Error::get_ref`] then returns, so that `downcast_ref::<Error>()` finds it. The kind of the
/// result is the one that comes closest; never `Interrupted` or `WouldBlock`, which `std` retries.
impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match error.kind() {
            ErrorKind::NotFound => io::ErrorKind::NotFound,
            ErrorKind::Forbidden | ErrorKind::Sealed => io::ErrorKind::PermissionDenied,
            ErrorKind::AlreadyExists | ErrorKind::KeyReused | ErrorKind::NameTaken => {
                io::ErrorKind::AlreadyExists
            }
            ErrorKind::Reserved
            | ErrorKind::Cycle
            | ErrorKind::InvalidRange
            | ErrorKind::OffsetMismatch
            | ErrorKind::LengthMismatch => io::ErrorKind::InvalidInput,
            ErrorKind::TooLarge => io::ErrorKind::FileTooLarge,
            ErrorKind::DigestMismatch | ErrorKind::Corrupt => io::ErrorKind::InvalidData,
            ErrorKind::Unavailable
            | ErrorKind::Held
            | ErrorKind::LimitReached
            | ErrorKind::TooManyInFlight => io::ErrorKind::ResourceBusy,
            ErrorKind::QuotaExceeded => io::ErrorKind::QuotaExceeded,
            ErrorKind::OutOfSpace => io::ErrorKind::StorageFull,
            ErrorKind::Unsupported => io::ErrorKind::Unsupported,
            ErrorKind::Misconfigured | ErrorKind::Unexpected => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}
