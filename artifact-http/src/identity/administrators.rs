//! The named administrators under `/v1/administrators`.

use artifact_audit::AuditField;
use artifact_store::{Administrator, AdministratorId, CredentialHash};
use axum::response::Response;
use http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::json_body::present;
use super::request::IdentityRequest;
use super::tokens::{NewToken, Registered, expiry, issue, token_expires_at};
use super::utf8_field::Utf8Field;
use super::{WRITE_PROBLEMS, parse_name};
use crate::endpoint::{Access, Endpoint};
use crate::management::{MAX_KEEP_SECONDS, check_no_parameters};
use crate::openapi::{Answer, Docs, Links, RequestContent, schemas};
use crate::problem::{Problem, ProblemType};
use crate::request::{AuthorizedRequest, Deployment};
use crate::response;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewAdministrator {
    #[schemars(with = "schemas::DisplayName")]
    name: Utf8Field,
    /// How many seconds the token is valid, 1 to 3153600000. Without it, it does not expire.
    #[serde(default, deserialize_with = "present")]
    #[schemars(range(min = 1, max = MAX_KEEP_SECONDS), extend("examples" = [86_400]))]
    expires_in: Option<u64>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Administrator")]
pub(super) struct AdministratorBody<'a> {
    #[schemars(with = "schemas::AdministratorId")]
    administrator_id: &'a str,
    #[schemars(with = "schemas::DisplayName")]
    name: &'a str,
    #[schemars(with = "schemas::Time")]
    created_at: String,
    #[schemars(with = "schemas::Principal")]
    created_by: &'a str,
    /// When its token expires, or `null` if it does not. 1970-01-01T00:00:00Z means that it was revoked.
    #[schemars(with = "Option<schemas::Time>")]
    token_expires_at: Option<String>,
}

type RegisteredBody<'a> = Registered<'a, AdministratorBody<'a>>;

impl<'a> From<&'a Administrator> for AdministratorBody<'a> {
    fn from(administrator: &'a Administrator) -> Self {
        Self {
            administrator_id: administrator.id.as_str(),
            name: administrator.name.as_str(),
            created_at: administrator.created_at.to_string(),
            created_by: administrator.created_by.as_str(),
            token_expires_at: token_expires_at(&administrator.credential),
        }
    }
}

/// A request that is about no experiment.
type DeploymentRequest<'s> = AuthorizedRequest<'s, Deployment>;

pub(crate) struct RegisterAdministrator;

impl RegisterAdministrator {
    pub(crate) const ENDPOINT: &'static Endpoint = &Endpoint {
        id: "registerAdministrator",
        method: Method::POST,
        path: "/v1/administrators",
        access: Access::Admin,
        needs_identities: true,
        docs: Docs {
            tag: "administrators",
            summary: "Register a named administrator",
            clauses: &["M-1", "M-2", "O-1", "O-2", "N-1", "N-3", "J-1", "A-7"],
            content: Some(RequestContent::json::<NewAdministrator>()),
            answers: &[Answer::json::<RegisteredBody<'static>>(
                201,
                "The administrator with its token, which is returned only once.",
            )
            .with_links(Links {
                member: "administrator_id",
                parameter: "O",
                operations: &[
                    "readAdministrator",
                    "issueAdministratorToken",
                    "revokeAdministratorToken",
                    "deleteAdministrator",
                ],
            })],
            problems: WRITE_PROBLEMS,
            ..Docs::EMPTY
        },
    };

    pub(crate) async fn handle(request: DeploymentRequest<'_>) -> Result<Response, Problem> {
        check_no_parameters(&request)?;
        let (request, new): (_, NewAdministrator) = IdentityRequest::with_json(request).await?;
        let now = request.now()?;
        let expires_at = expiry(now, new.expires_in)?;
        let (id, name) = (AdministratorId::mint(), parse_name(new.name)?);
        request.parts.is_about(AuditField::Administrator, &id);
        let issued = issue(&request, id.as_str(), expires_at).await?;
        let administrator =
            Administrator::new(id, name, now, request.principal.id(), issued.hash.clone());
        let identities = request.identities();
        identities.register_administrator(&administrator).await?;
        let body = RegisteredBody::new((&administrator).into(), &issued.token);
        Ok(response::json(StatusCode::CREATED, &body))
    }
}

pub(crate) struct ReadAdministrator;

