//! The paths under `/v0/experiments/{E}` and `/v1/experiments/{E}`, and those under `/v1` that name no experiment, parsed
//! once into typed ids.

use artifact_audit::AuditField;
use artifact_store::{
    AdministratorId, ArtifactId, CollectionId, GrantId, GroupId, LinkId, MemberId, UploadId,
    WorkerId,
};

use crate::api::Api;
use crate::collections::NameInPath;
use crate::head::Head;

/// A resource of an experiment, without the method.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    Experiment,
    Artifacts,
    Whoami,
    Workers,
    Worker(WorkerId),
    WorkerCredential(WorkerId),
    ManagedWorkers,
    ManagedWorker(WorkerId),
    Token(WorkerId),
    Groups,
    Group(GroupId),
    Members(GroupId),
    Member(GroupId, MemberId),
    ManagedArtifacts,
    ManagedArtifact(ArtifactId),
    Content(ArtifactId),
    Hold(ArtifactId),
    Receipt(ArtifactId),
    Grants(ArtifactId),
    Grant(ArtifactId, GrantId),
    Links(ArtifactId),
    Link(ArtifactId, LinkId),
    Usage,
    Retention,
    Uploads,
    Upload(UploadId),
    Collections,
    Collection(CollectionId),
    Seal(CollectionId),
    Manifest(CollectionId),
    Files(CollectionId),
    File(CollectionId, NameInPath),
    Quota,
    Quotas,
    WorkerQuota(WorkerId),
    CollectionGrants(CollectionId),
    CollectionGrant(CollectionId, GrantId),
}

impl Route {
    /// Parses what follows the experiment in a path, such as `/workers`. The comparison is exact:
    /// nothing but the name of a file in a collection is decoded, and an ill-formed id makes the path unknown.
    pub(crate) fn parse(api: Api, rest: &str) -> Option<Self> {
        if rest.is_empty() {
            return (api == Api::Artifacts).then_some(Self::Experiment);
        }
        if api == Api::Management
            && let Some((collection, name)) = split_file(rest)
        {
            return Some(Self::File(
                collection.parse().ok()?,
                NameInPath::parse(name),
            ));
        }
        let mut segments = [""; 4];
        let mut count = 0;
        for segment in rest.strip_prefix('/')?.split('/') {
            *segments.get_mut(count)? = segment;
            count += 1;
        }
        match api {
            Api::Artifacts => Self::of_artifacts(&segments[..count]),
            Api::Management => Self::of_management(&segments[..count]),
        }
    }

    /// Records the ids of the path. The name of a file is not among them: it can be personal data.
    pub(crate) fn name_subject(&self, head: &Head) {
        match self {
            Self::Experiment
            | Self::Artifacts
            | Self::Whoami
            | Self::Workers
            | Self::ManagedWorkers
            | Self::Groups
            | Self::ManagedArtifacts
            | Self::Usage
            | Self::Retention
            | Self::Uploads
            | Self::Collections
            | Self::Quota
            | Self::Quotas => {}
            Self::Worker(worker)
            | Self::WorkerCredential(worker)
            | Self::ManagedWorker(worker)
            | Self::Token(worker)
            | Self::WorkerQuota(worker) => head.is_about(AuditField::Worker, worker),
            Self::Group(group) | Self::Members(group) => head.is_about(AuditField::Group, group),
            Self::Member(group, member) => {
                head.is_about(AuditField::Group, group);
                head.is_about(AuditField::Member, member);
            }
            Self::ManagedArtifact(id)
            | Self::Content(id)
            | Self::Hold(id)
            | Self::Receipt(id)
            | Self::Grants(id)
            | Self::Links(id) => head.is_about_artifact(*id),
            Self::Grant(id, grant) => {
                head.is_about_artifact(*id);
                head.is_about(AuditField::Grant, grant);
            }
            Self::Link(id, link) => {
                head.is_about_artifact(*id);
                head.is_about(AuditField::Link, link);
            }
            Self::Upload(upload) => head.is_about(AuditField::Upload, upload),
            Self::Collection(id)
            | Self::Seal(id)
            | Self::Manifest(id)
            | Self::Files(id)
            | Self::File(id, _)
            | Self::CollectionGrants(id) => head.is_about(AuditField::Collection, id),
            Self::CollectionGrant(id, grant) => {
                head.is_about(AuditField::Collection, id);
                head.is_about(AuditField::Grant, grant);
            }
        }
    }

