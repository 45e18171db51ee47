//! What sort of action an event is about, and how it ended.

/// The sort of an action. Its name is the member `kind` of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AuditKind {
    /// Looks at rows or settings: lists, usage, what is recorded about an artifact.
    Read,
    /// Reads the bytes of an artifact.
    Fetch,
    /// Stores bytes: a deposit, or a step of a resumable upload.
    Deposit,
    /// Creates or seals a collection.
    Collection,
    /// Makes or revokes a grant.
    Grant,
    /// Makes or revokes a link.
    Link,
    /// Deletes artifacts, files of a collection or a collection.
    Deletion,
    /// Registers, replaces, revokes or deletes a credential with its principal.
    Credential,
    /// Changes groups, holds, retention or experiments.
    Admin,
    /// A command or a scheduled task that changes the store without a request.
    Maintenance,
}

impl AuditKind {
    /// All kinds.
    pub const ALL: [Self; 10] = [
        Self::Read,
        Self::Fetch,
        Self::Deposit,
        Self::Collection,
        Self::Grant,
        Self::Link,
        Self::Deletion,
        Self::Credential,
        Self::Admin,
        Self::Maintenance,
    ];

    /// Returns the name in lines.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Fetch => "fetch",
            Self::Deposit => "deposit",
            Self::Collection => "collection",
            Self::Grant => "grant",
            Self::Link => "link",
            Self::Deletion => "deletion",
            Self::Credential => "credential",
            Self::Admin => "admin",
            Self::Maintenance => "maintenance",
        }
    }

    /// Returns whether such an action changes who may do what, or removes something. With
    /// [`AuditSync::Changes`](crate::AuditSync::Changes), these lines are on disk before their requests are answered.
    pub fn is_change(self) -> bool {
        !matches!(self, Self::Read | Self::Fetch | Self::Deposit)
    }
}

/// How an action ended. Its name is the member `outcome` of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AuditOutcome {
    /// It was done. For a fetch: the response begins; the client may receive less than all of it.
    Done,
    /// It was refused, and nothing was changed.
    Refused,
    /// It failed. It may have been done in part.
    Failed,
    /// The client disconnected before there was an answer. It may have been done.
    Unknown,
}

impl AuditOutcome {
    /// Returns the outcome of a request that was answered with this HTTP status.
    pub fn of_status(status: u16) -> Self {
        match status {
            ..400 => Self::Done,
            400..500 => Self::Refused,
            500.. => Self::Failed,
        }
    }

    /// Returns the name in lines.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }
}