impl ReadAdministrator {
    pub(crate) const ENDPOINT: &'static Endpoint = &Endpoint {
        id: "readAdministrator",
        method: Method::GET,
        path: "/v1/administrators/{O}",
        access: Access::Admin,
        needs_identities: true,
        docs: Docs {
            tag: "administrators",
            summary: "Read a named administrator",
            clauses: &["M-1", "M-2", "O-1"],
            answers: &[Answer::json::<AdministratorBody<'static>>(
                200,
                "The administrator.",
            )],
            ..Docs::EMPTY
        },
    };

    pub(crate) async fn handle(
        request: DeploymentRequest<'_>,
        id: AdministratorId,
    ) -> Result<Response, Problem> {
        check_no_parameters(&request)?;
        let administrator = find(&IdentityRequest::new(request)?, id).await?;
        let body = AdministratorBody::from(&administrator);
        Ok(response::json(StatusCode::OK, &body))
    }
}

pub(crate) struct DeleteAdministrator;

impl DeleteAdministrator {
    pub(crate) const ENDPOINT: &'static Endpoint = &Endpoint {
        id: "deleteAdministrator",
        method: Method::DELETE,
        path: "/v1/administrators/{O}",
        access: Access::Admin,
        needs_identities: true,
        docs: Docs {
            tag: "administrators",
            summary: "Delete a named administrator; its artifacts stay",
            clauses: &["M-1", "M-2", "O-4"],
            answers: &[Answer::empty(
                204,
                "The administrator is deleted and its token invalid.",
            )],
            problems: &[507],
            ..Docs::EMPTY
        },
    };

    pub(crate) async fn handle(
        request: DeploymentRequest<'_>,
        id: AdministratorId,
    ) -> Result<Response, Problem> {
        check_no_parameters(&request)?;
        let request = IdentityRequest::new(request)?;
        request.identities().delete_administrator(id).await?;
        Ok(response::empty())
    }
}

pub(crate) struct IssueAdministratorToken;

impl IssueAdministratorToken {
    pub(crate) const ENDPOINT: &'static Endpoint = &Endpoint {
        id: "issueAdministratorToken",
        method: Method::POST,
        path: "/v1/administrators/{O}/token",
        access: Access::Admin,
        needs_identities: true,
        docs: Docs {
            tag: "administrators",
            summary: "Give a named administrator a new token, which may expire",
            clauses: &["M-1", "M-2", "O-2", "O-4", "J-1", "A-7"],
            content: Some(RequestContent::optional_json::<NewToken>()),
            answers: &[Answer::json::<RegisteredBody<'static>>(
                200,
                "The administrator with its new token, which is returned only once.",
            )],
            problems: &[413, 415, 507],
            ..Docs::EMPTY
        },
    };

    pub(crate) async fn handle(
        request: DeploymentRequest<'_>,
        id: AdministratorId,
    ) -> Result<Response, Problem> {
        check_no_parameters(&request)?;
        let (request, new): (_, NewToken) = IdentityRequest::with_json(request).await?;
        let expires_at = expiry(request.now()?, new.expires_in)?;
        // Only the credential ever changes, so the record can be read before the write.
        let mut administrator = find(&request, id).await?;
        let issued = issue(&request, id.as_str(), expires_at).await?;
        let identities = request.identities();
        identities
            .replace_administrator_credential(id, &issued.hash)
            .await?;
        administrator.credential = issued.hash;
        let body = RegisteredBody::new((&administrator).into(), &issued.token);
        Ok(response::json(StatusCode::OK, &body))
    }
}

pub(crate) struct RevokeAdministratorToken;

impl RevokeAdministratorToken {
    pub(crate) const ENDPOINT: &'static Endpoint = &Endpoint {
        id: "revokeAdministratorToken",
        method: Method::DELETE,
        path: "/v1/administrators/{O}/token",
        access: Access::Admin,
        needs_identities: true,
        docs: Docs {
            tag: "administrators",
            summary: "Revoke the token of a named administrator",
            clauses: &["M-1", "M-2", "O-4"],
            answers: &[Answer::empty(204, "The administrator has no valid token.")],
            problems: &[507],
            ..Docs::EMPTY
        },
    };

    pub(crate) async fn handle(
        request: DeploymentRequest<'_>,
        id: AdministratorId,
    ) -> Result<Response, Problem> {
        check_no_parameters(&request)?;
        let request = IdentityRequest::new(request)?;
        let identities = request.identities();
        identities
            .replace_administrator_credential(id, &CredentialHash::revoked())
            .await?;
        Ok(response::empty())
    }
}

async fn find<S: Sync>(
    request: &IdentityRequest<'_, S>,
    id: AdministratorId,
) -> Result<Administrator, Problem> {
    let found = request.identities().administrator(id).await?;
    found.ok_or_else(|| Problem::new(ProblemType::NotFound, "there is no such administrator"))
}
