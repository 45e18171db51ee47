//! Every endpoint with every sender and every target, generated from the list of endpoints.

use artifact_http::{Endpoint, HttpAudit, HttpConfig, endpoints};
use artifact_store::{
    AccessGrant, AccessLink, AdministratorId, ArtifactId, CollectionId, GrantId, GrantSubject,
    GroupId, LinkId, LinkSecret, PrincipalId, Timestamp, WorkerId,
};
use axum::body::Body;
use http::{Method, Request};
use serde_json::{Value, json};

use crate::support::{
    ADMIN_SECRET, Audited, BOUNDARY, Community, ELSEWHERE, ExpectedLine, FILE, HOME, Member,
    fetch_path, form,
};

/// The sender of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sender {
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
    const ALL: [Self; 15] = [
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

    fn is_known(self) -> bool {
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

    fn is_admin(self) -> bool {
        matches!(self, Self::Admin | Self::NamedAdministrator)
    }

    /// Whether the read rule lets it read everything in the first experiment.
    fn reads_all(self) -> bool {
        self.is_admin() || matches!(self, Self::Direct | Self::Nested)
    }

    fn is_foreign(self) -> bool {
        matches!(self, Self::Foreigner | Self::ForeignAdmin)
    }
}

/// The artifact, worker or group that the request names, in the first experiment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    Absent,
    Own,
    /// The administrator's artifact; for workers and groups the same as `Own`.
    Admins,
    /// An artifact, worker or group of the other experiment, or an administrator that was deleted.
    Foreign,
    /// The administrator's artifact, with a grant to the worker `Neighbour`; for workers and groups the same as `Own`, as the
    /// following ones.
    Granted,
    /// With a grant to a group of `Neighbour`.
    GrantedToGroup,
    /// With a grant to a group that contains a group of `Neighbour`.
    GrantedToOuterGroup,
    /// With a grant to `Neighbour` that has expired.
    GrantExpired,
    /// With a grant to `Neighbour` that was revoked.
    GrantRevoked,
}

impl Target {
    const ALL: [Self; 9] = [
        Self::Absent,
        Self::Own,
        Self::Admins,
        Self::Foreign,
        Self::Granted,
        Self::GrantedToGroup,
        Self::GrantedToOuterGroup,
        Self::GrantExpired,
        Self::GrantRevoked,
    ];

    fn is_here(self) -> bool {
        !matches!(self, Self::Absent | Self::Foreign)
    }

    /// Returns whether `Neighbour` may read it by a grant.
    fn is_granted(self) -> bool {
        matches!(
            self,
            Self::Granted | Self::GrantedToGroup | Self::GrantedToOuterGroup
        )
    }
}

/// Returns whether the sender has the rights of the depositor or of an administrator on the artifact.
fn owns(sender: Sender, target: Target) -> bool {
    sender.reads_all() || (sender == Sender::Owner && target == Target::Own)
}

fn may_read(sender: Sender, target: Target) -> bool {
    owns(sender, target) || (sender == Sender::Neighbour && target.is_granted())
}

