//! A group of workers and other groups.

use std::collections::HashSet;

use jiff::Timestamp;

use super::{DisplayName, GroupId, MemberId};
use crate::names::{ExperimentId, PrincipalId};
use crate::row::{Experiment, whole_microseconds};

/// A group. Only its members ever change.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Group {
    /// Names it.
    pub id: GroupId,
    /// The one experiment it belongs to.
    pub experiment: ExperimentId,
    /// What people call it. `admins` means more, see [`DisplayName::ADMINS`].
    pub name: Option<DisplayName>,
    /// Its direct members, each once, in the order in which they came. They need not exist.
    pub members: Vec<MemberId>,
    /// When it was created, in whole microseconds since 1970.
    pub created_at: Timestamp,
    /// Who created it.
    pub created_by: PrincipalId,
}

impl Group {
    /// A group without name and members. `created_at` is cut to microseconds.
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
            created_at: whole_microseconds(created_at),
            created_by,
        }
    }

    /// The groups that every experiment has from its creation: `admins` and `orchestrators`, under
    /// fresh ids, empty, as old as the experiment, created by the administrator. For implementors
    /// of [`Catalog::create_experiment`](crate::Catalog::create_experiment).
    pub fn founding(experiment: &Experiment) -> [Self; 2] {
        [DisplayName::ADMINS, DisplayName::ORCHESTRATORS].map(|name| {
            Self::new(
                GroupId::mint(),
                experiment.id.clone(),
                experiment.created_at,
                PrincipalId::admin(),
            )
            .with_name(DisplayName::founding(name))
        })
    }

    /// The same group with this name, or none.
    #[must_use = "this gives the group back, it does not change it in place"]
    pub fn with_name(mut self, name: impl Into<Option<DisplayName>>) -> Self {
        self.name = name.into();
        self
    }

    /// The same group with these members. Of equal ones the first counts.
    #[must_use = "this gives the group back, it does not change it in place"]
    pub fn with_members(mut self, members: impl IntoIterator<Item = MemberId>) -> Self {
        let mut seen = HashSet::new();
        self.members = members
            .into_iter()
            .filter(|member| seen.insert(*member))
            .collect();
        self
    }
}
