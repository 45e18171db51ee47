//! The authenticated sender of a request.

use std::any::Any;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::experiment::ExperimentId;
use crate::external_id::{ExternalId, InvalidPrincipalId};
use crate::identity::{AdministratorId, WorkerId};

/// The id of a principal.
///
/// As text it is `admin`, the id of a worker (`^wkr_[0-9a-hjkmnp-tv-z]{26}$`) or of a named administrator
/// (`^adm_[0-9a-hjkmnp-tv-z]{26}$`), or any other text that an
/// embedding program uses for its own users, see [`ExternalId`]. Each text stands for one id.
///
/// ```
/// use artifact_store::{PrincipalId, WorkerId};
///
/// let worker = WorkerId::mint();
/// assert_eq!(worker.as_str().parse(), Ok(PrincipalId::Worker(worker)));
/// assert_eq!("admin".parse(), Ok(PrincipalId::Admin));
/// assert_eq!("alice".parse(), "alice".parse().map(PrincipalId::External));
/// assert!("wkr_alice".parse::<PrincipalId>().is_err());
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum PrincipalId {
    /// The administrator of the deployment, whose token is a setting.
    Admin,
    /// A worker.
    Worker(WorkerId),
    /// A principal of the embedding program.
    External(ExternalId),
    /// A named administrator of the deployment.
    Administrator(AdministratorId),
}

impl PrincipalId {
    /// The administrator's id as text.
    pub const ADMIN: &'static str = "admin";

    /// Returns the id as text.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Admin => Self::ADMIN,
            Self::Worker(id) => id.as_str(),
            Self::External(id) => id.as_str(),
            Self::Administrator(id) => id.as_str(),
        }
    }
}

impl From<WorkerId> for PrincipalId {
    fn from(id: WorkerId) -> Self {
        Self::Worker(id)
    }
}

impl From<AdministratorId> for PrincipalId {
    fn from(id: AdministratorId) -> Self {
        Self::Administrator(id)
    }
}

impl From<ExternalId> for PrincipalId {
    fn from(id: ExternalId) -> Self {
        Self::External(id)
    }
}

impl FromStr for PrincipalId {
    type Err = InvalidPrincipalId;

    fn from_str(text: &str) -> Result<Self, InvalidPrincipalId> {
        if text == Self::ADMIN {
            return Ok(Self::Admin);
        }
        if let Ok(id) = text.parse() {
            return Ok(Self::Worker(id));
        }
        match text.parse() {
            Ok(id) => Ok(Self::Administrator(id)),
            Err(_) => text.parse().map(Self::External),
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
        match self {
            Self::Admin => write!(f, "PrincipalId({self})"),
            Self::Worker(id) => write!(f, "PrincipalId({id})"),
            Self::Administrator(id) => write!(f, "PrincipalId({id})"),
            Self::External(id) => write!(f, "PrincipalId({:?})", id.as_str()),
        }
    }
}

/// The kind of credential that a principal presented. Some operations are allowed for only one class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PrincipalClass {
    /// The deployment's admin token, or the token of a named administrator.
    Admin,
    /// A worker's registration token.
    Worker,
    /// A credential that only the embedding program knows.
    External,
}

/// An authenticated principal: its id and the experiment that it belongs to. It holds no secret.
///
/// Authenticators construct it, after they have verified a credential.
///
/// ```
/// use artifact_store::{Principal, PrincipalClass};
///
/// #[derive(Debug)]
/// struct Teams(Vec<String>);
///
/// let alice = Principal::external("alice@example.com".parse()?, "trial-7".parse()?)
///     .with_claims(Teams(vec!["physics".into()]));
/// assert_eq!(alice.class(), PrincipalClass::External);
/// assert_eq!(alice.claims::<Teams>().map(|teams| teams.0.len()), Some(1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    id: PrincipalId,
    /// `None` for administrators.
    experiment: Option<ExperimentId>,
    in_admins: bool,
    claims: Option<Claims>,
}

/// A value that an authenticator attached. `Debug` does not show it, because it may hold a secret.
#[derive(Clone)]
struct Claims(Arc<dyn Any + Send + Sync>);

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Claims(..)")
    }
}

impl PartialEq for Claims {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Claims {}

impl Principal {
    /// Creates the administrator, who belongs to every experiment.
    pub fn admin() -> Self {
        Self::of_deployment(PrincipalId::Admin)
    }

    /// Creates a named administrator, who belongs to every experiment and may do what [`admin`](Self::admin) may.
    pub fn administrator(id: AdministratorId) -> Self {
        Self::of_deployment(id.into())
    }

    fn of_deployment(id: PrincipalId) -> Self {
        Self {
            id,
            experiment: None,
            in_admins: false,
            claims: None,
        }
    }

    /// Creates a worker of one experiment.
    pub fn worker(id: WorkerId, experiment: ExperimentId) -> Self {
        Self::member(id.into(), experiment)
    }

    /// Creates a principal of the embedding program, in one experiment. A user of several experiments is
    /// another principal in each; the authenticator makes the one that the request is about.
    pub fn external(id: ExternalId, experiment: ExperimentId) -> Self {
        Self::member(id.into(), experiment)
    }

    fn member(id: PrincipalId, experiment: ExperimentId) -> Self {
        Self {
            id,
            experiment: Some(experiment),
            in_admins: false,
            claims: None,
        }
    }

    /// Marks a worker or an external principal as a direct or nested member of the group `admins` of its
    /// experiment.
    ///
    /// It may then read what administrators may read there; its [class](Self::class) stays that of
    /// its credential. Does nothing for administrators.
    #[must_use = "returns the changed principal"]
    pub fn with_admin_class(mut self) -> Self {
        self.in_admins = self.experiment.is_some();
        self
    }

    /// Attaches a value for a [`ReadPolicy`](crate::ReadPolicy), such as the teams in a token. Replaces an
    /// earlier one. The store does not look at it; two principals are equal only if they share one value.
    #[must_use = "returns the changed principal"]
    pub fn with_claims<T: Any + Send + Sync>(mut self, claims: T) -> Self {
        self.claims = Some(Claims(Arc::new(claims)));
        self
    }

    /// Returns the attached value, if it has this type.
    pub fn claims<T: Any>(&self) -> Option<&T> {
        self.claims.as_ref()?.0.downcast_ref()
    }

    /// Returns the id, which is recorded as `created_by` of what this principal deposits.
    pub fn id(&self) -> PrincipalId {
        self.id.clone()
    }

    pub(crate) fn has_id(&self, id: &PrincipalId) -> bool {
        self.id == *id
    }

    /// Returns the class of the credential that was presented.
    pub fn class(&self) -> PrincipalClass {
        match self.id {
            PrincipalId::Admin | PrincipalId::Administrator(_) => PrincipalClass::Admin,
            PrincipalId::Worker(_) => PrincipalClass::Worker,
            PrincipalId::External(_) => PrincipalClass::External,
        }
    }

    /// Returns whether the read rule treats this principal as an administrator: `admin`, a named administrator, or
    /// a member of `admins`.
    pub fn is_admin_class(&self) -> bool {
        self.in_admins || self.class() == PrincipalClass::Admin
    }

    /// Returns the experiment that a principal belongs to, or `None` for an administrator, who belongs
    /// to all of them.
    pub fn experiment(&self) -> Option<&ExperimentId> {
        self.experiment.as_ref()
    }
}
