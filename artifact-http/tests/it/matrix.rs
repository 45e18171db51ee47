//! Every endpoint with every sender and every target, generated from the list of endpoints.

use artifact_http::{Endpoint, endpoints};
use artifact_store::{GroupId, WorkerId};
use axum::body::Body;
use http::{Method, Request};
use serde_json::json;

use crate::support::{BOUNDARY, Community, ELSEWHERE, FILE, HOME, Member, fetch_path, form};

/// The sender of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sender {
    Anonymous,
    WrongAdmin,
    /// A registered worker with another worker's secret.
    WrongWorker,
    /// A worker that is not registered.
    Unknown,
    Admin,
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
    const ALL: [Self; 12] = [
        Self::Anonymous,
        Self::WrongAdmin,
        Self::WrongWorker,
        Self::Unknown,
        Self::Admin,
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
            Self::Anonymous | Self::WrongAdmin | Self::WrongWorker | Self::Unknown
        )
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
    /// An artifact, worker or group of the other experiment.
    Foreign,
}

impl Target {
    const ALL: [Self; 4] = [Self::Absent, Self::Own, Self::Admins, Self::Foreign];

    fn is_here(self) -> bool {
        matches!(self, Self::Own | Self::Admins)
    }
}

/// The status that the protocol demands. An endpoint that is missing here fails the test.
fn expected(endpoint: &Endpoint, sender: Sender, target: Target) -> u16 {
    let (for_admin, for_worker) = match endpoint.id {
        "readExperiment" | "deposit" | "depositContent" | "fetch" | "fetchContent"
        | "listWorkers" | "readWorker" | "listGroups" | "readGroup" | "listArtifacts"
        | "readArtifact" | "deleteArtifact" | "readUsage" | "readRetention"
        | "readManagedWorker" => (true, true),
        // Then the rule of M-17.
        "readQuota" | "listQuotas" | "readWorkerQuota" => (true, true),
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
        | "revokeToken" => (true, false),
        other => panic!("add the access rule of {other} to this table"),
    };
    if !sender.is_known() {
        return 401;
    }
    let is_admin = sender == Sender::Admin;
    if sender.is_foreign() || !(if is_admin { for_admin } else { for_worker }) {
        return 403;
    }
    let reads_quota = ["readQuota", "listQuotas", "readWorkerQuota"].contains(&endpoint.id);
    if reads_quota && !matches!(sender, Sender::Admin | Sender::Direct | Sender::Nested) {
        return 403;
    }
    let names_one = ["{W}", "{G}", "{A}"]
        .iter()
        .any(|id| endpoint.path.contains(id));
    if names_one && !target.is_here() {
        return 404;
    }
    match endpoint.id {
        "deposit" | "depositContent" | "registerManagedWorker" => 201,
        "deleteGroup" | "holdArtifact" | "releaseArtifact" | "setRetention" | "deleteWorker"
        | "revokeToken" | "setQuota" | "removeQuota" | "setWorkerQuota" | "removeWorkerQuota" => {
            204
        }
        "deleteArtifact" if is_admin || (sender == Sender::Owner && target == Target::Own) => 204,
        "deleteArtifact" => 403,
        "readArtifact" | "fetchContent" => match target {
            Target::Own if sender == Sender::Owner => 200,
            _ if matches!(sender, Sender::Admin | Sender::Direct | Sender::Nested) => 200,
            _ => 403,
        },
        "fetch" => match target {
            Target::Absent | Target::Foreign => 404,
            Target::Own if sender == Sender::Owner => 200,
            _ if matches!(sender, Sender::Admin | Sender::Direct | Sender::Nested) => 200,
            Target::Own | Target::Admins => 403,
        },
        _ => 200,
    }
}

struct World {
    community: Community,
    members: Vec<(Sender, Option<Member>)>,
    artifacts: [String; 4],
    owner: Member,
    foreign_owner: Member,
    /// A worker whose credential is reissued; it sends no requests.
    spare: String,
    foreigner: String,
}

