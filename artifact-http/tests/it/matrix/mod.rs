//! Every endpoint with every sender and every target, generated from the list of endpoints.

mod line;
mod sender;
mod table;
mod target;
mod world;

use artifact_http::{HttpAudit, HttpConfig, endpoints};
use artifact_store::{GrantId, LinkId};
use http::Method;

use self::line::{expected_line, secret_in_path, secrets_in, secrets_of};
use self::sender::Sender;
use self::table::expected;
use self::target::Target;
use self::world::World;
use crate::support::{Audited, Community, HOME, Member};

#[tokio::test]
async fn statuses_match_the_table() {
    let mut audited = Audited::new();
    let audit = HttpAudit::new(audited.log.clone());
    let world = World::new(HttpConfig::default().with_audit(audit)).await;
    let mut secrets = secrets_of(&world.members);
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
                    secrets.extend(secret_in_path(endpoint, &path));
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
