//! A group of workers and other groups.

use std::collections::HashSet;

use jiff::Timestamp;

use super::{DisplayName, GroupId, MemberId};
use crate::experiment::{Experiment, ExperimentId};
use crate::principal::PrincipalId;
use crate::time::truncate_to_micros;

/// A group. Only its members ever change.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Group {
    /// Its id.
    pub id: GroupId,
    /// The experiment that it belongs to.
    pub experiment: ExperimentId,
    /// Its name for people. Only `admins` has a further meaning, see [`DisplayName::ADMINS`].
    pub name: Option<DisplayName>,
    /// Its direct members without duplicates, in the order in which they were added. They need not
    /// exist.
    pub members: Vec<MemberId>,
    /// When it was created, in whole microseconds since 1970.
    pub created_at: Timestamp,
    /// The principal that created it.
    pub created_by: PrincipalId,
}

impl Group {
    /// The maximum number of direct members. A group that is already larger can still be read.
    ///
    /// It bounds how long one write keeps others waiting, and the size of one record.
    pub const MAX_MEMBERS: usize = 32_768;

    /// Creates a group without name and members. Truncates `created_at` to microseconds.
    pub fn new(
        id: GroupId,
        experiment: ExperimentId,
        created_at: Timestamp,
        created_by: PrincipalId,
    ) -> Self {
        Self {
            id,
            experiment,
            name: None,
            members: Vec::new(),
            created_at: truncate_to_micros(created_at),
            created_by,
        }
    }

    /// Creates the groups that every experiment has from the start: `admins` and `orchestrators`.
    ///
    /// They have fresh ids and no members, are as old as the experiment, and were created by the
    /// administrator. For implementations of
    /// [`Catalog::create_experiment`](crate::Catalog::create_experiment).
    pub fn founding(experiment: &Experiment) -> [Self; 2] {
        [DisplayName::ADMINS, DisplayName::ORCHESTRATORS].map(|name| {
            Self::new(
                GroupId::mint(),
                experiment.id.clone(),
                experiment.created_at,
                PrincipalId::Admin,
            )
            .with_name(DisplayName::founding(name))
        })
    }

    /// Sets the name, or removes it.
    #[must_use = "returns the changed group"]
    pub fn with_name(mut self, name: impl Into<Option<DisplayName>>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets the members, and drops duplicates after the first.
    #[must_use = "returns the changed group"]
    pub fn with_members(mut self, members: impl IntoIterator<Item = MemberId>) -> Self {
        let mut seen = HashSet::new();
        self.members = members
            .into_iter()
            .filter(|member| seen.insert(*member))
            .collect();
        self
    }
}
