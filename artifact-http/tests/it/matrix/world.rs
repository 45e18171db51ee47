//! A deployment with every sender and every target.

use artifact_http::{Endpoint, HttpConfig};
use artifact_store::{
    AccessGrant, AccessLink, AdministratorId, ArtifactId, CollectionId, GrantId, GrantSubject,
    GroupId, LinkId, LinkSecret, PrincipalId, Timestamp, WorkerId,
};
use axum::body::Body;
use http::{Method, Request};
use serde_json::json;

use super::sender::Sender;
use super::target::Target;
use crate::support::{BOUNDARY, Community, ELSEWHERE, FILE, HOME, Member, fetch_path, form};

/// Returns the subject of grants of a collection.
fn subject_of(collection: &str) -> GrantSubject {
    GrantSubject::Collection(collection.parse().unwrap())
}

/// Returns the id of the artifact of a URI.
fn id_of(uri: &str) -> ArtifactId {
    uri.rsplit('/').next().unwrap().parse().unwrap()
}

pub(super) struct World {
    pub(super) community: Community,
    pub(super) members: Vec<(Sender, Option<Member>)>,
    /// What `fetch` is asked for, by target.
    artifacts: Vec<String>,
    owner: Member,
    foreign_owner: Member,
    neighbour: Member,
    /// A group of the neighbour, and a group that contains that group.
    groups: [String; 2],
    /// A worker whose credential is reissued; it sends no requests.
    spare: String,
    foreigner: String,
    /// A named administrator that sends no requests, and one that was deleted.
    administrators: [String; 2],
}

impl World {
    pub(super) async fn new(config: HttpConfig) -> Self {
        let community = Community::with_many_uploads(config).await;
        let mut workers = Vec::new();
        for home in [HOME, HOME, HOME, HOME, HOME, HOME, ELSEWHERE, ELSEWHERE] {
            workers.push(community.register(home).await);
        }
        let [
            owner,
            neighbour,
            direct,
            nested,
            orchestrator,
            spare,
            foreigner,
            foreign_admin,
        ] = workers.try_into().unwrap();
        let admins = community.founding(HOME, "admins").await;
        let inner = community.group(HOME, &[&nested.principal]).await;
        let outer = community.group(HOME, &[&inner]).await;
        community.add(HOME, &admins, &direct.principal).await;
        community.add(HOME, &admins, &outer).await;
        let run = community.founding(HOME, "orchestrators").await;
        community.add(HOME, &run, &orchestrator.principal).await;
        let others = community.founding(ELSEWHERE, "admins").await;
        community
            .add(ELSEWHERE, &others, &foreign_admin.principal)
            .await;
        // Membership in a group of another experiment grants nothing.
        community.add(HOME, &admins, &foreigner.principal).await;

        let own_group = community.group(HOME, &[&neighbour.principal]).await;
        let outer_group = community.group(HOME, &[&own_group]).await;
        let named = community.administrator("named").await;
        let revoked = community.administrator("revoked").await;
        let gone = community.administrator("gone").await;
        let other = community.administrator("other").await;
        let revoke = format!("/administrators/{}/token", revoked.principal);
        let delete = format!("/administrators/{}", gone.principal);
        for path in [revoke, delete] {
            let admin = Member::admin();
            let reply = community
                .deploy(Method::DELETE, &path, &admin, Body::empty())
                .await;
            assert_eq!(reply.status, 204, "{path}: {}", reply.text());
        }
        let administrators = [other.principal, gone.principal.clone()];
        let spare = spare.principal;
        let foreign_id = foreigner.principal.clone();
        let (artifact_owner, foreign_owner) = (owner.clone(), foreigner.clone());
        let granted_to = neighbour.clone();
        let members = Sender::ALL.map(|sender| {
            let member = match sender {
                Sender::Anonymous => None,
                Sender::WrongAdmin => Some(Member::new("admin", &owner.secret, HOME)),
                Sender::WrongWorker => Some(Member::new(&owner.principal, &neighbour.secret, HOME)),
                Sender::Unknown => {
                    let absent = WorkerId::mint();
                    Some(Member::new(absent.as_str(), &owner.secret, HOME))
                }
                Sender::RevokedAdministrator => Some(revoked.clone()),
                Sender::DeletedAdministrator => Some(gone.clone()),
                Sender::Admin => Some(Member::admin()),
                Sender::NamedAdministrator => Some(named.clone()),
                Sender::Owner => Some(owner.clone()),
                Sender::Neighbour => Some(neighbour.clone()),
                Sender::Direct => Some(direct.clone()),
                Sender::Nested => Some(nested.clone()),
                Sender::Orchestrator => Some(orchestrator.clone()),
                Sender::Foreigner => Some(foreigner.clone()),
                Sender::ForeignAdmin => Some(foreign_admin.clone()),
            };
            (sender, member)
        });
        let mut world = Self {
            community,
            members: members.into(),
            artifacts: Vec::new(),
            owner: artifact_owner,
            foreign_owner,
            neighbour: granted_to,
            groups: [own_group, outer_group],
            spare,
            foreigner: foreign_id,
            administrators,
        };
        for target in Target::ALL {
            let uri = world.artifact(target).await;
            world.artifacts.push(uri);
        }
        world
    }

