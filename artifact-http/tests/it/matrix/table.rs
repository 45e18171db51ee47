//! The statuses that the protocol demands.

use artifact_http::Endpoint;

use super::sender::Sender;
use super::target::Target;

/// Returns whether the sender has the rights of the depositor or of an administrator on the artifact.
fn owns(sender: Sender, target: Target) -> bool {
    sender.reads_all() || (sender == Sender::Owner && target == Target::Own)
}

fn may_read(sender: Sender, target: Target) -> bool {
    owns(sender, target) || (sender == Sender::Neighbour && target.is_granted())
}

/// Returns the status that the protocol demands.
pub(super) fn expected(endpoint: &Endpoint, sender: Sender, target: Target) -> u16 {
    if endpoint.id == "fetchLink" {
        // Every sender that knows the link, whatever it may do otherwise.
        return if target == Target::Absent { 404 } else { 200 };
    }
    let (for_admin, for_worker) = classes(endpoint);
    if !sender.is_known() {
        return 401;
    }
    let is_admin = sender.is_admin();
    if sender.is_foreign() || !(if is_admin { for_admin } else { for_worker }) {
        return 403;
    }
    // The rule of M-17.
    let reads_quota = ["readQuota", "listQuotas", "readWorkerQuota"].contains(&endpoint.id);
    if reads_quota && !sender.reads_all() {
        return 403;
    }
    let names_one = ["{W}", "{G}", "{A}", "{O}", "{C}"]
        .iter()
        .any(|id| endpoint.path.contains(id));
    if names_one && !target.is_here() {
        return 404;
    }
    if endpoint.path.contains("{U}") {
        // For everyone but its creator, an upload does not exist.
        let is_creator = match target {
            Target::Admins => sender == Sender::Admin,
            Target::Absent | Target::Foreign => false,
            // Uploads have no grants.
            _ => sender == Sender::Owner,
        };
        return match endpoint.id {
            _ if !is_creator => 404,
            "readUpload" => 200,
            _ => 204,
        };
    }
    if endpoint.id == "fetch" && !target.is_here() {
        return 404;
    }
    if !is_allowed(endpoint, sender, target) {
        return 403;
    }
    success(endpoint)
}

/// Returns whether administrators and workers may use an endpoint. One that is missing here fails the test.
fn classes(endpoint: &Endpoint) -> (bool, bool) {
    match endpoint.id {
        "readExperiment"
        | "deposit"
        | "depositContent"
        | "fetch"
        | "fetchContent"
        | "listWorkers"
        | "readWorker"
        | "listGroups"
        | "readGroup"
        | "listArtifacts"
        | "readArtifact"
        | "readReceipt"
        | "deleteArtifact"
        | "readUsage"
        | "readRetention"
        | "readManagedWorker"
        | "createGrant"
        | "listGrants"
        | "revokeGrant"
        | "createLink"
        | "listLinks"
        | "revokeLink"
        | "describeUploads"
        | "createUpload"
        | "readUpload"
        | "appendUpload"
        | "endUpload"
        | "describeDeposits"
        | "createCollection"
        | "listCollections"
        | "readCollection"
        | "deleteCollection"
        | "listFiles"
        | "putFile"
        | "fetchFile"
        | "deleteFile"
        | "sealCollection"
        | "readManifest"
        | "createCollectionGrant"
        | "listCollectionGrants"
        | "revokeCollectionGrant"
        | "readQuota"
        | "listQuotas"
        | "readWorkerQuota" => (true, true),
        "whoami" => (false, true),
        "registerWorker"
        | "reissueCredential"
        | "registerGroup"
        | "deleteGroup"
        | "addMember"
        | "removeMember"
        | "createExperiment"
        | "listExperiments"
        | "holdArtifact"
        | "releaseArtifact"
        | "setRetention"
        | "setQuota"
        | "removeQuota"
        | "setWorkerQuota"
        | "removeWorkerQuota"
        | "registerManagedWorker"
        | "deleteWorker"
        | "issueToken"
        | "revokeToken"
        | "registerAdministrator"
        | "listAdministrators"
        | "readAdministrator"
        | "deleteAdministrator"
        | "issueAdministratorToken"
        | "revokeAdministratorToken" => (true, false),
        other => panic!("add the access rule of {other} to this table"),
    }
}

/// Returns whether a sender of the experiment, whose class may use the endpoint, may use it on what is there.
fn is_allowed(endpoint: &Endpoint, sender: Sender, target: Target) -> bool {
    match endpoint.id {
        // The owner and the administrators change a collection.
        "deleteArtifact" | "putFile" | "deleteFile" | "deleteCollection" | "sealCollection" => {
            sender.is_admin() || (sender == Sender::Owner && target == Target::Own)
        }
        "readArtifact" | "readReceipt" | "fetchContent" | "fetch" | "readCollection"
        | "listFiles" | "fetchFile" | "readManifest" => may_read(sender, target),
        "createGrant"
        | "listGrants"
        | "revokeGrant"
        | "createLink"
        | "listLinks"
        | "revokeLink"
        | "createCollectionGrant"
        | "listCollectionGrants"
        | "revokeCollectionGrant" => owns(sender, target),
        _ => true,
    }
}

/// The status of a request that is allowed and names what is there.
fn success(endpoint: &Endpoint) -> u16 {
    match endpoint.id {
        "deposit"
        | "depositContent"
        | "registerManagedWorker"
        | "registerAdministrator"
        | "createGrant"
        | "createCollectionGrant"
        | "createLink"
        | "createUpload"
        | "createCollection"
        | "putFile" => 201,
        "deleteGroup"
        | "holdArtifact"
        | "releaseArtifact"
        | "setRetention"
        | "deleteWorker"
        | "revokeToken"
        | "deleteAdministrator"
        | "revokeAdministratorToken"
        | "deleteArtifact"
        | "revokeGrant"
        | "revokeCollectionGrant"
        | "revokeLink"
        | "describeUploads"
        | "describeDeposits"
        | "deleteFile"
        | "deleteCollection"
        | "setQuota"
        | "removeQuota"
        | "setWorkerQuota"
        | "removeWorkerQuota" => 204,
        _ => 200,
    }
}
