//! The authenticated sender of a request.

use std::fmt;
use std::str::FromStr;

use crate::experiment::ExperimentId;
use crate::identity::WorkerId;

/// The id of a principal.
///
/// As text it is `admin`, or the id of a worker (`^wkr_[0-9a-hjkmnp-tv-z]{26}$`).
///
/// ```
/// use artifact_store::{PrincipalId, WorkerId};
///
/// let worker = WorkerId::mint();
/// assert_eq!(worker.as_str().parse(), Ok(PrincipalId::Worker(worker)));
/// assert_eq!("admin".parse(), Ok(PrincipalId::Admin));
/// assert!("alice".parse::<PrincipalId>().is_err());
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum PrincipalId {
    /// The administrator of the deployment.
    Admin,
    /// A worker.
    Worker(WorkerId),
}

impl PrincipalId {
    /// The administrator's id as text.
    pub const ADMIN: &'static str = "admin";

    /// Returns the id as text.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Admin => Self::ADMIN,
            Self::Worker(id) => id.as_str(),
        }
    }
}

impl From<WorkerId> for PrincipalId {
    fn from(id: WorkerId) -> Self {
        Self::Worker(id)
    }
}

impl FromStr for PrincipalId {
    type Err = InvalidPrincipalId;

    fn from_str(text: &str) -> Result<Self, InvalidPrincipalId> {
        match text {
            Self::ADMIN => Ok(Self::Admin),
            _ => match text.parse() {
                Ok(id) => Ok(Self::Worker(id)),
                Err(_) => Err(InvalidPrincipalId(())),
            },
        }
    }
}

impl fmt::Display for PrincipalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for PrincipalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrincipalId({self})")
    }
}

/// The error for a string that is not a valid principal id. Its message does not repeat the string.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a principal id is \"admin\", or \"wkr_\" and 26 of the characters 0-9 a-h j k m n p-t v-z"
)]
pub struct InvalidPrincipalId(());

/// The kind of credential that a principal presented. Some operations are allowed for only one class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PrincipalClass {
    /// The deployment's admin token.
    Admin,
    /// A worker's registration token.
    Worker,
}

/// An authenticated principal: its id and the experiment that it belongs to. It holds no secret.
///
/// Authenticators construct it, after they have verified a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal(Kind);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Admin,
    Worker {
        id: WorkerId,
        experiment: ExperimentId,
        in_admins: bool,
    },
}

impl Principal {
    /// Creates the administrator, who belongs to every experiment.
    pub fn admin() -> Self {
        Self(Kind::Admin)
    }

    /// Creates a worker of one experiment.
    pub fn worker(id: WorkerId, experiment: ExperimentId) -> Self {
        Self(Kind::Worker {
            id,
            experiment,
            in_admins: false,
        })
    }

    /// Marks a worker as a direct or nested member of the group `admins` of its experiment.
    ///
    /// It may then read what administrators may read there; its [class](Self::class) stays that of
    /// its credential. Does nothing for the administrator.
    #[must_use = "returns the changed principal"]
    pub fn with_admin_class(mut self) -> Self {
        if let Kind::Worker { in_admins, .. } = &mut self.0 {
            *in_admins = true;
        }
        self
    }

    /// Returns the id, which is recorded as `created_by` of what this principal deposits.
    pub fn id(&self) -> PrincipalId {
        match self.0 {
            Kind::Admin => PrincipalId::Admin,
            Kind::Worker { id, .. } => PrincipalId::Worker(id),
        }
    }

    /// Returns the class of the credential that was presented.
    pub fn class(&self) -> PrincipalClass {
        match self.0 {
            Kind::Admin => PrincipalClass::Admin,
            Kind::Worker { .. } => PrincipalClass::Worker,
        }
    }

    /// Returns whether the read rule treats this principal as an administrator: the administrator
    /// itself, or a member of `admins`.
    pub fn is_admin_class(&self) -> bool {
        match self.0 {
            Kind::Admin => true,
            Kind::Worker { in_admins, .. } => in_admins,
        }
    }

    /// Returns the experiment that a worker belongs to, or `None` for the administrator, who belongs
    /// to all of them.
    pub fn experiment(&self) -> Option<&ExperimentId> {
        match &self.0 {
            Kind::Admin => None,
            Kind::Worker { experiment, .. } => Some(experiment),
        }
    }
}
