//! The table of endpoints: what is dispatched by, and what tests and documents are generated from.

use artifact_store::{GroupId, MemberId, PrincipalClass, WorkerId};
use http::Method;

/// Which class of principal an endpoint is for. The rule on single artifacts comes after it.
///
/// The class is that of the credential: a worker in the group `admins` reads what administrators
/// read, and remains a worker here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Who {
    /// Every valid credential.
    Any,
    /// Workers and the administrator.
    WorkerOrAdmin,
    /// The administrator alone.
    Admin,
    /// Workers, and not the administrator.
    Worker,
}

impl Who {
    pub(crate) fn allows(self, class: PrincipalClass) -> bool {
        match (self, class) {
            (Self::Any, _)
            | (Self::WorkerOrAdmin, PrincipalClass::Admin | PrincipalClass::Worker)
            | (Self::Admin, PrincipalClass::Admin)
            | (Self::Worker, PrincipalClass::Worker) => true,
            (Self::Admin | Self::Worker, _) => false,
        }
    }
}

/// What answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Handler {
    ReadExperiment,
    Deposit,
    Fetch,
    IdentityStore(Identity),
}

/// What answers from the identities of workers and groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Identity {
    Whoami,
    RegisterWorker,
    ListWorkers,
    ReadWorker,
    ReissueCredential,
    RegisterGroup,
    ListGroups,
    ReadGroup,
    DeleteGroup,
    AddMember,
    RemoveMember,
}

/// One operation: a method on a path under `/v0/experiments/{E}`.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Endpoint {
    /// Its name, for documents and generated clients: letters only, unique, never changed.
    pub id: &'static str,
    /// What comes after the experiment, such as `/artifacts`; empty for the experiment itself.
    /// `{W}` is a segment that is a worker's id, `{G}` a group's, `{M}` either.
    pub path: &'static str,
    /// Its method. `GET` answers `HEAD` too.
    pub method: Method,
    /// Whom it is for.
    pub who: Who,
    pub(crate) handler: Handler,
}

impl Endpoint {
    /// Whether it answers from the identities of workers and groups, and so only where the router has
    /// one: [`router_with_identities`](crate::router_with_identities).
    pub fn needs_identities(&self) -> bool {
        matches!(self.handler, Handler::IdentityStore(_))
    }
}

const fn endpoint(
    id: &'static str,
    method: Method,
    path: &'static str,
    who: Who,
    handler: Handler,
) -> Endpoint {
    Endpoint {
        id,
        path,
        method,
        who,
        handler,
    }
}

/// Every endpoint.
pub fn endpoints() -> &'static [Endpoint] {
    use Handler::{Deposit, Fetch, IdentityStore, ReadExperiment};
    use Identity::{
        AddMember, DeleteGroup, ListGroups, ListWorkers, ReadGroup, ReadWorker, RegisterGroup,
        RegisterWorker, ReissueCredential, RemoveMember, Whoami,
    };
    use Who::{Admin, Any, Worker, WorkerOrAdmin};
    const GET: Method = Method::GET;
    const POST: Method = Method::POST;
    const DELETE: Method = Method::DELETE;

    #[rustfmt::skip]
    const ENDPOINTS: &[Endpoint] = &[
        endpoint("readExperiment", GET, "", Any, ReadExperiment),
        endpoint("deposit", POST, "/artifacts", WorkerOrAdmin, Deposit),
        endpoint("fetch", GET, "/artifacts", Any, Fetch),
        endpoint("whoami", GET, "/whoami", Worker, IdentityStore(Whoami)),
        endpoint("registerWorker", POST, "/workers", Admin, IdentityStore(RegisterWorker)),
        endpoint("listWorkers", GET, "/workers", Any, IdentityStore(ListWorkers)),
        endpoint("readWorker", GET, "/workers/{W}", Any, IdentityStore(ReadWorker)),
        endpoint("reissueCredential", POST, "/workers/{W}/reissue-credential", Admin, IdentityStore(ReissueCredential)),
        endpoint("registerGroup", POST, "/groups", Admin, IdentityStore(RegisterGroup)),
        endpoint("listGroups", GET, "/groups", Any, IdentityStore(ListGroups)),
        endpoint("readGroup", GET, "/groups/{G}", Any, IdentityStore(ReadGroup)),
        endpoint("deleteGroup", DELETE, "/groups/{G}", Admin, IdentityStore(DeleteGroup)),
        endpoint("addMember", POST, "/groups/{G}/members", Admin, IdentityStore(AddMember)),
        endpoint("removeMember", DELETE, "/groups/{G}/members/{M}", Admin, IdentityStore(RemoveMember)),
    ];
    ENDPOINTS
}

