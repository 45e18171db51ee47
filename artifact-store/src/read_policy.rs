//! Who may read, as an embedding program decides it.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::error::Result;
use crate::principal::Principal;
use crate::row::Row;

/// Decides who may read an artifact, instead of the [built-in rule](BuiltInRule). It can widen that rule, for
/// example by grants or teams, and narrow it, for example by an embargo.
///
/// A policy only answers; [`authorize_with`](crate::authorize_with) makes the [`ReadGrant`](crate::ReadGrant).
/// No policy is asked about an artifact of another experiment than that of the principal: it stays forbidden.
///
/// ```
/// use artifact_store::{BuiltInRule, Principal, PrincipalId, ReadPolicy, Result, Row};
/// use async_trait::async_trait;
///
/// /// The teams that a principal is in, by its token.
/// struct Teams(Vec<String>);
///
/// /// Lets the members of a team read what the team's robot deposited.
/// #[derive(Debug)]
/// struct TeamsRead;
///
/// #[async_trait]
/// impl ReadPolicy for TeamsRead {
///     async fn may_read(&self, principal: &Principal, row: &Row) -> Result<bool> {
///         let teams = principal.claims::<Teams>();
///         let is_of_the_team = |team: &String| row.created_by.as_str() == format!("robot-of-{team}");
///         Ok(BuiltInRule.allows(principal, row)
///             || teams.is_some_and(|teams| teams.0.iter().any(is_of_the_team)))
///     }
/// }
/// ```
#[async_trait]
pub trait ReadPolicy: Debug + Send + Sync + 'static {
    /// Returns whether the principal, who belongs to the experiment of the row, may read its artifact.
    ///
    /// Called for each read, before any byte, condition or range. A change of rights takes effect as soon as
    /// this function answers by it; the store caches no answer.
    ///
    /// # Errors
    ///
    /// Every error forbids the read. Return [`Unavailable`](crate::ErrorKind::Unavailable) if the answer
    /// cannot be known now, and [`NotFound`](crate::ErrorKind::NotFound) to hide that the artifact exists.
    async fn may_read(&self, principal: &Principal, row: &Row) -> Result<bool>;
}

/// The rule without a policy: the depositor, and principals of the [admin class](Principal::is_admin_class).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BuiltInRule;

impl BuiltInRule {
    /// Returns whether the principal may read the artifact of the row. Does no I/O.
    pub fn allows(self, principal: &Principal, row: &Row) -> bool {
        is_in_experiment(principal, row)
            && (principal.is_admin_class() || principal.has_id(&row.created_by))
    }
}

#[async_trait]
impl ReadPolicy for BuiltInRule {
    async fn may_read(&self, principal: &Principal, row: &Row) -> Result<bool> {
        Ok(self.allows(principal, row))
    }
}

/// Returns whether the principal belongs to the experiment of the row. The administrator belongs to all.
pub(crate) fn is_in_experiment(principal: &Principal, row: &Row) -> bool {
    let experiment = principal.experiment();
    experiment.is_none_or(|experiment| *experiment == row.experiment)
}
