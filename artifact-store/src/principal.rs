//! Who asks.

use crate::names::{ExperimentId, PrincipalId};

/// Which kind of credential a principal presented. Some operations are for one class only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PrincipalClass {
    /// The deployment's admin token.
    Admin,
    /// A worker's registration token.
    Worker,
}

/// One whose credential was verified: who it is and what it belongs to. It holds no secret.
///
/// Only an authenticator makes these. The constructors check nothing that they could not know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    id: PrincipalId,
    class: PrincipalClass,
    experiment: Option<ExperimentId>,
    in_admins: bool,
}

impl Principal {
    /// The administrator, at home in every experiment.
    pub fn admin() -> Self {
        Self {
            id: PrincipalId::admin(),
            class: PrincipalClass::Admin,
            experiment: None,
            in_admins: false,
        }
    }

    /// A worker of one experiment.
    ///
    /// # Panics
    ///
    /// If `id` is the administrator's: a worker of that name could read what the administrator
    /// deposited, so an authenticator that confuses the two must not go on.
    pub fn worker(id: PrincipalId, experiment: ExperimentId) -> Self {
        assert!(!id.is_admin(), "the id of a worker is never `admin`");
        Self {
            id,
            class: PrincipalClass::Worker,
            experiment: Some(experiment),
            in_admins: false,
        }
    }

    /// The same principal, as a direct or nested member of the group named `admins` of its
    /// experiment. It may read what administrators may read there; its
    /// [class](Self::class) stays that of its credential.
    #[must_use = "this gives the principal back, it does not change it in place"]
    pub fn with_admin_class(mut self) -> Self {
        self.in_admins = true;
        self
    }

    /// Who it is. Recorded as `created_by` of what it deposits.
    pub fn id(&self) -> &PrincipalId {
        &self.id
    }

    /// The class of the credential that was presented.
    pub fn class(&self) -> PrincipalClass {
        self.class
    }

    /// Whether the read rule counts it as an administrator: the admin itself, or a member of
    /// `admins`.
    pub fn is_admin_class(&self) -> bool {
        self.in_admins || self.class == PrincipalClass::Admin
    }

    /// The one experiment it belongs to, or `None` for all of them.
    pub fn experiment(&self) -> Option<&ExperimentId> {
        self.experiment.as_ref()
    }
}
