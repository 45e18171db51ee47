//! Groups of workers and of groups. Members of the one named `admins` may read every artifact.

use reqwest::{Method, StatusCode};
use serde::{Deserialize, Serialize};

use super::call::{check_id, json, segment};
use crate::client::{Client, with_parameter};
use crate::error::{Operation, Result};

/// A group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Group {
    /// The id that the server minted: `grp_` and 26 characters.
    pub group_id: String,
    /// A label for people; two groups may have the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The experiment that it belongs to.
    pub experiment_id: String,
    /// The ids of its own members, workers and groups; those of its groups are not in it.
    pub members: Vec<String>,
    /// When it was made, RFC 3339 in UTC.
    pub created_at: String,
    /// Which principal made it.
    pub created_by: String,
}

/// What is said of a group that is to be made.
#[derive(Debug, Clone, Default, Serialize)]
#[non_exhaustive]
pub struct NewGroup {
    /// A label for people: 1 to 128 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The ids of its first members, workers or groups. They need not be there yet.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<String>,
}

impl NewGroup {
    /// With a name.
    #[must_use = "this gives the group back, it does not change it in place"]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// With one member more.
    #[must_use = "this gives the group back, it does not change it in place"]
    pub fn with_member(mut self, id: impl Into<String>) -> Self {
        self.members.push(id.into());
        self
    }
}

#[derive(Deserialize)]
struct Groups {
    groups: Vec<Group>,
}

#[derive(Serialize)]
struct Member<'m> {
    member_id: &'m str,
}

impl Client {
    /// Makes a group. For the admin.
    ///
    /// # Errors
    ///
    /// `InvalidName`, `ReservedName`, `Cycle`, `BadRequest` where a member's id is none, and those of
    /// any request. After [`Interrupted`](crate::ErrorKind::Interrupted) it may have been made.
    pub async fn register_group(&self, group: &NewGroup) -> Result<Group> {
        let operation = Operation::RegisterGroup;
        let body = json(operation, group)?;
        let url = self.below(&["groups"]);
        checked(
            operation,
            self.change_json(operation, Method::POST, url, body).await?,
        )
    }

    /// Every group of the experiment, or those of exactly this name; there is no order to rely on.
    /// For everybody with a credential of the experiment.
    ///
    /// # Errors
    ///
    /// Those of any request.
    pub async fn list_groups(&self, name: Option<&str>) -> Result<Vec<Group>> {
        let operation = Operation::ListGroups;
        let mut url = self.below(&["groups"]);
        if let Some(name) = name {
            url = with_parameter(url, "name", name);
        }
        let Groups { groups } = self.read_json(operation, url).await?;
        groups
            .into_iter()
            .map(|group| checked(operation, group))
            .collect()
    }

    /// One group. For everybody with a credential of the experiment.
    ///
    /// # Errors
    ///
    /// `NotFound`, and those of any request.
    pub async fn read_group(&self, id: &str) -> Result<Group> {
        let operation = Operation::ReadGroup;
        let url = self.below(&["groups", segment(operation, id)?]);
        checked(operation, self.read_json(operation, url).await?)
    }

    /// Puts a worker or a group into a group, and says what it holds then; one that is in already
    /// stays. The member need not be there yet. For the admin.
    ///
    /// # Errors
    ///
    /// `NotFound`, `Cycle`, `BadRequest` where the member's id is none, and those of any request. After
    /// [`Interrupted`](crate::ErrorKind::Interrupted) it may have been done; doing it again is safe.
    pub async fn add_member(&self, group: &str, member: &str) -> Result<Group> {
        let operation = Operation::AddMember;
        let url = self.below(&["groups", segment(operation, group)?, "members"]);
        let body = json(operation, &Member { member_id: member })?;
        checked(
            operation,
            self.change_json(operation, Method::POST, url, body).await?,
        )
    }

    /// Takes a worker or a group out of a group, and says what it holds then; one that is not in it is
    /// no error. For the admin.
    ///
    /// # Errors
    ///
    /// `NotFound`, and those of any request. After
    /// [`Interrupted`](crate::ErrorKind::Interrupted) it may have been done; doing it again is safe.
    pub async fn remove_member(&self, group: &str, member: &str) -> Result<Group> {
        let operation = Operation::RemoveMember;
        let (group, member) = (segment(operation, group)?, segment(operation, member)?);
        let url = self.below(&["groups", group, "members", member]);
        checked(
            operation,
            self.change_json(operation, Method::DELETE, url, None)
                .await?,
        )
    }

    /// Deletes a group, not its members. For the admin.
    ///
    /// # Errors
    ///
    /// `NotFound`, and those of any request. After
    /// [`Interrupted`](crate::ErrorKind::Interrupted) it may be gone: then `NotFound` says so.
    pub async fn delete_group(&self, id: &str) -> Result<()> {
        let operation = Operation::DeleteGroup;
        let url = self.below(&["groups", segment(operation, id)?]);
        let gone = StatusCode::NO_CONTENT;
        self.change(operation, Method::DELETE, url, None, gone)
            .await
            .map(drop)
    }
}

fn checked(operation: Operation, group: Group) -> Result<Group> {
    check_id(operation, &group.group_id)?;
    for member in &group.members {
        check_id(operation, member)?;
    }
    Ok(group)
}
