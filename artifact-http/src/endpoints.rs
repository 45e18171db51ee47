//! The table of endpoints. The router dispatches by it; tests and documents are generated from it.

use axum::response::Response;
use http::header::ALLOW;
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode};

use crate::collections::{
    CreateCollection, DeleteCollection, DeleteFile, FetchFile, ListCollections, ListFiles, PutFile,
    ReadCollection, ReadManifest, SealCollection,
};
use crate::deposit::Deposit;
use crate::endpoint::{Endpoint, has_path};
use crate::experiment::ReadExperiment;
use crate::fetch::Fetch;
use crate::head::Head;
use crate::identity::{
    AddMember, DeleteGroup, DeleteWorker, IssueToken, ListGroups, ListWorkers, ReadGroup,
    ReadManagedWorker, ReadWorker, RegisterGroup, RegisterManagedWorker, RegisterWorker,
    ReissueCredential, RemoveMember, RevokeToken, Whoami,
};
use crate::identity::{
    DeleteAdministrator, IssueAdministratorToken, ListAdministrators, ReadAdministrator,
    RegisterAdministrator, RevokeAdministratorToken,
};
use crate::management::{
    CreateExperiment, DeleteArtifact, DepositContent, FetchContent, HoldArtifact, ListArtifacts,
    ListExperiments, ListQuotas, ReadArtifact, ReadQuota, ReadRetention, ReadUsage,
    ReadWorkerQuota, ReleaseArtifact, RemoveQuota, RemoveWorkerQuota, SetQuota, SetRetention,
    SetWorkerQuota,
};
use crate::problem::Problem;
use crate::receipts::ReadReceipt;
use crate::request::{AuthenticatedRequest, Deployment};
use crate::request_info::RequestInfo;
use crate::route::{DeploymentRoute, Route};
use crate::router::Service;
use crate::sharing::{
    CreateCollectionGrant, CreateGrant, CreateLink, FetchLink, ListCollectionGrants, ListGrants,
    ListLinks, RevokeCollectionGrant, RevokeGrant, RevokeLink,
};
use crate::uploads::{
    AppendUpload, CreateUpload, DescribeDeposits, DescribeUploads, EndUpload, ReadUpload,
};

/// Turns one line per endpoint into the list of endpoints and the `match` that calls the handlers.
/// An operation is a type with the constant `ENDPOINT` and the function `handle`, which gets the
/// authorized request and the ids of the route.
macro_rules! endpoints {
    (
        experiment { $($method:ident $route:ident $(($($id:ident),+))? => $operation:ty;)+ }
        deployment { $($own_method:ident $own_route:ident $(($own_id:ident))? => $own:ty;)+ }
        link { $($link_method:ident => $link:ty;)+ }
    ) => {
        /// Returns every endpoint. The paths have the default base paths, `/v0` and `/v1`.
        pub fn endpoints() -> &'static [&'static Endpoint] {
            &[$(<$operation>::ENDPOINT,)+ $(<$own>::ENDPOINT,)+ $(<$link>::ENDPOINT),+]
        }

        /// Authorizes a request under an experiment and calls the handler for its method and route.
        pub(crate) async fn call(
            request: AuthenticatedRequest<'_>,
            route: Route,
        ) -> Result<Response, Problem> {
            match (get_for_head(request.parts), route) {
                $((Method::$method, Route::$route $(($($id),+))?) => {
                    let request = request.authorize(<$operation>::ENDPOINT)?;
                    // In a box, so that each request has the size of its own handler, not of the largest.
                    Box::pin(<$operation>::handle(request $($(, $id)+)?)).await
                })+
                _ => Err(method_not_allowed(request.service, request.parts)),
            }
        }

        /// Authorizes a request that is about no experiment and calls the handler for its method and route.
        pub(crate) async fn call_of_deployment(
            request: AuthenticatedRequest<'_, Deployment>,
            route: DeploymentRoute,
        ) -> Result<Response, Problem> {
            match (get_for_head(request.parts), route) {
                $((Method::$own_method, DeploymentRoute::$own_route $(($own_id))?) => {
                    let request = request.authorize(<$own>::ENDPOINT)?;
                    Box::pin(<$own>::handle(request $(, $own_id)?)).await
                })+
                _ => Err(method_not_allowed(request.service, request.parts)),
            }
        }

        /// Calls the handler of a link for the method of a request, which needs no credential.
        pub(crate) async fn call_of_link(
            service: &Service,
            parts: &Head,
            secret: &str,
            info: &mut RequestInfo,
        ) -> Result<Response, Problem> {
            match get_for_head(parts) {
                $(Method::$link_method => {
                    info.route = service.template(<$link>::ENDPOINT);
                    info.endpoint = Some(<$link>::ENDPOINT.id);
                    Box::pin(<$link>::handle(service, parts, secret)).await
                })+
                _ => Err(method_not_allowed(service, parts)),
            }
        }
    };
}