/// The ids that stand in a path.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Ids {
    pub(crate) worker: Option<WorkerId>,
    pub(crate) group: Option<GroupId>,
    pub(crate) member: Option<MemberId>,
}

/// What a path and a method lead to.
#[derive(Debug)]
pub(crate) enum Found {
    Endpoint(&'static Endpoint, Ids),
    NoPath,
    /// The path is one of ours; these are its methods, for the header `Allow`.
    NoMethod(String),
}

/// Looks a path up, among the endpoints of the identities only where there is one.
pub(crate) fn find(path: &str, method: &Method, with_identities: bool) -> Found {
    // RFC 9110, section 9.3.2: HEAD is GET without the content.
    let wanted = if *method == Method::HEAD {
        &Method::GET
    } else {
        method
    };
    let mut allowed = Vec::new();
    for endpoint in endpoints() {
        if endpoint.needs_identities() && !with_identities {
            continue;
        }
        let Some(ids) = ids_of(path, endpoint.path) else {
            continue;
        };
        if endpoint.method == *wanted {
            return Found::Endpoint(endpoint, ids);
        }
        allowed.push(endpoint.method.as_str());
        if endpoint.method == Method::GET {
            allowed.push(Method::HEAD.as_str());
        }
    }
    if allowed.is_empty() {
        Found::NoPath
    } else {
        Found::NoMethod(allowed.join(", "))
    }
}

/// The ids in a path that has the form of this template, letter for letter.
fn ids_of(path: &str, template: &str) -> Option<Ids> {
    let mut ids = Ids::default();
    let (mut found, mut wanted) = (path.split('/'), template.split('/'));
    loop {
        match (found.next(), wanted.next()) {
            (Some(segment), Some("{W}")) => ids.worker = Some(segment.parse().ok()?),
            (Some(segment), Some("{G}")) => ids.group = Some(segment.parse().ok()?),
            (Some(segment), Some("{M}")) => ids.member = Some(segment.parse().ok()?),
            (Some(segment), Some(fixed)) if segment == fixed => {}
            (None, None) => return Some(ids),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const W: &str = "wkr_0123456789abcdefghjkmnpqrs";
    const G: &str = "grp_0123456789abcdefghjkmnpqrs";

    fn id(path: &str, method: &Method) -> Option<&'static str> {
        match find(path, method, true) {
            Found::Endpoint(endpoint, _) => Some(endpoint.id),
            _ => None,
        }
    }

    #[test]
    fn every_endpoint_is_found_by_its_own_path_and_method() {
        let mut ids = HashSet::new();
        for endpoint in endpoints() {
            assert!(ids.insert(endpoint.id), "{} is there twice", endpoint.id);
            let path = endpoint.path.replace("{W}", W).replace("{G}", G);
            for member in [W, G] {
                let path = path.replace("{M}", member);
                assert_eq!(id(&path, &endpoint.method), Some(endpoint.id));
            }
        }
    }

    #[test]
    fn the_ids_of_a_path_are_given() {
        let path = format!("/groups/{G}/members/{W}");
        let Found::Endpoint(_, ids) = find(&path, &Method::DELETE, true) else {
            panic!("not found");
        };
        assert_eq!(ids.group, Some(G.parse().unwrap()));
        assert_eq!(ids.member, Some(W.parse().unwrap()));
        assert_eq!(ids.worker, None);
    }

    #[test]
    fn an_id_of_another_form_or_kind_makes_another_path() {
        for path in [
            format!("/workers/{G}"),
            format!("/groups/{W}"),
            format!("/workers/{}", W.to_uppercase()),
            format!("/workers/{W}/"),
            format!("/workers//{W}"),
            "/workers/".to_owned(),
            "/workers/{W}".to_owned(),
            format!("/groups/{G}/members/{}", &W[1..]),
            format!("/groups/{G}/members/{W}/x"),
        ] {
            assert!(
                matches!(find(&path, &Method::GET, true), Found::NoPath),
                "{path}"
            );
        }
    }

    #[test]
    fn a_wrong_method_is_told_the_right_ones() {
        let path = format!("/groups/{G}");
        match find(&path, &Method::PUT, true) {
            Found::NoMethod(allowed) => assert_eq!(allowed, "GET, HEAD, DELETE"),
            found => panic!("{found:?}"),
        }
    }

    #[test]
    fn without_a_registry_its_paths_are_none() {
        for endpoint in endpoints()
            .iter()
            .filter(|endpoint| endpoint.needs_identities())
        {
            let path = endpoint
                .path
                .replace("{W}", W)
                .replace("{G}", G)
                .replace("{M}", W);
            let found = find(&path, &endpoint.method, false);
            assert!(matches!(found, Found::NoPath), "{path}");
        }
        assert!(matches!(
            find("/artifacts", &Method::GET, false),
            Found::Endpoint(..)
        ));
    }
}
