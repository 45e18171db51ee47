//! What the client was asked to do.

use std::fmt;

/// Which operation of a client failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// Setting the client up.
    Configure,
    /// [`Client::deposit`](crate::Client::deposit).
    Deposit,
    /// [`Client::fetch`](crate::Client::fetch), up to and in its stream.
    Fetch,
    /// [`Client::stat`](crate::Client::stat).
    Stat,
    /// [`Client::read_experiment`](crate::Client::read_experiment).
    ReadExperiment,
    /// [`Client::whoami`](crate::Client::whoami).
    Whoami,
    /// [`Client::register_worker`](crate::Client::register_worker).
    RegisterWorker,
    /// [`Client::list_workers`](crate::Client::list_workers).
    ListWorkers,
    /// [`Client::read_worker`](crate::Client::read_worker).
    ReadWorker,
    /// [`Client::reissue_credential`](crate::Client::reissue_credential).
    ReissueCredential,
    /// [`Client::register_group`](crate::Client::register_group).
    RegisterGroup,
    /// [`Client::list_groups`](crate::Client::list_groups).
    ListGroups,
    /// [`Client::read_group`](crate::Client::read_group).
    ReadGroup,
    /// [`Client::add_member`](crate::Client::add_member).
    AddMember,
    /// [`Client::remove_member`](crate::Client::remove_member).
    RemoveMember,
    /// [`Client::delete_group`](crate::Client::delete_group).
    DeleteGroup,
}

impl Operation {
    /// The operation in a word or two, as it stands in messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Configure => "configure",
            Self::Deposit => "deposit",
            Self::Fetch => "fetch",
            Self::Stat => "stat",
            Self::ReadExperiment => "read experiment",
            Self::Whoami => "whoami",
            Self::RegisterWorker => "register worker",
            Self::ListWorkers => "list workers",
            Self::ReadWorker => "read worker",
            Self::ReissueCredential => "reissue credential",
            Self::RegisterGroup => "register group",
            Self::ListGroups => "list groups",
            Self::ReadGroup => "read group",
            Self::AddMember => "add member",
            Self::RemoveMember => "remove member",
            Self::DeleteGroup => "delete group",
        }
    }

    /// What there is none of when the answer is 404.
    pub(crate) const fn absent(self) -> &'static str {
        match self {
            Self::Fetch | Self::Stat => "there is no such artifact",
            Self::ReadWorker | Self::ReissueCredential => "there is no such worker",
            Self::ReadGroup | Self::AddMember | Self::RemoveMember | Self::DeleteGroup => {
                "there is no such group"
            }
            // Their paths are always there where an artifact server of this binding is.
            Self::Configure
            | Self::Deposit
            | Self::ReadExperiment
            | Self::Whoami
            | Self::RegisterWorker
            | Self::ListWorkers
            | Self::RegisterGroup
            | Self::ListGroups => "there is no artifact server that can do this at this address",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
