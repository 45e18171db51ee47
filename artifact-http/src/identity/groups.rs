//! `/groups`.

use artifact_audit::AuditField;
use artifact_store::{
    DisplayName, ExperimentId, Group, GroupId, IdentityStore, ListPosition, MemberId, Page,
};
use axum::response::Response;
use futures_util::future::BoxFuture;
use http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::json_body::present;
use super::list::{self, ListRecord};
use super::request::IdentityRequest;
use super::utf8_field::Utf8Field;
use super::{WRITE_PROBLEMS, parse_name};
use crate::endpoint::{Access, Endpoint};
use crate::openapi::{Answer, Docs, Links, RequestContent, parameters, schemas};
use crate::problem::{Problem, ProblemType};
use crate::request::AuthorizedRequest;
use crate::response;

/// The number of members above which a group counts as a list.
const LARGE: usize = 1024;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewGroup {
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "schemas::DisplayName")]
    pub(super) name: Option<Utf8Field>,
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Vec<schemas::MemberId>", extend("examples" = [[schemas::WORKER]]))]
    pub(super) members: Option<Vec<String>>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewMember {
    #[schemars(with = "schemas::MemberId")]
    pub(super) member_id: String,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Group")]
struct GroupBody<'g> {
    #[schemars(with = "schemas::GroupId")]
    group_id: &'g str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "schemas::DisplayName")]
    name: Option<&'g str>,
    #[schemars(with = "schemas::ExperimentField")]
    experiment_id: &'g str,
    #[schemars(with = "Vec<schemas::MemberId>", extend("examples" = [[schemas::WORKER]]))]
    members: Vec<&'g str>,
    #[schemars(with = "schemas::Time")]
    created_at: String,
    #[schemars(with = "schemas::Principal")]
    created_by: &'g str,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Groups")]
struct GroupsBody<'g> {
    groups: Vec<GroupBody<'g>>,
}

impl<'g> From<&'g Group> for GroupBody<'g> {
    fn from(group: &'g Group) -> Self {
        Self {
            group_id: group.id.as_str(),
            name: group.name.as_ref().map(DisplayName::as_str),
            experiment_id: group.experiment.as_str(),
            members: group.members.iter().map(MemberId::as_str).collect(),
            created_at: group.created_at.to_string(),
            created_by: group.created_by.as_str(),
        }
    }
}

impl ListRecord for Group {
    const START: &'static [u8] = br#"{"groups":["#;

    fn page<'p>(
        identities: &'p dyn IdentityStore,
        experiment: &'p ExperimentId,
        name: Option<&'p DisplayName>,
        after: &'p ListPosition,
    ) -> BoxFuture<'p, artifact_store::Result<Page<Self>>> {
        identities.group_page(experiment, name, after)
    }

    fn append(&self, json: &mut Vec<u8>) {
        response::append_json(json, &GroupBody::from(self));
    }
}

pub(crate) struct RegisterGroup;

impl RegisterGroup {
    pub(crate) const ENDPOINT: &'static Endpoint = &Endpoint {
        id: "registerGroup",
        method: Method::POST,
        path: "/v0/experiments/{E}/groups",
        access: Access::Admin,
        needs_identities: true,
        docs: Docs {
            tag: "groups",
            summary: "Register a group",
            clauses: &["G-2", "I-1", "N-1", "N-2", "N-3", "J-1"],
            content: Some(RequestContent::optional_json::<NewGroup>()),
            answers: &[
                Answer::json::<GroupBody<'static>>(200, "The group.").with_links(Links {
                    member: "group_id",
                    parameter: "G",
                    operations: &["readGroup", "addMember", "removeMember", "deleteGroup"],
                }),
            ],
            problems: WRITE_PROBLEMS,
            ..Docs::EMPTY
        },
    };

    pub(crate) async fn handle(request: AuthorizedRequest<'_>) -> Result<Response, Problem> {
        let (request, new): (_, NewGroup) = IdentityRequest::with_json(request).await?;
        let members = new.members.unwrap_or_default();
        let members: Result<Vec<_>, _> = members.iter().map(|text| parse_member(text)).collect();
        let group = Group::new(
            GroupId::mint(),
            request.experiment.id.clone(),
            request.now()?,
            request.principal.id(),
        )
        .with_members(members?)
        .with_name(new.name.map(parse_name).transpose()?);
        request.parts.is_about(AuditField::Group, &group.id);
        request.identities().create_group(&group).await?;
        Ok(respond(&group))
    }
}

pub(crate) struct ListGroups;

impl ListGroups {
    pub(crate) const ENDPOINT: &'static Endpoint = &Endpoint {
        id: "listGroups",
        method: Method::GET,
        path: "/v0/experiments/{E}/groups",
        access: Access::Any,
        needs_identities: true,
        docs: Docs {
            tag: "groups",
            summary: "List groups",
            clauses: &["G-1", "G-3", "L-1", "L-2", "L-3"],
            parameters: &[&parameters::NAME],
            answers: &[Answer::json::<GroupsBody<'static>>(200, "The groups.")],
            problems: &[429],
            ..Docs::EMPTY
        },
    };