    /// Deposits an artifact and makes its grant. Returns its URI.
    async fn artifact(&self, target: Target) -> String {
        let uri = match target {
            Target::Absent => format!("eden://artifacts/{}", "0".repeat(32)),
            Target::Own => self.community.put(&self.owner).await,
            Target::Foreign => self.community.put(&self.foreign_owner).await,
            Target::InGrantedCollection | Target::InCollectionGrantRevoked => {
                let (collection, uri) = self.collection(HOME, &Member::admin(), false).await;
                self.grant_of_target(target, subject_of(&collection)).await;
                return uri;
            }
            _ => self.community.put(&Member::admin()).await,
        };
        let subject = GrantSubject::Artifact(id_of(&uri));
        self.grant_of_target(target, subject).await;
        uri
    }

    /// Makes the grant that a target has, if it has one.
    async fn grant_of_target(&self, target: Target, subject: GrantSubject) {
        let grantee = match target {
            Target::Granted
            | Target::GrantExpired
            | Target::GrantRevoked
            | Target::InGrantedCollection
            | Target::InCollectionGrantRevoked => &self.neighbour.principal,
            Target::GrantedToGroup => &self.groups[0],
            Target::GrantedToOuterGroup => &self.groups[1],
            _ => return,
        };
        let expired = (target == Target::GrantExpired).then(|| Timestamp::from_second(1).unwrap());
        let grant = self.grant(subject, HOME, grantee, expired).await;
        if matches!(
            target,
            Target::GrantRevoked | Target::InCollectionGrantRevoked
        ) {
            let sharing = &self.community.database.sharing;
            let revoked = sharing.delete_grant(&grant.subject, grant.id).await;
            revoked.unwrap();
        }
    }

    async fn grant(
        &self,
        subject: GrantSubject,
        home: &str,
        grantee: &str,
        expires_at: Option<Timestamp>,
    ) -> AccessGrant {
        let grant = AccessGrant::new(
            GrantId::mint(),
            home.parse().unwrap(),
            subject,
            grantee.parse().unwrap(),
            Timestamp::now(),
            PrincipalId::Admin,
        )
        .with_expires_at(expires_at);
        let inserted = self.community.database.sharing.insert_grant(&grant).await;
        inserted.unwrap();
        grant
    }

    /// Returns the id of a grant of a target to a worker that sends no requests.
    async fn spare_grant(&self, target: Target, subject: GrantSubject) -> GrantId {
        match target {
            Target::Absent => GrantId::mint(),
            Target::Foreign => {
                let grant = self.grant(subject, ELSEWHERE, &self.foreigner, None);
                grant.await.id
            }
            _ => self.grant(subject, HOME, &self.spare, None).await.id,
        }
    }