endpoints! {
    experiment {
        GET Experiment => ReadExperiment;
        POST Artifacts => Deposit;
        GET Artifacts => Fetch;
        GET Whoami => Whoami;
        POST Workers => RegisterWorker;
        GET Workers => ListWorkers;
        GET Worker(worker) => ReadWorker;
        POST WorkerCredential(worker) => ReissueCredential;
        POST Groups => RegisterGroup;
        GET Groups => ListGroups;
        GET Group(group) => ReadGroup;
        DELETE Group(group) => DeleteGroup;
        POST Members(group) => AddMember;
        DELETE Member(group, member) => RemoveMember;
        GET ManagedArtifacts => ListArtifacts;
        POST ManagedArtifacts => DepositContent;
        OPTIONS ManagedArtifacts => DescribeDeposits;
        GET ManagedArtifact(id) => ReadArtifact;
        DELETE ManagedArtifact(id) => DeleteArtifact;
        GET Content(id) => FetchContent;
        PUT Hold(id) => HoldArtifact;
        DELETE Hold(id) => ReleaseArtifact;
        GET Receipt(id) => ReadReceipt;
        POST ManagedWorkers => RegisterManagedWorker;
        GET ManagedWorker(worker) => ReadManagedWorker;
        DELETE ManagedWorker(worker) => DeleteWorker;
        POST Token(worker) => IssueToken;
        DELETE Token(worker) => RevokeToken;
        GET Usage => ReadUsage;
        GET Retention => ReadRetention;
        PUT Retention => SetRetention;
        GET Grants(id) => ListGrants;
        POST Grants(id) => CreateGrant;
        DELETE Grant(id, grant) => RevokeGrant;
        GET Links(id) => ListLinks;
        POST Links(id) => CreateLink;
        DELETE Link(id, link) => RevokeLink;
        OPTIONS Uploads => DescribeUploads;
        POST Uploads => CreateUpload;
        GET Upload(upload) => ReadUpload;
        PATCH Upload(upload) => AppendUpload;
        DELETE Upload(upload) => EndUpload;
        POST Collections => CreateCollection;
        GET Collections => ListCollections;
        GET Collection(id) => ReadCollection;
        DELETE Collection(id) => DeleteCollection;
        POST Seal(id) => SealCollection;
        GET Manifest(id) => ReadManifest;
        GET Files(id) => ListFiles;
        PUT File(id, name) => PutFile;
        GET File(id, name) => FetchFile;
        DELETE File(id, name) => DeleteFile;
        GET Quota => ReadQuota;
        PUT Quota => SetQuota;
        DELETE Quota => RemoveQuota;
        GET Quotas => ListQuotas;
        GET WorkerQuota(worker) => ReadWorkerQuota;
        PUT WorkerQuota(worker) => SetWorkerQuota;
        DELETE WorkerQuota(worker) => RemoveWorkerQuota;
        GET CollectionGrants(id) => ListCollectionGrants;
        POST CollectionGrants(id) => CreateCollectionGrant;
        DELETE CollectionGrant(id, grant) => RevokeCollectionGrant;
    }
    deployment {
        GET Experiments => ListExperiments;
        POST Experiments => CreateExperiment;
        POST Administrators => RegisterAdministrator;
        GET Administrators => ListAdministrators;
        GET Administrator(id) => ReadAdministrator;
        DELETE Administrator(id) => DeleteAdministrator;
        POST AdministratorToken(id) => IssueAdministratorToken;
        DELETE AdministratorToken(id) => RevokeAdministratorToken;
    }
    link {
        GET => FetchLink;
    }
}

/// Returns the method of a request, `GET` for `HEAD`, which is the same without the content (RFC 9110, section 9.3.2).
pub(crate) fn get_for_head(parts: &Parts) -> Method {
    match parts.method {
        Method::HEAD => Method::GET,
        ref method => method.clone(),
    }
}

