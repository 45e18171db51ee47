//! Who sends the requests.

/// The sender of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sender {
    Anonymous,
    WrongAdmin,
    /// A registered worker with another worker's secret.
    WrongWorker,
    /// A worker that is not registered.
    Unknown,
    /// A named administrator whose token was revoked.
    RevokedAdministrator,
    /// A named administrator that was deleted.
    DeletedAdministrator,
    Admin,
    /// A named administrator, who may do what `Admin` may.
    NamedAdministrator,
    /// The depositor of the artifact `Own`.
    Owner,
    Neighbour,
    /// A direct member of the group `admins`.
    Direct,
    /// A member of a group in a group in `admins`.
    Nested,
    /// A member of `orchestrators`, which grants nothing.
    Orchestrator,
    Foreigner,
    /// A member of the group `admins` of the other experiment.
    ForeignAdmin,
}

impl Sender {
    pub(super) const ALL: [Self; 15] = [
        Self::Anonymous,
        Self::WrongAdmin,
        Self::WrongWorker,
        Self::Unknown,
        Self::RevokedAdministrator,
        Self::DeletedAdministrator,
        Self::Admin,
        Self::NamedAdministrator,
        Self::Owner,
        Self::Neighbour,
        Self::Direct,
        Self::Nested,
        Self::Orchestrator,
        Self::Foreigner,
        Self::ForeignAdmin,
    ];

    pub(super) fn is_known(self) -> bool {
        !matches!(
            self,
            Self::Anonymous
                | Self::WrongAdmin
                | Self::WrongWorker
                | Self::Unknown
                | Self::RevokedAdministrator
                | Self::DeletedAdministrator
        )
    }

    pub(super) fn is_admin(self) -> bool {
        matches!(self, Self::Admin | Self::NamedAdministrator)
    }

    /// Whether the read rule lets it read everything in the first experiment.
    pub(super) fn reads_all(self) -> bool {
        self.is_admin() || matches!(self, Self::Direct | Self::Nested)
    }

    pub(super) fn is_foreign(self) -> bool {
        matches!(self, Self::Foreigner | Self::ForeignAdmin)
    }
}