    fn of_artifacts(segments: &[&str]) -> Option<Self> {
        Some(match *segments {
            ["artifacts"] => Self::Artifacts,
            ["whoami"] => Self::Whoami,
            ["workers"] => Self::Workers,
            ["workers", worker] => Self::Worker(worker.parse().ok()?),
            ["workers", worker, "reissue-credential"] => {
                Self::WorkerCredential(worker.parse().ok()?)
            }
            ["groups"] => Self::Groups,
            ["groups", group] => Self::Group(group.parse().ok()?),
            ["groups", group, "members"] => Self::Members(group.parse().ok()?),
            ["groups", group, "members", member] => {
                Self::Member(group.parse().ok()?, member.parse().ok()?)
            }
            _ => return None,
        })
    }

    fn of_management(segments: &[&str]) -> Option<Self> {
        Some(match *segments {
            ["artifacts"] => Self::ManagedArtifacts,
            ["artifacts", id] => Self::ManagedArtifact(id.parse().ok()?),
            ["artifacts", id, "content"] => Self::Content(id.parse().ok()?),
            ["artifacts", id, "hold"] => Self::Hold(id.parse().ok()?),
            ["artifacts", id, "receipt"] => Self::Receipt(id.parse().ok()?),
            ["artifacts", id, "grants"] => Self::Grants(id.parse().ok()?),
            ["artifacts", id, "grants", grant] => {
                Self::Grant(id.parse().ok()?, grant.parse().ok()?)
            }
            ["artifacts", id, "links"] => Self::Links(id.parse().ok()?),
            ["artifacts", id, "links", link] => Self::Link(id.parse().ok()?, link.parse().ok()?),
            ["workers"] => Self::ManagedWorkers,
            ["workers", worker] => Self::ManagedWorker(worker.parse().ok()?),
            ["workers", worker, "token"] => Self::Token(worker.parse().ok()?),
            ["usage"] => Self::Usage,
            ["retention"] => Self::Retention,
            ["uploads"] => Self::Uploads,
            ["uploads", id] => Self::Upload(id.parse().ok()?),
            ["collections"] => Self::Collections,
            ["collections", id] => Self::Collection(id.parse().ok()?),
            ["collections", id, "seal"] => Self::Seal(id.parse().ok()?),
            ["collections", id, "manifest"] => Self::Manifest(id.parse().ok()?),
            ["collections", id, "files"] => Self::Files(id.parse().ok()?),
            ["quota"] => Self::Quota,
            ["quotas"] => Self::Quotas,
            ["workers", worker, "quota"] => Self::WorkerQuota(worker.parse().ok()?),
            ["collections", id, "grants"] => Self::CollectionGrants(id.parse().ok()?),
            ["collections", id, "grants", grant] => {
                Self::CollectionGrant(id.parse().ok()?, grant.parse().ok()?)
            }
            _ => return None,
        })
    }
}

/// A resource of the whole deployment, without the method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DeploymentRoute {
    Experiments,
    Administrators,
    Administrator(AdministratorId),
    AdministratorToken(AdministratorId),
}

impl DeploymentRoute {
    /// Records the ids of the path.
    pub(crate) fn name_subject(&self, head: &Head) {
        match self {
            Self::Experiments | Self::Administrators => {}
            Self::Administrator(id) | Self::AdministratorToken(id) => {
                head.is_about(AuditField::Administrator, id);
            }
        }
    }

    /// Parses what follows the base path, such as `/experiments`. `None` may be a path of an experiment.
    pub(crate) fn parse(api: Api, rest: &str) -> Option<Self> {
        if api != Api::Management {
            return None;
        }
        let mut segments = rest.strip_prefix('/')?.splitn(4, '/');
        let segments = [(); 4].map(|()| segments.next());
        Some(match segments {
            [Some("experiments"), None, ..] => Self::Experiments,
            [Some("administrators"), None, ..] => Self::Administrators,
            [Some("administrators"), Some(id), None, _] => Self::Administrator(id.parse().ok()?),
            [Some("administrators"), Some(id), Some("token"), None] => {
                Self::AdministratorToken(id.parse().ok()?)
            }
            _ => return None,
        })
    }
}

/// Splits `/collections/{C}/files/{F}` into the id of the collection and the name, which is not empty.
fn split_file(rest: &str) -> Option<(&str, &str)> {
    let (collection, rest) = rest.strip_prefix("/collections/")?.split_once('/')?;
    let name = rest.strip_prefix("files/")?;
    (!name.is_empty()).then_some((collection, name))
}

#[cfg(test)]
mod tests {
    use super::{DeploymentRoute, Route};
    use crate::api::Api::{Artifacts, Management};

    const W: &str = "wkr_0123456789abcdefghjkmnpqrs";
    const G: &str = "grp_0123456789abcdefghjkmnpqrs";

