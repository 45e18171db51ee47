//! `/groups`.

use artifact_store::{DisplayName, Group, GroupId, MemberId};
use axum::body::Body;
use axum::response::Response;
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::body::{self, present};
use super::text::Text;
use super::{Asked, Filter, filter, name_of, no_group};
use crate::json;
use crate::problem::Problem;
use crate::routes::Ids;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    #[serde(default, deserialize_with = "present")]
    name: Option<Text>,
    #[serde(default, deserialize_with = "present")]
    members: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewMember {
    member_id: String,
}

#[derive(Serialize)]
struct Answer<'g> {
    group_id: &'g str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'g str>,
    experiment_id: &'g str,
    members: Vec<&'g str>,
    /// RFC 3339, in UTC.
    created_at: String,
    created_by: &'g str,
}

#[derive(Serialize)]
struct List<'g> {
    groups: Vec<Answer<'g>>,
}

impl<'g> Answer<'g> {
    fn of(group: &'g Group) -> Self {
        Self {
            group_id: group.id.as_str(),
            name: group.name.as_ref().map(DisplayName::as_str),
            experiment_id: group.experiment.as_str(),
            members: group.members.iter().map(MemberId::as_str).collect(),
            created_at: group.created_at.to_string(),
            created_by: group.created_by.as_str(),
        }
    }

    fn respond(group: &'g Group) -> Response {
        json::respond(StatusCode::OK, &Self::of(group))
    }
}

pub(super) async fn register(asked: &Asked<'_>, body: Body) -> Result<Response, Problem> {
    let new: New = body::read(&asked.parts.headers, body).await?;
    let members = new.members.unwrap_or_default();
    let members = members.iter().map(|text| member_of(text));
    let members = members.collect::<Result<Vec<_>, _>>()?;
    let now = asked.now()?;
    let group = Group::new(
        GroupId::mint(),
        asked.experiment.id.clone(),
        now,
        asked.principal.id(),
    )
    .with_name(name_of(new.name)?)
    .with_members(members);
    asked.identities().create_group(&group).await?;
    Ok(Answer::respond(&group))
}

pub(super) async fn list(asked: &Asked<'_>) -> Result<Response, Problem> {
    let home = &asked.experiment.id;
    let groups = match filter(asked)? {
        Filter::All => asked.identities().groups(home, None).await?,
        Filter::Named(name) => asked.identities().groups(home, Some(&name)).await?,
        Filter::Nothing => Vec::new(),
    };
    let answer = List {
        groups: groups.iter().map(Answer::of).collect(),
    };
    Ok(json::respond(StatusCode::OK, &answer))
}

pub(super) async fn read(asked: &Asked<'_>, ids: Ids) -> Result<Response, Problem> {
    let id = ids.group.ok_or_else(no_group)?;
    Ok(Answer::respond(&find(asked, id).await?))
}

pub(super) async fn delete(asked: &Asked<'_>, ids: Ids) -> Result<Response, Problem> {
    let id = ids.group.ok_or_else(no_group)?;
    let home = &asked.experiment.id;
    asked.identities().delete_group(home, id).await?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}

pub(super) async fn add_member(
    asked: &Asked<'_>,
    ids: Ids,
    body: Body,
) -> Result<Response, Problem> {
    let id = ids.group.ok_or_else(no_group)?;
    let new: NewMember = body::read(&asked.parts.headers, body).await?;
    let member = member_of(&new.member_id)?;
    let home = &asked.experiment.id;
    asked.identities().add_member(home, id, member).await?;
    Ok(Answer::respond(&find(asked, id).await?))
}

pub(super) async fn remove_member(asked: &Asked<'_>, ids: Ids) -> Result<Response, Problem> {
    let id = ids.group.ok_or_else(no_group)?;
    let member = ids.member.ok_or_else(no_group)?;
    let home = &asked.experiment.id;
    asked.identities().remove_member(home, id, member).await?;
    Ok(Answer::respond(&find(asked, id).await?))
}

fn member_of(text: &str) -> Result<MemberId, Problem> {
    text.parse().map_err(|_| {
        Problem::bad_request(
            "a member is the id of a worker (wkr_...) or of a group (grp_...), in its form",
        )
    })
}

async fn find(asked: &Asked<'_>, id: GroupId) -> Result<Group, Problem> {
    let found = asked.identities().group(&asked.experiment.id, id);
    found.await?.ok_or_else(no_group)
}
