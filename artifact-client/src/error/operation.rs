//! The operations of the client, for error messages.

use std::fmt;

/// An operation of the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// Configuring the client: [`ClientBuilder::build`](crate::ClientBuilder::build), or a credential.
    Configure,
    /// [`Client::deposit`](crate::Client::deposit).
    Deposit,
    /// [`Client::fetch`](crate::Client::fetch), including its stream.
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
    /// [`Client::reissue_credential`](crate::Client::reissue_credential) and
    /// [`Client::issue_token`](crate::Client::issue_token).
    ReissueCredential,
    /// [`Client::revoke_token`](crate::Client::revoke_token).
    RevokeToken,
    /// [`Client::delete_worker`](crate::Client::delete_worker).
    DeleteWorker,
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
    /// [`Client::list`](crate::Client::list).
    ListArtifacts,
    /// [`Client::info`](crate::Client::info).
    ReadArtifact,
    /// [`Client::remove`](crate::Client::remove).
    RemoveArtifact,
    /// [`Client::place_hold`](crate::Client::place_hold).
    PlaceHold,
    /// [`Client::release_hold`](crate::Client::release_hold).
    ReleaseHold,
    /// [`Client::usage`](crate::Client::usage).
    ReadUsage,
    /// [`Client::retention`](crate::Client::retention).
    ReadRetention,
    /// [`Client::set_retention`](crate::Client::set_retention).
    SetRetention,
    /// [`Client::grant`](crate::Client::grant) and [`Client::grant_collection`](crate::Client::grant_collection).
    CreateGrant,
    /// [`Client::grants`](crate::Client::grants) and [`Client::collection_grants`](crate::Client::collection_grants).
    ListGrants,
    /// [`Client::revoke_grant`](crate::Client::revoke_grant) and
    /// [`Client::revoke_collection_grant`](crate::Client::revoke_collection_grant).
    RevokeGrant,
    /// [`Client::create_link`](crate::Client::create_link).
    CreateLink,
    /// [`Client::links`](crate::Client::links).
    ListLinks,
    /// [`Client::revoke_link`](crate::Client::revoke_link).
    RevokeLink,
    /// [`Client::fetch_link`](crate::Client::fetch_link) and [`Client::stat_link`](crate::Client::stat_link).
    FetchLink,
    /// [`Client::register_administrator`](crate::Client::register_administrator).
    RegisterAdministrator,
    /// [`Client::list_administrators`](crate::Client::list_administrators).
    ListAdministrators,
    /// [`Client::administrator_info`](crate::Client::administrator_info).
    ReadAdministrator,
    /// [`Client::issue_administrator_token`](crate::Client::issue_administrator_token).
    IssueAdministratorToken,
    /// [`Client::revoke_administrator_token`](crate::Client::revoke_administrator_token).
    RevokeAdministratorToken,
    /// [`Client::delete_administrator`](crate::Client::delete_administrator).
    DeleteAdministrator,
    /// Creating a collection.
    CreateCollection,
    /// Reading a collection.
    ReadCollection,
    /// Listing collections.
    ListCollections,
    /// Listing the files of a collection.
    ListFiles,
    /// Sealing a collection.
    SealCollection,
    /// Reading the manifest of a collection.
    ReadManifest,
    /// Deleting a collection.
    DeleteCollection,
    /// Deleting a file of a collection.
    DeleteFile,
    /// [`Client::quota`](crate::Client::quota).
    ReadQuota,
    /// [`Client::set_quota`](crate::Client::set_quota).
    SetQuota,
    /// [`Client::remove_quota`](crate::Client::remove_quota).
    RemoveQuota,
    /// [`Client::list_quotas`](crate::Client::list_quotas).
    ListQuotas,
    /// [`Client::receipt`](crate::Client::receipt).
    ReadReceipt,
}

