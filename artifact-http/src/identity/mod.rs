//! The endpoints of workers and groups.

mod body;
mod groups;
mod text;
mod workers;

use artifact_store::{
    DisplayName, Experiment, IdentityStore, InvalidDisplayName, Principal, Timestamp,
};
use axum::response::Response;
use http::request::Parts;

use self::text::Text;
use crate::gate::Admitted;
use crate::identity_authenticator::IdentityAuthenticator;
use crate::problem::{Problem, Type};
use crate::query;
use crate::router::Service;
use crate::routes::{Identity, Ids};

/// A request without its body, and where it is answered from.
struct Asked<'s> {
    service: &'s Service,
    identities: &'s IdentityAuthenticator,
    principal: Principal,
    experiment: Experiment,
    parts: Parts,
}

impl Asked<'_> {
    fn identities(&self) -> &dyn IdentityStore {
        self.identities.identities()
    }

    fn now(&self) -> Result<Timestamp, Problem> {
        let now = self.service.store.config().clock().now();
        let impossible = "the clock is set to an impossible time";
        Timestamp::try_from(now).map_err(|error| Problem::internal(impossible).with_source(error))
    }
}

pub(crate) async fn answer(
    service: &Service,
    identity: Identity,
    ids: Ids,
    admitted: Admitted,
) -> Result<Response, Problem> {
    let Admitted {
        principal,
        experiment,
        parts,
        body,
    } = admitted;
    // Without one these endpoints are not found.
    let identities = service.identities.as_deref();
    let asked = Asked {
        service,
        identities: identities.ok_or_else(|| Problem::internal("there is no identities"))?,
        principal,
        experiment,
        parts,
    };
    match identity {
        Identity::Whoami => workers::whoami(&asked).await,
        Identity::RegisterWorker => workers::register(&asked, body).await,
        Identity::ListWorkers => workers::list(&asked).await,
        Identity::ReadWorker => workers::read(&asked, ids).await,
        Identity::ReissueCredential => workers::reissue(&asked, ids).await,
        Identity::RegisterGroup => groups::register(&asked, body).await,
        Identity::ListGroups => groups::list(&asked).await,
        Identity::ReadGroup => groups::read(&asked, ids).await,
        Identity::DeleteGroup => groups::delete(&asked, ids).await,
        Identity::AddMember => groups::add_member(&asked, ids, body).await,
        Identity::RemoveMember => groups::remove_member(&asked, ids).await,
    }
}

/// Which names a list is asked for.
enum Filter {
    All,
    Named(DisplayName),
    /// A text that nothing can be called.
    Nothing,
}

fn filter(asked: &Asked<'_>) -> Result<Filter, Problem> {
    let query = asked.parts.uri.query().unwrap_or("");
    let Some(value) = query::parameter(query, "name")? else {
        return Ok(Filter::All);
    };
    let name = query::decode_form(value)?.parse();
    Ok(name.map_or(Filter::Nothing, Filter::Named))
}

/// The name that a body asks for, if it does.
fn name_of(given: Option<Text>) -> Result<Option<DisplayName>, Problem> {
    let invalid = |detail: String| Problem::new(Type::InvalidName, detail);
    given
        .map(|text| match text {
            Text::Plain(text) => text
                .parse()
                .map_err(|error: InvalidDisplayName| invalid(error.to_string())),
            Text::Surrogate => Err(invalid("the name has a surrogate code point".to_owned())),
        })
        .transpose()
}

fn no_worker() -> Problem {
    Problem::new(Type::NotFound, "there is no such worker")
}

fn no_group() -> Problem {
    Problem::new(Type::NotFound, "there is no such group")
}