    /// Makes a link to an artifact. Returns its id and its secret.
    async fn link(&self, uri: &str, home: &str) -> (LinkId, String) {
        let secret = LinkSecret::mint();
        let link = AccessLink::new(
            LinkId::mint(),
            home.parse().unwrap(),
            id_of(uri),
            Timestamp::now(),
            PrincipalId::Admin,
            Timestamp::from_second(4_000_000_000).unwrap(),
        );
        let sharing = &self.community.database.sharing;
        let inserted = sharing.insert_link(&link, &secret.digest()).await;
        inserted.unwrap();
        (link.id, secret.expose())
    }

    /// Returns the path of an endpoint of an artifact, or of a link to it.
    async fn artifact_path(&self, endpoint: &Endpoint, target: Target) -> String {
        let uri = self.artifact(target).await;
        let mut path = endpoint.path.replace("{E}", HOME);
        path = path.replace("{A}", &id_of(&uri).to_string());
        let home = if target == Target::Foreign {
            ELSEWHERE
        } else {
            HOME
        };
        if path.contains("{N}") {
            let subject = GrantSubject::Artifact(id_of(&uri));
            let grant = self.spare_grant(target, subject).await;
            path = path.replace("{N}", grant.as_str());
        }
        if path.contains("{K}") || path.contains("{L}") {
            let (id, secret) = match target {
                Target::Absent => (LinkId::mint(), LinkSecret::mint().expose()),
                _ => self.link(&uri, home).await,
            };
            path = path.replace("{K}", id.as_str()).replace("{L}", &secret);
        }
        path
    }

    /// Returns the path of an endpoint for a target. Each request gets a new group, artifact or worker if it may
    /// delete it.
    pub(super) async fn path(&self, endpoint: &Endpoint, target: Target) -> String {
        if endpoint.id == "fetch" {
            let at = Target::ALL.iter().position(|each| *each == target).unwrap();
            return fetch_path(HOME, &self.artifacts[at]);
        }
        if endpoint.path.contains("{A}") || endpoint.path.contains("{L}") {
            return self.artifact_path(endpoint, target).await;
        }
        if endpoint.path.contains("{U}") {
            let id = match target {
                Target::Absent => "0".repeat(32),
                Target::Admins => self.community.begin_upload(&Member::admin()).await,
                Target::Foreign => self.community.begin_upload(&self.foreign_owner).await,
                _ => self.community.begin_upload(&self.owner).await,
            };
            return endpoint.path.replace("{E}", HOME).replace("{U}", &id);
        }
        if endpoint.path.contains("{O}") {
            let [other, gone] = &self.administrators;
            let id = match target {
                Target::Absent => AdministratorId::mint().to_string(),
                Target::Foreign => gone.clone(),
                _ if endpoint.id == "deleteAdministrator" => {
                    self.community.administrator("short-lived").await.principal
                }
                _ => other.clone(),
            };
            return endpoint.path.replace("{O}", &id);
        }
        if endpoint.path.contains("{C}") {
            return self.collection_path(endpoint, target).await;
        }
        let worker = match target {
            Target::Absent => WorkerId::mint().to_string(),
            Target::Foreign => self.foreigner.clone(),
            _ if endpoint.id == "deleteWorker" => self.community.register(HOME).await.principal,
            _ => self.spare.clone(),
        };
        let mut path = endpoint.path.replace("{E}", HOME).replace("{W}", &worker);
        if path.contains("{G}") {
            let group = match target {
                Target::Absent => GroupId::mint().to_string(),
                Target::Foreign => self.community.group(ELSEWHERE, &[]).await,
                _ => self.community.group(HOME, &[&self.spare]).await,
            };
            path = path.replace("{G}", &group).replace("{M}", &self.spare);
        }
        path
    }