impl Operation {
    /// Returns the name of the operation in messages.
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
            Self::RevokeToken => "revoke token",
            Self::DeleteWorker => "delete worker",
            Self::RegisterGroup => "register group",
            Self::ListGroups => "list groups",
            Self::ReadGroup => "read group",
            Self::AddMember => "add member",
            Self::RemoveMember => "remove member",
            Self::DeleteGroup => "delete group",
            Self::ListArtifacts => "list artifacts",
            Self::ReadArtifact => "read artifact",
            Self::RemoveArtifact => "delete artifact",
            Self::PlaceHold => "hold artifact",
            Self::ReleaseHold => "release artifact",
            Self::ReadUsage => "read usage",
            Self::ReadRetention => "read retention",
            Self::SetRetention => "set retention",
            Self::CreateGrant => "grant",
            Self::ListGrants => "list grants",
            Self::RevokeGrant => "revoke grant",
            Self::CreateLink => "make link",
            Self::ListLinks => "list links",
            Self::RevokeLink => "revoke link",
            Self::FetchLink => "fetch through link",
            Self::RegisterAdministrator => "register administrator",
            Self::ListAdministrators => "list administrators",
            Self::ReadAdministrator => "read administrator",
            Self::IssueAdministratorToken => "issue administrator token",
            Self::RevokeAdministratorToken => "revoke administrator token",
            Self::DeleteAdministrator => "delete administrator",
            Self::CreateCollection => "create collection",
            Self::ReadCollection => "read collection",
            Self::ListCollections => "list collections",
            Self::ListFiles => "list files",
            Self::SealCollection => "seal collection",
            Self::ReadManifest => "read manifest",
            Self::DeleteCollection => "delete collection",
            Self::DeleteFile => "delete file",
            Self::ReadQuota => "read quota",
            Self::SetQuota => "set quota",
            Self::RemoveQuota => "remove quota",
            Self::ListQuotas => "list quotas",
            Self::ReadReceipt => "read receipt",
        }
    }

    /// Returns the message for a 404.
    pub(crate) const fn not_found_text(self) -> &'static str {
        match self {
            Self::Fetch
            | Self::Stat
            | Self::ReadArtifact
            | Self::RemoveArtifact
            | Self::PlaceHold
            | Self::ReleaseHold => "there is no such artifact",
            Self::CreateGrant => {
                "there is no such artifact, collection, worker or group, or the server shares nothing"
            }
            Self::ListGrants => {
                "there is no such artifact or collection, or the server shares nothing"
            }
            Self::CreateLink | Self::ListLinks => {
                "there is no such artifact, or the server shares nothing"
            }
            Self::RevokeGrant => "there is no such artifact or collection, or it has no such grant",
            Self::RevokeLink => "there is no such artifact, or it has no such link",
            Self::FetchLink => "there is no such link, or it does not work any more",
            Self::ReadWorker | Self::ReissueCredential | Self::RevokeToken | Self::DeleteWorker => {
                "there is no such worker"
            }
            Self::ReadQuota | Self::SetQuota | Self::RemoveQuota => {
                "there is no such worker, or the server keeps no quotas"
            }
            Self::ReadReceipt => {
                "there is no such artifact, it is not in the log of receipts, or the server has no receipts"
            }
            Self::ReadGroup | Self::AddMember | Self::RemoveMember | Self::DeleteGroup => {
                "there is no such group"
            }
            Self::ReadAdministrator
            | Self::IssueAdministratorToken
            | Self::RevokeAdministratorToken
            | Self::DeleteAdministrator => "there is no such administrator",
            Self::ReadCollection
            | Self::ListFiles
            | Self::SealCollection
            | Self::DeleteCollection => "there is no such collection",
            Self::ReadManifest => "there is no such collection, or it is not sealed",
            Self::DeleteFile => "there is no such file",
            // An artifact server has these paths, or does not support the operation.
            Self::Configure
            | Self::Deposit
            | Self::ReadExperiment
            | Self::Whoami
            | Self::RegisterWorker
            | Self::ListWorkers
            | Self::RegisterGroup
            | Self::ListGroups
            | Self::ListArtifacts
            | Self::ReadUsage
            | Self::ReadRetention
            | Self::SetRetention
            | Self::CreateCollection
            | Self::ListCollections
            | Self::RegisterAdministrator
            | Self::ListAdministrators
            | Self::ListQuotas => {
                "there is no artifact server at this address, or it does not support this operation"
            }
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