impl World {
    async fn new() -> Self {
        let community = Community::new().await;
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

        let artifacts = [
            format!("eden://artifacts/{}", "0".repeat(32)),
            community.put(&owner).await,
            community.put(&Member::admin()).await,
            community.put(&foreigner).await,
        ];
        let spare = spare.principal;
        let foreign_id = foreigner.principal.clone();
        let (artifact_owner, foreign_owner) = (owner.clone(), foreigner.clone());
        let members = Sender::ALL.map(|sender| {
            let member = match sender {
                Sender::Anonymous => None,
                Sender::WrongAdmin => Some(Member::new("admin", &owner.secret, HOME)),
                Sender::WrongWorker => Some(Member::new(&owner.principal, &neighbour.secret, HOME)),
                Sender::Unknown => {
                    let absent = WorkerId::mint();
                    Some(Member::new(absent.as_str(), &owner.secret, HOME))
                }
                Sender::Admin => Some(Member::admin()),
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
        Self {
            community,
            members: members.into(),
            artifacts,
            owner: artifact_owner,
            foreign_owner,
            spare,
            foreigner: foreign_id,
        }
    }

    /// Returns the path of an endpoint for a target. Each request gets a new group, artifact or worker if it may
    /// delete it.
    async fn path(&self, endpoint: &Endpoint, target: Target) -> String {
        if endpoint.id == "fetch" {
            let at = Target::ALL.iter().position(|each| *each == target).unwrap();
            return fetch_path(HOME, &self.artifacts[at]);
        }
        if endpoint.path.contains("{A}") {
            let uri = match target {
                Target::Absent => self.artifacts[0].clone(),
                Target::Own => self.community.put(&self.owner).await,
                Target::Admins => self.community.put(&Member::admin()).await,
                Target::Foreign => self.community.put(&self.foreign_owner).await,
            };
            let id = uri.rsplit('/').next().unwrap();
            return endpoint.path.replace("{E}", HOME).replace("{A}", id);
        }
        let worker = match target {
            Target::Absent => WorkerId::mint().to_string(),
            Target::Own | Target::Admins if endpoint.id == "deleteWorker" => {
                self.community.register(HOME).await.principal
            }
            Target::Own | Target::Admins => self.spare.clone(),
            Target::Foreign => self.foreigner.clone(),
        };
        let mut path = endpoint.path.replace("{E}", HOME).replace("{W}", &worker);
        if path.contains("{G}") {
            let group = match target {
                Target::Absent => GroupId::mint().to_string(),
                Target::Own | Target::Admins => self.community.group(HOME, &[&self.spare]).await,
                Target::Foreign => self.community.group(ELSEWHERE, &[]).await,
            };
            path = path.replace("{G}", &group).replace("{M}", &self.spare);
        }
        path
    }

    fn request(
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
            "depositContent" => ("text/plain".to_owned(), Body::from("y")),
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

#[tokio::test]
async fn statuses_match_the_table() {
    let world = World::new().await;
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
                    let request = World::request(endpoint, method.clone(), &path, member.as_ref());
                    let reply = world.community.send(request).await;
                    let why = format!("{method} {} by {sender:?} of {target:?}", endpoint.path);
                    let expected = expected(endpoint, *sender, target);
                    assert_eq!(reply.status, expected, "{why}: {}", reply.text());
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
    assert_eq!(seen, 4 * 12 * (endpoints().len() + with_head));
}

#[tokio::test]
async fn ill_formed_ids_are_not_found_for_every_sender_and_method() {
    let community = Community::new().await;
    let worker = community.register(HOME).await;
    let group = community.group(HOME, &[]).await;
    let artifact = "4f2a9c0de1b83756a0c4d2f19e7b6385";
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
            .replace("{A}", artifact);
        let ask = async |method, path: &str, sender| match base {
            "/v1" => community.manage_in(HOME, method, path, sender, "{").await,
            _ => community.ask_in(HOME, method, path, sender, "{").await,
        };
        let admin = Member::admin();
        for id in [&worker.principal, &group, artifact] {
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
                    for method in [endpoint.method.clone(), Method::PATCH] {
                        let reply = ask(method, &path, sender).await;
                        reply.assert_problem(404, "not-found", &path);
                    }
                }
            }
        }
        let reply = ask(Method::PATCH, &good, &worker).await;
        reply.assert_problem(405, "about:blank", &good);
    }
}