/// 405 with the methods of the path, or 404 if this router has no endpoint there.
fn method_not_allowed(service: &Service, parts: &Parts) -> Problem {
    let found = service.config.find_api(parts.uri.path());
    let Some((api, rest)) = found else {
        return Problem::no_such_path();
    };
    // The table has the default base paths.
    let path = format!("{}{rest}", api.default_base());
    let allowed = allowed_methods(&path, |endpoint| service.serves(endpoint));
    if allowed.is_empty() {
        return Problem::no_such_path();
    }
    let allowed = HeaderValue::from_str(&allowed).expect("method names are tokens");
    Problem::plain(
        StatusCode::METHOD_NOT_ALLOWED,
        "this path does not support the method; see the Allow header",
    )
    .with_header(ALLOW, allowed)
}

fn allowed_methods(path: &str, serves: impl Fn(&Endpoint) -> bool) -> String {
    let mut allowed = Vec::new();
    for endpoint in endpoints() {
        if serves(endpoint) && has_path(endpoint.path, path) {
            allowed.push(endpoint.method.as_str());
            if endpoint.method == Method::GET {
                allowed.push(Method::HEAD.as_str());
            }
        }
    }
    allowed.join(", ")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn endpoint_names_are_unique() {
        let mut ids = HashSet::new();
        for endpoint in endpoints() {
            assert!(ids.insert(endpoint.id), "two endpoints are {}", endpoint.id);
        }
    }

    #[test]
    fn the_allow_header_lists_the_methods_of_the_path() {
        let path = "/v0/experiments/e/groups/grp_0123456789abcdefghjkmnpqrs";
        assert_eq!(allowed_methods(path, |_| true), "GET, HEAD, DELETE");
        for (path, methods) in [
            ("/v0/experiments/e/artifacts", "POST, GET, HEAD"),
            ("/v0/experiments/e", "GET, HEAD"),
            ("/v1/experiments/e/artifacts", "GET, HEAD, POST, OPTIONS"),
            ("/v1/experiments/e/artifacts/x/content", "GET, HEAD"),
            ("/v1/experiments", "GET, HEAD, POST"),
            ("/v1/administrators", "POST, GET, HEAD"),
            ("/v1/administrators/x", "GET, HEAD, DELETE"),
            ("/v1/administrators/x/token", "POST, DELETE"),
            ("/v1/experiments/e/artifacts/x", "GET, HEAD, DELETE"),
            ("/v1/experiments/e/artifacts/x/hold", "PUT, DELETE"),
            ("/v1/experiments/e/artifacts/x/receipt", "GET, HEAD"),
            ("/v1/experiments/e/retention", "GET, HEAD, PUT"),
            ("/v1/experiments/e/artifacts/x/grants", "GET, HEAD, POST"),
            ("/v1/experiments/e/artifacts/x/links/y", "DELETE"),
            ("/v1/links/x", "GET, HEAD"),
            ("/v1/experiments/e/uploads", "OPTIONS, POST"),
            ("/v1/experiments/e/uploads/x", "GET, HEAD, PATCH, DELETE"),
            ("/v1/experiments/e/collections/c/grants", "GET, HEAD, POST"),
            ("/v1/experiments/e/collections/c/grants/y", "DELETE"),
            ("/v1/experiments/e/collections/c/files", "GET, HEAD"),
            ("/v1/experiments/e/collections/c/files/", ""),
            (
                "/v1/experiments/e/collections/c/files/a",
                "PUT, GET, HEAD, DELETE",
            ),
            (
                "/v1/experiments/e/collections/c/files/a/b//",
                "PUT, GET, HEAD, DELETE",
            ),
            ("/v1/experiments/e/collections/c/other/a/b", ""),
            ("/v1/experiments/e/quota", "GET, HEAD, PUT, DELETE"),
            ("/v1/experiments/e/quotas", "GET, HEAD"),
        ] {
            assert_eq!(allowed_methods(path, |_| true), methods, "{path}");
        }
    }

    #[test]
    fn identity_paths_have_no_methods_without_identities() {
        for endpoint in endpoints() {
            let allowed = allowed_methods(endpoint.path, |each| !each.needs_identities());
            assert_eq!(
                allowed.is_empty(),
                endpoint.needs_identities(),
                "{}",
                endpoint.path
            );
        }
    }
}