    /// Returns the path of an endpoint of a collection, which is a new one with the grant of the target.
    async fn collection_path(&self, endpoint: &Endpoint, target: Target) -> String {
        let (owner, home) = match target {
            Target::Absent | Target::Own => (self.owner.clone(), HOME),
            Target::Foreign => (self.foreign_owner.clone(), ELSEWHERE),
            _ => (Member::admin(), HOME),
        };
        let collection = if target == Target::Absent {
            CollectionId::mint().to_string()
        } else {
            let is_sealed = endpoint.id == "readManifest";
            self.collection(home, &owner, is_sealed).await.0
        };
        let subject = subject_of(&collection);
        self.grant_of_target(target, subject).await;
        let name = if endpoint.id == "putFile" {
            "new/b"
        } else {
            "a"
        };
        let mut path = endpoint.path.replace("{E}", HOME);
        if path.contains("{N}") {
            let grant = self.spare_grant(target, subject).await;
            path = path.replace("{N}", grant.as_str());
        }
        path.replace("{C}", &collection).replace("{F}", name)
    }

    /// Makes a collection with one file. Returns its id and the URI of the file.
    async fn collection(&self, home: &str, owner: &Member, is_sealed: bool) -> (String, String) {
        let community = &self.community;
        let created = community
            .manage_in(home, Method::POST, "/collections", owner, "")
            .await;
        let id = created.json()["id"].as_str().unwrap().to_owned();
        let path = format!("/collections/{id}");
        let file = format!("{path}/files/a");
        let file = community.manage_in(home, Method::PUT, &file, owner, "y");
        let file = file.await;
        assert_eq!(file.status, 201);
        let uri = file.json()["artifacts_uri"].as_str().unwrap().to_owned();
        if is_sealed {
            let seal = format!("{path}/seal");
            let seal = community.manage_in(home, Method::POST, &seal, owner, "");
            assert_eq!(seal.await.status, 200);
        }
        (id, uri)
    }

    pub(super) fn request(
        &self,
        endpoint: &Endpoint,
        method: Method,
        path: &str,
        member: Option<&Member>,
    ) -> Request<Body> {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(member) = member {
            request = request.header("authorization", member.authorization());
        }
        let (content_type, body) = match endpoint.id {
            "deposit" => (
                format!("multipart/form-data; boundary={BOUNDARY}"),
                Body::from(form(&[(FILE, b"y")])),
            ),
            "addMember" => {
                let body = json!({ "member_id": WorkerId::mint().as_str() });
                ("application/json".to_owned(), Body::from(body.to_string()))
            }
            "createExperiment" => {
                let body = json!({ "experiment_id": "made-meanwhile" });
                ("application/json".to_owned(), Body::from(body.to_string()))
            }
            "createGrant" | "createCollectionGrant" => {
                let body = json!({ "worker": self.spare, "expires_in": 60 });
                ("application/json".to_owned(), Body::from(body.to_string()))
            }
            "createLink" => {
                let body = json!({ "expires_in": 60, "max_downloads": 2 });
                ("application/json".to_owned(), Body::from(body.to_string()))
            }
            "registerAdministrator" => {
                let body = json!({ "name": "made-meanwhile" });
                ("application/json".to_owned(), Body::from(body.to_string()))
            }
            "depositContent" => ("text/plain".to_owned(), Body::from("y")),
            "createUpload" | "appendUpload" => {
                request = request.header("tus-resumable", "1.0.0");
                request = match endpoint.id {
                    "createUpload" => request.header("upload-length", 5),
                    _ => request.header("upload-offset", 0),
                };
                let content_type = "application/offset+octet-stream";
                (content_type.to_owned(), Body::from("y"))
            }
            "setRetention" => {
                let body = json!({ "keep_seconds": 3_600 });
                ("application/json".to_owned(), Body::from(body.to_string()))
            }
            "setQuota" | "setWorkerQuota" => {
                let body = json!({ "max_bytes": 1 << 30 });
                ("application/json".to_owned(), Body::from(body.to_string()))
            }
            _ => ("application/json".to_owned(), Body::empty()),
        };
        if !endpoint.needs_management() {
            request = request.header("x-eden-experiment-id", HOME);
        }
        request
            .header("content-type", content_type)
            .body(body)
            .unwrap()
    }
}
