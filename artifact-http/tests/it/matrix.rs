//! Every endpoint x every principal x every target, generated from the list of endpoints.

use artifact_http::{Endpoint, endpoints};
use artifact_store::{GroupId, WorkerId};
use axum::body::Body;
use http::{Method, Request};
use serde_json::json;

use crate::support::{BOUNDARY, Community, ELSEWHERE, FILE, HOME, Member, fetch_path, form};

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Nobody,
    WrongAdmin,
    /// A worker that is there, with another's secret.
    WrongWorker,
    /// A worker that is not there.
    Unknown,
    Admin,
    /// The owner of the artifact `Own`.
    Owner,
    Neighbour,
    /// In the group `admins` itself.
    Direct,
    /// In a group in a group in `admins`.
    Nested,
    /// In `orchestrators`, which is no right at all.
    Orchestrator,
    Foreigner,
    /// In the group `admins` of the other experiment.
    ForeignAdmin,
}

impl Who {
    const ALL: [Self; 12] = [
        Self::Nobody,
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
            Self::Nobody | Self::WrongAdmin | Self::WrongWorker | Self::Unknown
        )
    }

    fn is_foreign(self) -> bool {
        matches!(self, Self::Foreigner | Self::ForeignAdmin)
    }
}

/// What is asked for, in the first experiment: the artifact, the worker, the group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    Absent,
    Own,
    /// The administrator's artifact; workers and groups as for `Own`.
    Admins,
    /// One of the other experiment.
    Foreign,
}

impl Target {
    const ALL: [Self; 4] = [Self::Absent, Self::Own, Self::Admins, Self::Foreign];

    fn is_here(self) -> bool {
        matches!(self, Self::Own | Self::Admins)
    }
}

/// What the protocol says, endpoint by endpoint. One that is not in this table fails the test.
fn expected(endpoint: &Endpoint, who: Who, target: Target) -> u16 {
    let (for_admin, for_worker) = match endpoint.id {
        "readExperiment" | "deposit" | "fetch" | "listWorkers" | "readWorker" | "listGroups"
        | "readGroup" => (true, true),
        "whoami" => (false, true),
        "registerWorker" | "reissueCredential" | "registerGroup" | "deleteGroup" | "addMember"
        | "removeMember" => (true, false),
        other => panic!("say who may use {other}"),
    };
    if !who.is_known() {
        return 401;
    }
    let is_admin = who == Who::Admin;
    if who.is_foreign() || !(if is_admin { for_admin } else { for_worker }) {
        return 403;
    }
    let names_one = ["{W}", "{G}"].iter().any(|id| endpoint.path.contains(id));
    if names_one && !target.is_here() {
        return 404;
    }
    match endpoint.id {
        "deposit" => 201,
        "deleteGroup" => 204,
        "fetch" => match target {
            Target::Absent | Target::Foreign => 404,
            Target::Own if who == Who::Owner => 200,
            _ if matches!(who, Who::Admin | Who::Direct | Who::Nested) => 200,
            Target::Own | Target::Admins => 403,
        },
        _ => 200,
    }
}

struct World {
    community: Community,
    members: Vec<(Who, Option<Member>)>,
    artifacts: [String; 4],
    /// Whose credential is reissued: nobody asks with it.
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
        // A membership over the border of experiments is none.
        community.add(HOME, &admins, &foreigner.principal).await;

        let artifacts = [
            format!("eden://artifacts/{}", "0".repeat(32)),
            community.put(&owner).await,
            community.put(&Member::admin()).await,
            community.put(&foreigner).await,
        ];
        let spare = spare.principal;
        let foreign_id = foreigner.principal.clone();
        let members = Who::ALL.map(|who| {
            let member = match who {
                Who::Nobody => None,
                Who::WrongAdmin => Some(Member::new("admin", &owner.secret, HOME)),
                Who::WrongWorker => Some(Member::new(&owner.principal, &neighbour.secret, HOME)),
                Who::Unknown => {
                    let absent = WorkerId::mint();
                    Some(Member::new(absent.as_str(), &owner.secret, HOME))
                }
                Who::Admin => Some(Member::admin()),
                Who::Owner => Some(owner.clone()),
                Who::Neighbour => Some(neighbour.clone()),
                Who::Direct => Some(direct.clone()),
                Who::Nested => Some(nested.clone()),
                Who::Orchestrator => Some(orchestrator.clone()),
                Who::Foreigner => Some(foreigner.clone()),
                Who::ForeignAdmin => Some(foreign_admin.clone()),
            };
            (who, member)
        });
        Self {
            community,
            members: members.into(),
            artifacts,
            spare,
            foreigner: foreign_id,
        }
    }

    /// The path of an endpoint with what the target is. A group is made for each request, since it
    /// may be deleted.
    async fn path(&self, endpoint: &Endpoint, target: Target) -> String {
        if endpoint.id == "fetch" {
            let at = Target::ALL.iter().position(|each| *each == target).unwrap();
            return fetch_path(HOME, &self.artifacts[at]);
        }
        let worker = match target {
            Target::Absent => WorkerId::mint().to_string(),
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
            _ => ("application/json".to_owned(), Body::empty()),
        };
        request
            .header("x-eden-experiment-id", HOME)
            .header("content-type", content_type)
            .body(body)
            .unwrap()
    }
}

#[tokio::test]
async fn the_status_is_what_the_table_says() {
    let world = World::new().await;
    let mut seen = 0;
    for target in Target::ALL {
        for endpoint in endpoints() {
            for (who, member) in &world.members {
                let mut methods = vec![endpoint.method.clone()];
                if endpoint.method == Method::GET {
                    methods.push(Method::HEAD);
                }
                for method in methods {
                    let path = world.path(endpoint, target).await;
                    let asked = World::request(endpoint, method.clone(), &path, member.as_ref());
                    let reply = world.community.send(asked).await;
                    let why = format!("{method} {} by {who:?} of {target:?}", endpoint.path);
                    let expected = expected(endpoint, *who, target);
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
async fn an_ill_formed_id_is_no_path_whoever_asks_and_however() {
    let community = Community::new().await;
    let worker = community.register(HOME).await;
    let group = community.group(HOME, &[]).await;
    for endpoint in endpoints() {
        let under = endpoint.path.strip_prefix("/v0/experiments/{E}").unwrap();
        if !under.contains('{') {
            continue;
        }
        let good = under
            .replace("{W}", &worker.principal)
            .replace("{G}", &group)
            .replace("{M}", &worker.principal);
        for id in [&worker.principal, &group] {
            for bad in [
                &id[1..],
                &id.to_uppercase(),
                &format!("{id}0"),
                "%77kr_",
                "x",
                "",
            ] {
                let path = good.replace(id.as_str(), bad);
                if path == good {
                    continue;
                }
                for who in [&Member::admin(), &worker] {
                    for method in [endpoint.method.clone(), Method::PUT] {
                        let reply = community.ask_in(HOME, method, &path, who, "{").await;
                        reply.assert_problem(404, "not-found", &path);
                    }
                }
            }
        }
        let reply = community
            .ask_in(HOME, Method::PUT, &good, &worker, "{")
            .await;
        reply.assert_problem(405, "about:blank", &good);
    }
}