    #[test]
    fn ids_are_parsed() {
        assert_eq!(Route::parse(Artifacts, ""), Some(Route::Experiment));
        assert_eq!(
            Route::parse(Artifacts, &format!("/workers/{W}")),
            Some(Route::Worker(W.parse().unwrap()))
        );
        for member in [W, G] {
            let path = format!("/groups/{G}/members/{member}");
            let expected = Route::Member(G.parse().unwrap(), member.parse().unwrap());
            assert_eq!(Route::parse(Artifacts, &path), Some(expected));
        }
    }

    #[test]
    fn paths_with_malformed_ids_or_ids_of_the_wrong_kind_are_unknown() {
        for path in [
            format!("/workers/{G}"),
            format!("/groups/{W}"),
            format!("/workers/{}", W.to_uppercase()),
            format!("/workers/{W}/"),
            format!("/workers//{W}"),
            "/".to_owned(),
            "artifacts".to_owned(),
            "/workers/".to_owned(),
            "/workers/{W}".to_owned(),
            format!("/groups/{G}/members/{}", &W[1..]),
            format!("/groups/{G}/members/{W}/x"),
        ] {
            assert_eq!(Route::parse(Artifacts, &path), None, "{path}");
            assert_eq!(Route::parse(Management, &path), None, "{path}");
        }
    }

    #[test]
    fn paths_of_the_deployment_name_no_experiment() {
        let id = "adm_0123456789abcdefghjkmnpqrs";
        let administrator = id.parse().unwrap();
        for (path, route) in [
            ("/experiments".to_owned(), DeploymentRoute::Experiments),
            (
                "/administrators".to_owned(),
                DeploymentRoute::Administrators,
            ),
            (
                format!("/administrators/{id}"),
                DeploymentRoute::Administrator(administrator),
            ),
            (
                format!("/administrators/{id}/token"),
                DeploymentRoute::AdministratorToken(administrator),
            ),
        ] {
            assert_eq!(DeploymentRoute::parse(Management, &path), Some(route));
            assert_eq!(DeploymentRoute::parse(Artifacts, &path), None, "{path}");
        }
        for path in [
            String::new(),
            "/".to_owned(),
            "/experiments/".to_owned(),
            "/administrators/".to_owned(),
            format!("/administrators/{W}"),
            format!("/administrators/{id}/"),
            format!("/administrators/{id}/tokens"),
            format!("/administrators/{id}/token/"),
            format!("/administrators/{id}/token/x"),
            format!("/administrators/{}", id.to_uppercase()),
            format!("administrators/{id}"),
        ] {
            assert_eq!(DeploymentRoute::parse(Management, &path), None, "{path}");
        }
    }

    #[test]
    fn each_part_of_the_protocol_has_its_own_paths() {
        let id = "4f2a9c0de1b83756a0c4d2f19e7b6385";
        let artifact = id.parse().unwrap();
        for (path, route) in [
            ("/usage".to_owned(), Route::Usage),
            ("/retention".to_owned(), Route::Retention),
            ("/uploads".to_owned(), Route::Uploads),
            (format!("/uploads/{id}"), Route::Upload(id.parse().unwrap())),
            (format!("/artifacts/{id}"), Route::ManagedArtifact(artifact)),
            (format!("/artifacts/{id}/hold"), Route::Hold(artifact)),
            (format!("/artifacts/{id}/content"), Route::Content(artifact)),
            ("/quota".to_owned(), Route::Quota),
            ("/quotas".to_owned(), Route::Quotas),
            (
                format!("/workers/{W}/quota"),
                Route::WorkerQuota(W.parse().unwrap()),
            ),
            (
                format!("/workers/{W}/token"),
                Route::Token(W.parse().unwrap()),
            ),
        ] {
            assert_eq!(Route::parse(Management, &path), Some(route), "{path}");
            assert_eq!(Route::parse(Artifacts, &path), None, "{path}");
        }
        let artifacts = |api| Route::parse(api, "/artifacts");
        assert_eq!(artifacts(Artifacts), Some(Route::Artifacts));
        assert_eq!(artifacts(Management), Some(Route::ManagedArtifacts));
        for path in [
            "",
            "/workers/eden",
            "/groups",
            &format!("/artifacts/{}", id.to_uppercase()),
            &format!("/artifacts/{id}/"),
            &format!("/artifacts/{}", &id[1..]),
            &format!("/artifacts/{id}/hold/x"),
            "/artifacts/",
            "/artifacts/eden:",
        ] {
            assert_eq!(Route::parse(Management, path), None, "{path}");
        }
    }
}
