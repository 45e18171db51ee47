//! Groups of workers and of groups. Members of the group named `admins` may read every artifact.

use reqwest::{Method, StatusCode, Url};
use serde::{Deserialize, Serialize};

use super::request::{check_id, id_segment, json};
use crate::address::with_parameter;
use crate::client::Client;
use crate::error::{Operation, Result};

/// A group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Group {
    /// The id that the server minted: `grp_` and 26 characters.
    pub group_id: String,
    /// A display name; two groups may have the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The experiment that it belongs to.
    pub experiment_id: String,
    /// The ids of its direct members, workers and groups. Members of member groups are not listed.
    pub members: Vec<String>,
    /// When it was created, RFC 3339 in UTC.
    pub created_at: String,
    /// The principal that created it.
    pub created_by: String,
}

/// The settings of a group to register.
#[derive(Debug, Clone, Default, Serialize)]
pub struct NewGroup {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    members: Vec<String>,
}

impl NewGroup {
    /// Sets the display name: 1 to 128 characters.
    #[must_use = "this returns the changed group"]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Adds a member, a worker or a group. It does not have to exist yet.
    #[must_use = "this returns the changed group"]
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
    /// Registers a group. Only the admin may call this.
    ///
    /// # Errors
    ///
    /// `InvalidName`, `ReservedName`, `Cycle`, `BadRequest` if a member's id is malformed, and those
    /// of every request. After [`Interrupted`](crate::ErrorKind::Interrupted) the group may exist.
    pub async fn register_group(&self, group: &NewGroup) -> Result<Group> {
        let operation = Operation::RegisterGroup;
        let body = json(operation, group)?;
        let url = self.url(&["groups"]);
        check(
            operation,
            self.change(operation, Method::POST, url, body).await?,
        )
    }

    /// Returns all groups of the experiment, or those with exactly this name, in no particular order.
    /// Any credential of the experiment is allowed.
    ///
    /// # Errors
    ///
    /// Those of every request.
    pub async fn list_groups(&self, name: Option<&str>) -> Result<Vec<Group>> {
        let operation = Operation::ListGroups;
        let mut url = self.url(&["groups"]);
        if let Some(name) = name {
            url = with_parameter(url, "name", name);
        }
        let Groups { groups } = self.read(operation, url).await?;
        groups
            .into_iter()
            .map(|group| check(operation, group))
            .collect()
    }

    /// Returns one group. Any credential of the experiment is allowed.
    ///
    /// # Errors
    ///
    /// `NotFound`, and those of every request.
    pub async fn read_group(&self, id: &str) -> Result<Group> {
        let operation = Operation::ReadGroup;
        let url = self.group_url(operation, id)?;
        check(operation, self.read(operation, url).await?)
    }

    /// Adds a worker or a group to a group and returns the group. A member that is already in the
    /// group stays there. The member does not have to exist yet. Only the admin may call this.
    ///
    /// # Errors
    ///
    /// `NotFound`, `Cycle`, `BadRequest` if the member's id is malformed, and those of every request.
    /// After [`Interrupted`](crate::ErrorKind::Interrupted) the member may be in the group; repeating
    /// the call is safe.
    pub async fn add_member(&self, group: &str, member: &str) -> Result<Group> {
        let operation = Operation::AddMember;
        let url = self.url(&["groups", id_segment(operation, group)?, "members"]);
        let body = json(operation, &Member { member_id: member })?;
        check(
            operation,
            self.change(operation, Method::POST, url, body).await?,
        )
    }

    /// Removes a worker or a group from a group and returns the group. If the group does
    /// not contain it, nothing changes. Only the admin may call this.
    ///
    /// # Errors
    ///
    /// `NotFound`, and those of every request. After
    /// [`Interrupted`](crate::ErrorKind::Interrupted) the member may be removed; repeating the call is
    /// safe.
    pub async fn remove_member(&self, group: &str, member: &str) -> Result<Group> {
        let operation = Operation::RemoveMember;
        let group = id_segment(operation, group)?;
        let member = id_segment(operation, member)?;
        let url = self.url(&["groups", group, "members", member]);
        check(
            operation,
            self.change(operation, Method::DELETE, url, None).await?,
        )
    }

    /// Deletes a group, but not its members. Only the admin may call this.
    ///
    /// # Errors
    ///
    /// `NotFound`, and those of every request. After
    /// [`Interrupted`](crate::ErrorKind::Interrupted) the group may be deleted; repeating the call
    /// then returns `NotFound`.
    pub async fn delete_group(&self, id: &str) -> Result<()> {
        let operation = Operation::DeleteGroup;
        let url = self.group_url(operation, id)?;
        let expected = StatusCode::NO_CONTENT;
        self.send_change(operation, Method::DELETE, url, None, expected)
            .await
            .map(drop)
    }

    fn group_url(&self, operation: Operation, id: &str) -> Result<Url> {
        Ok(self.url(&["groups", id_segment(operation, id)?]))
    }
}

fn check(operation: Operation, group: Group) -> Result<Group> {
    check_id(operation, &group.group_id)?;
    for member in &group.members {
        check_id(operation, member)?;
    }
    Ok(group)
}