    pub(crate) async fn handle(request: AuthorizedRequest<'_>) -> Result<Response, Problem> {
        list::respond::<Group>(&IdentityRequest::new(request)?).await
    }
}

pub(crate) struct ReadGroup;

impl ReadGroup {
    pub(crate) const ENDPOINT: &'static Endpoint = &Endpoint {
        id: "readGroup",
        method: Method::GET,
        path: "/v0/experiments/{E}/groups/{G}",
        access: Access::Any,
        needs_identities: true,
        docs: Docs {
            tag: "groups",
            summary: "Read a group",
            clauses: &["G-3", "I-2", "L-2"],
            answers: &[Answer::json::<GroupBody<'static>>(200, "The group.")],
            problems: &[429],
            ..Docs::EMPTY
        },
    };

    pub(crate) async fn handle(
        request: AuthorizedRequest<'_>,
        group: GroupId,
    ) -> Result<Response, Problem> {
        let request = IdentityRequest::new(request)?;
        let group = find(&request, group).await?;
        if group.members.len() <= LARGE {
            return Ok(respond(&group));
        }
        // As long as a list, so it counts as one.
        let permit = request.list_permit()?;
        Ok(list::hold(respond(&group), permit))
    }
}

pub(crate) struct DeleteGroup;

impl DeleteGroup {
    pub(crate) const ENDPOINT: &'static Endpoint = &Endpoint {
        id: "deleteGroup",
        method: Method::DELETE,
        path: "/v0/experiments/{E}/groups/{G}",
        access: Access::Admin,
        needs_identities: true,
        docs: Docs {
            tag: "groups",
            summary: "Delete a group",
            clauses: &["G-6", "I-2"],
            answers: &[Answer::empty(204, "The group was deleted.")],
            problems: &[409, 507],
            ..Docs::EMPTY
        },
    };

    pub(crate) async fn handle(
        request: AuthorizedRequest<'_>,
        group: GroupId,
    ) -> Result<Response, Problem> {
        let request = IdentityRequest::new(request)?;
        let identities = request.identities();
        identities
            .delete_group(&request.experiment.id, group)
            .await?;
        Ok(response::empty())
    }
}

pub(crate) struct AddMember;

impl AddMember {
    pub(crate) const ENDPOINT: &'static Endpoint = &Endpoint {
        id: "addMember",
        method: Method::POST,
        path: "/v0/experiments/{E}/groups/{G}/members",
        access: Access::Admin,
        needs_identities: true,
        docs: Docs {
            tag: "groups",
            summary: "Add a member",
            clauses: &["G-4", "G-5", "G-7", "I-2", "J-1"],
            content: Some(RequestContent::json::<NewMember>()),
            answers: &[Answer::json::<GroupBody<'static>>(
                200,
                "The group, with the member.",
            )],
            problems: WRITE_PROBLEMS,
            ..Docs::EMPTY
        },
    };

    pub(crate) async fn handle(
        request: AuthorizedRequest<'_>,
        group: GroupId,
    ) -> Result<Response, Problem> {
        let (request, new): (_, NewMember) = IdentityRequest::with_json(request).await?;
        let member = parse_member(&new.member_id)?;
        request.parts.is_about(AuditField::Member, &member);
        let identities = request.identities();
        identities
            .add_member(&request.experiment.id, group, member)
            .await?;
        Ok(respond(&find(&request, group).await?))
    }
}

pub(crate) struct RemoveMember;

impl RemoveMember {
    pub(crate) const ENDPOINT: &'static Endpoint = &Endpoint {
        id: "removeMember",
        method: Method::DELETE,
        path: "/v0/experiments/{E}/groups/{G}/members/{M}",
        access: Access::Admin,
        needs_identities: true,
        docs: Docs {
            tag: "groups",
            summary: "Remove a member",
            clauses: &["G-4", "G-7", "I-2", "J-2"],
            answers: &[Answer::json::<GroupBody<'static>>(
                200,
                "The group, without the member.",
            )],
            problems: &[507],
            ..Docs::EMPTY
        },
    };

    pub(crate) async fn handle(
        request: AuthorizedRequest<'_>,
        group: GroupId,
        member: MemberId,
    ) -> Result<Response, Problem> {
        let request = IdentityRequest::new(request)?;
        let identities = request.identities();
        identities
            .remove_member(&request.experiment.id, group, member)
            .await?;
        Ok(respond(&find(&request, group).await?))
    }
}

fn parse_member(text: &str) -> Result<MemberId, Problem> {
    text.parse().map_err(|_| {
        Problem::bad_request(
            "a member must be the id of a worker (wkr_...) or of a group (grp_...)",
        )
    })
}

async fn find(request: &IdentityRequest<'_>, id: GroupId) -> Result<Group, Problem> {
    let group = request.identities().group(&request.experiment.id, id);
    let not_found = || Problem::new(ProblemType::NotFound, "there is no such group");
    group.await?.ok_or_else(not_found)
}

fn respond(group: &Group) -> Response {
    response::json(StatusCode::OK, &GroupBody::from(group))
}