/// The status that the protocol demands. An endpoint that is missing here fails the test.
fn expected(endpoint: &Endpoint, sender: Sender, target: Target) -> u16 {
    let (for_admin, for_worker) = match endpoint.id {
        "readExperiment" | "deposit" | "depositContent" | "fetch" | "fetchContent"
        | "listWorkers" | "readWorker" | "listGroups" | "readGroup" | "listArtifacts"
        | "readArtifact" | "deleteArtifact" | "readUsage" | "readRetention"
        | "readManagedWorker" | "createGrant" | "listGrants" | "revokeGrant" | "createLink"
        | "listLinks" | "revokeLink" | "describeUploads" | "createUpload" | "readUpload"
        | "appendUpload" | "endUpload" | "createCollection" | "listCollections"
        | "readCollection" | "deleteCollection" | "listFiles" | "putFile" | "fetchFile"
        | "deleteFile" | "sealCollection" | "readManifest" => (true, true),
        // Every sender that knows the link, whatever it may do otherwise.
        "fetchLink" => return if target == Target::Absent { 404 } else { 200 },
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
    };
    if !sender.is_known() {
        return 401;
    }
    let is_admin = sender.is_admin();
    if sender.is_foreign() || !(if is_admin { for_admin } else { for_worker }) {
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
    let is_allowed = match endpoint.id {
        // The owner and the administrators change a collection.
        "deleteArtifact" | "putFile" | "deleteFile" | "deleteCollection" | "sealCollection" => {
            is_admin || (sender == Sender::Owner && target == Target::Own)
        }
        "readArtifact" | "fetchContent" | "fetch" => may_read(sender, target),
        // Collections have no grants.
        "createGrant" | "listGrants" | "revokeGrant" | "createLink" | "listLinks"
        | "revokeLink" | "readCollection" | "listFiles" | "fetchFile" | "readManifest" => {
            owns(sender, target)
        }
        _ => true,
    };
    if !is_allowed {
        return 403;
    }
    success(endpoint)
}

/// The status of a request that is allowed and names what is there.
fn success(endpoint: &Endpoint) -> u16 {
    match endpoint.id {
        "deposit"
        | "depositContent"
        | "registerManagedWorker"
        | "registerAdministrator"
        | "createGrant"
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
        | "revokeLink"
        | "describeUploads"
        | "deleteFile"
        | "deleteCollection" => 204,
        _ => 200,
    }
}

/// Returns the id of the artifact of a URI.
fn id_of(uri: &str) -> ArtifactId {
    uri.rsplit('/').next().unwrap().parse().unwrap()
}

struct World {
    community: Community,
    members: Vec<(Sender, Option<Member>)>,
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
    async fn new(config: HttpConfig) -> Self {
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

    /// Returns the secrets of all senders.
    fn secrets(&self) -> Vec<String> {
        let known = self
            .members
            .iter()
            .filter_map(|(_, member)| member.as_ref());
        let known = known.map(|member| member.secret.clone());
        let mut secrets: Vec<_> = known.collect();
        secrets.push(ADMIN_SECRET.to_owned());
        secrets
    }

    /// Deposits an artifact and makes its grant. Returns its URI.
    async fn artifact(&self, target: Target) -> String {
        let uri = match target {
            Target::Absent => format!("eden://artifacts/{}", "0".repeat(32)),
            Target::Own => self.community.put(&self.owner).await,
            Target::Foreign => self.community.put(&self.foreign_owner).await,
            _ => self.community.put(&Member::admin()).await,
        };
        let grantee = match target {
            Target::Granted | Target::GrantExpired | Target::GrantRevoked => {
                &self.neighbour.principal
            }
            Target::GrantedToGroup => &self.groups[0],
            Target::GrantedToOuterGroup => &self.groups[1],
            _ => return uri,
        };
        let expired = (target == Target::GrantExpired).then(|| Timestamp::from_second(1).unwrap());
        let grant = self.grant(&uri, HOME, grantee, expired).await;
        if target == Target::GrantRevoked {
            let sharing = &self.community.database.sharing;
            let revoked = sharing.delete_grant(&grant.subject, grant.id).await;
            revoked.unwrap();
        }
        uri
    }

    async fn grant(
        &self,
        uri: &str,
        home: &str,
        grantee: &str,
        expires_at: Option<Timestamp>,
    ) -> AccessGrant {
        let grant = AccessGrant::new(
            GrantId::mint(),
            home.parse().unwrap(),
            GrantSubject::Artifact(id_of(uri)),
            grantee.parse().unwrap(),
            Timestamp::now(),
            PrincipalId::Admin,
        )
        .with_expires_at(expires_at);
        let inserted = self.community.database.sharing.insert_grant(&grant).await;
        inserted.unwrap();
        grant
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
            let grant = match target {
                Target::Absent => GrantId::mint(),
                Target::Foreign => self.grant(&uri, home, &self.foreigner, None).await.id,
                _ => self.grant(&uri, home, &self.spare, None).await.id,
            };
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
    async fn path(&self, endpoint: &Endpoint, target: Target) -> String {
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
            let (owner, home) = match target {
                Target::Absent | Target::Own => (self.owner.clone(), HOME),
                Target::Foreign => (self.foreign_owner.clone(), ELSEWHERE),
                _ => (Member::admin(), HOME),
            };
            let collection = match target {
                Target::Absent => CollectionId::mint().to_string(),
                _ => {
                    self.collection(home, &owner, endpoint.id == "readManifest")
                        .await
                }
            };
            let name = if endpoint.id == "putFile" {
                "new/b"
            } else {
                "a"
            };
            let path = endpoint.path.replace("{E}", HOME);
            return path.replace("{C}", &collection).replace("{F}", name);
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

    /// Makes a collection with one file.
    async fn collection(&self, home: &str, owner: &Member, is_sealed: bool) -> String {
        let community = &self.community;
        let created = community
            .manage_in(home, Method::POST, "/collections", owner, "")
            .await;
        let id = created.json()["id"].as_str().unwrap().to_owned();
        let path = format!("/collections/{id}");
        let file = format!("{path}/files/a");
        let file = community.manage_in(home, Method::PUT, &file, owner, "y");
        assert_eq!(file.await.status, 201);
        if is_sealed {
            let seal = format!("{path}/seal");
            let seal = community.manage_in(home, Method::POST, &seal, owner, "");
            assert_eq!(seal.await.status, 200);
        }
        id
    }

    fn request(
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
            "createGrant" => {
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

#[tokio::test]
async fn statuses_match_the_table() {
    let mut audited = Audited::new();
    let audit = HttpAudit::new(audited.log.clone());
    let world = World::new(HttpConfig::default().with_audit(audit)).await;
    let mut secrets = world.secrets();
    let mut seen = 0;
    for target in Target::ALL {
        for endpoint in endpoints() {
            for (sender, member) in &world.members {
                let mut methods = vec![endpoint.method.clone()];
                if endpoint.method == Method::GET {
                    methods.push(Method::HEAD);
                }
                for method in methods {
                    let path = world.path(endpoint, target).await;
                    let mut request =
                        world.request(endpoint, method.clone(), &path, member.as_ref());
                    audited.name(&mut request);
                    secrets.extend(secret_of(endpoint, &path));
                    let reply = world.community.send(request).await;
                    let why = format!("{method} {} by {sender:?} of {target:?}", endpoint.path);
                    let expected = expected(endpoint, *sender, target);
                    assert_eq!(reply.status, expected, "{why}: {}", reply.text());
                    secrets.extend(secrets_in(&reply.body));
                    let member = member.as_ref().filter(|_| sender.is_known());
                    audited.expect(expected_line(endpoint, &method, &path, member, expected));
                    if !reply.status.is_success() && method != Method::HEAD {
                        let kind = match expected {
                            401 => "unauthorized",
                            403 => "forbidden",
                            _ => "not-found",
                        };
                        reply.assert_problem(expected, kind, &why);
                    }
                    seen += 1;
                }
            }
        }
    }
    let with_head = endpoints()
        .iter()
        .filter(|each| each.method == Method::GET)
        .count();
    assert_eq!(
        seen,
        Target::ALL.len() * Sender::ALL.len() * (endpoints().len() + with_head)
    );
    // The lines of the audit log are generated from the same list.
    assert_eq!(audited.assert_complete(&secrets).await, seen);
}

/// Returns the secret in the path of a link.
fn secret_of(endpoint: &Endpoint, path: &str) -> Option<String> {
    let is_link = endpoint.path.contains("{L}");
    let secret = path.rsplit('/').next().filter(|_| is_link);
    secret.map(str::to_owned)
}

/// Returns the tokens and the secrets of links in a response.
fn secrets_in(body: &[u8]) -> Vec<String> {
    let Ok(json) = serde_json::from_slice::<Value>(body) else {
        return Vec::new();
    };
    let token = json["registration_token"].as_str();
    let link = json["url"].as_str().and_then(|url| url.rsplit('/').next());
    token.into_iter().chain(link).map(str::to_owned).collect()
}

/// Returns what the audit log must say about a request.
fn expected_line(
    endpoint: &Endpoint,
    method: &Method,
    path: &str,
    member: Option<&Member>,
    status: u16,
) -> ExpectedLine {
    let is_link = endpoint.id == "fetchLink";
    // A link needs no credential, and the line of one that sends one does not name it.
    let principal = member
        .filter(|_| !is_link)
        .map(|member| member.principal.clone());
    let is_authenticated = principal.is_some();
    let mut members = Vec::new();
    for (letter, name) in [
        ("{E}", "experiment"),
        ("{A}", "artifact"),
        ("{N}", "grant"),
        ("{K}", "link"),
        ("{W}", "worker"),
        ("{G}", "group"),
        ("{U}", "upload"),
        ("{O}", "administrator"),
        ("{C}", "collection"),
    ] {
        if let Some(at) = endpoint.path.split('/').position(|part| part == letter) {
            let segment = path.split('/').nth(at).unwrap().to_owned();
            members.push((name, is_authenticated.then_some(segment)));
        }
    }
    // The name of a file can be personal data.
    members.push(("file", None));
    ExpectedLine {
        action: endpoint.id,
        method: method.to_string(),
        status,
        principal,
        members,
    }
}

#[tokio::test]
async fn ill_formed_ids_are_not_found_for_every_sender_and_method() {
    let community = Community::new().await;
    let worker = community.register(HOME).await;
    let group = community.group(HOME, &[]).await;
    let artifact = "4f2a9c0de1b83756a0c4d2f19e7b6385";
    let (grant, link) = (GrantId::mint(), LinkId::mint());
    let (grant, link) = (grant.as_str(), link.as_str());
    let collection = "col_4f2a9c0de1b83756a0c4d2f19e7b6385";
    for endpoint in endpoints() {
        let Some((base, under)) = endpoint.path.split_once("/experiments/{E}") else {
            continue;
        };
        if !under.contains('{') {
            continue;
        }
        let good = under
            .replace("{W}", &worker.principal)
            .replace("{G}", &group)
            .replace("{M}", &worker.principal)
            .replace("{A}", artifact)
            .replace("{N}", grant)
            .replace("{K}", link)
            .replace("{U}", artifact)
            .replace("{C}", collection)
            .replace("{F}", "a/b");
        // One that the path does not support.
        let wrong = if under.contains("{U}") {
            Method::PUT
        } else {
            Method::PATCH
        };
        let ask = async |method, path: &str, sender| match base {
            "/v1" => community.manage_in(HOME, method, path, sender, "{").await,
            _ => community.ask_in(HOME, method, path, sender, "{").await,
        };
        let admin = Member::admin();
        for id in [&worker.principal, &group, artifact, grant, link, collection] {
            for bad in [
                &id[1..],
                &id.to_uppercase(),
                &format!("{id}0"),
                "%77kr_",
                "x",
                "",
            ] {
                let path = good.replace(id, bad);
                if path == good {
                    continue;
                }
                for sender in [&admin, &worker] {
                    for method in [endpoint.method.clone(), wrong.clone()] {
                        let reply = ask(method, &path, sender).await;
                        reply.assert_problem(404, "not-found", &path);
                    }
                }
            }
        }
        let reply = ask(wrong, &good, &worker).await;
        reply.assert_problem(405, "about:blank", &good);
    }
}
