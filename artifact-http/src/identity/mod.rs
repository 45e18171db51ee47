//! The endpoints of workers, groups and named administrators.

mod administrator_list;
mod administrators;
pub(crate) mod fuzzing;
mod groups;
pub(crate) mod json_body;
pub(crate) mod list;
mod managed_workers;
mod request;
mod tokens;
mod utf8_field;
mod workers;

use artifact_store::{DisplayName, InvalidDisplayName};

pub(crate) use self::administrator_list::ListAdministrators;
pub(crate) use self::administrators::{
    DeleteAdministrator, IssueAdministratorToken, ReadAdministrator, RegisterAdministrator,
    RevokeAdministratorToken,
};
pub(crate) use self::groups::{
    AddMember, DeleteGroup, ListGroups, ReadGroup, RegisterGroup, RemoveMember,
};
pub(crate) use self::managed_workers::{
    DeleteWorker, IssueToken, ReadManagedWorker, RegisterManagedWorker, RevokeToken,
};
use self::utf8_field::Utf8Field;
pub(crate) use self::workers::{
    ListWorkers, ReadWorker, RegisterWorker, ReissueCredential, Whoami,
};
use crate::problem::{Problem, ProblemType};

/// The problems of an endpoint that takes JSON and writes.
const WRITE_PROBLEMS: &[u16] = &[409, 413, 415, 422, 507];

/// Parses the display name of a request.
fn parse_name(name: Utf8Field) -> Result<DisplayName, Problem> {
    let invalid = |detail: String| Problem::new(ProblemType::InvalidName, detail);
    match name {
        Utf8Field::Valid(name) => name
            .parse()
            .map_err(|error: InvalidDisplayName| invalid(error.to_string())),
        Utf8Field::Surrogate => Err(invalid(
            "the name contains a surrogate code point".to_owned(),
        )),
    }
}
