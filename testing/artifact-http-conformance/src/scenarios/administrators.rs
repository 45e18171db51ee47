//! Named administrators, under `/v1/`. A server may leave them out.

use serde_json::{Value, json};

use super::management::manage;
use crate::check::is_utc;
use crate::reply::Reply;
use crate::scenario::{Outcome, Stop, scenarios};
use crate::site::{Context, Credential, Site};

scenarios!("administrators":
    registering_returns_the_administrator_and_its_token ["O-1", "O-2", "J-4"],
    administrators_may_do_what_the_admin_may ["O-1"],
    administrators_are_recorded_as_principals ["O-1", "D-8"],
    workers_may_not_manage_administrators ["O-1", "C-2"],
    names_and_expiries_are_checked ["O-2", "N-1", "N-3"],
    pages_contain_every_administrator_once ["O-3", "M-2"],
    new_tokens_replace_the_old_one ["O-4"],
    revoked_tokens_are_refused_at_once ["O-4"],
    deleted_administrators_are_refused_at_once_and_their_artifacts_stay ["O-4", "M-2"],
    administrators_are_not_workers ["O-1", "W-6"],
);

/// The members of an administrator.
const ALL: [&str; 5] = [
    "administrator_id",
    "name",
    "created_at",
    "created_by",
    "token_expires_at",
];

/// What a revoked token has as the time when it expires.
const REVOKED: &str = "1970-01-01T00:00:00Z";

const ROOT: &str = "/v1/administrators";

async fn get(site: &Site, path: &str, who: &Credential) -> Outcome<Reply> {
    site.bare("GET", path).by(who).send().await
}

async fn post(site: &Site, path: &str, who: &Credential, body: &Value) -> Outcome<Reply> {
    let call = site.bare("POST", path).by(who);
    call.json(body.to_string()).send().await
}

async fn delete(site: &Site, path: &str) -> Outcome<Reply> {
    site.bare("DELETE", path).by(&site.admin).send().await
}

/// Skips the scenario if the server has no administrators.
async fn check_supported(site: &Site) -> Outcome {
    manage(site, "GET", "/usage").await?;
    if get(site, ROOT, &site.admin).await?.status == 404 {
        let reason = "this server has no named administrators, which are optional";
        return Err(Stop::Skipped(reason.to_owned()));
    }
    Ok(())
}

fn credential(reply: &Reply, administrator: &Value) -> Outcome<Credential> {
    let id = reply.text_of(administrator, "administrator_id")?;
    let token = reply.text_of(administrator, "registration_token")?;
    Ok(Credential::new(id, token))
}

async fn register(site: &Site, name: &str) -> Outcome<Credential> {
    check_supported(site).await?;
    let reply = post(site, ROOT, &site.admin, &json!({ "name": name })).await?;
    credential(&reply, &reply.json(201)?)
}

fn path_of(administrator: &Credential) -> String {
    format!("{ROOT}/{}", administrator.principal)
}

/// Sends a request that every administrator may send.
async fn probe(site: &Site, who: &Credential) -> Outcome<Reply> {
    get(site, "/v1/experiments", who).await
}

async fn registering_returns_the_administrator_and_its_token(site: Context) -> Outcome {
    check_supported(&site).await?;
    for (body, expires) in [
        (json!({ "name": "conformance \u{e4}" }), false),
        (json!({ "name": "conformance", "expires_in": 3600 }), true),
    ] {
        let reply = post(&site, ROOT, &site.admin, &body).await?;
        let mut new = reply.json(201)?;
        let names: Vec<&str> = ALL.into_iter().chain(["registration_token"]).collect();
        reply.members(&new, &names)?;
        let who = credential(&reply, &new)?;
        let digits = who.principal.strip_prefix("adm_").unwrap_or_default();
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'h' | b'j' | b'k' | b'm' | b'n' | b'p'..=b't' | b'v'..=b'z');
        let fits = digits.len() == 26 && digits.bytes().all(is_digit);
        reply.check(fits, "an id of adm_ and 26 digits", &who.principal)?;
        for (member, expected) in [
            ("name", body["name"].as_str().unwrap_or_default()),
            ("created_by", "admin"),
        ] {
            let found = reply.text_of(&new, member)?;
            reply.check(found == expected, &format!("{member} {expected}"), found)?;
        }
        let at = reply.text_of(&new, "created_at")?;
        reply.check(is_utc(at), "a time of RFC 3339 in UTC", at)?;
        let expiry = new["token_expires_at"].clone();
        let fits = match expiry.as_str() {
            Some(at) => expires && is_utc(at),
            None => !expires && expiry.is_null(),
        };
        let seen = expiry.to_string();
        reply.check(fits, "the time when the token expires, or null", seen)?;
        if let Some(members) = new.as_object_mut() {
            members.remove("registration_token");
        }
        let reply = get(&site, &path_of(&who), &who).await?;
        let read = reply.json(200)?;
        reply.check(read == new, &new.to_string(), read.to_string())?;
    }
    Ok(())
}

async fn administrators_may_do_what_the_admin_may(site: Context) -> Outcome {
    let who = register(&site, "conformance: rights").await?;
    probe(&site, &who).await?.json(200)?;
    let artifact = site.put(site.depositor().await?, b"read".to_vec()).await?;
    let reply = site.fetch(&who, &artifact).send().await?;
    reply.status(200)?.content(b"read")?;
    let worker = site.call("POST", "/workers").by(&who).json("{}".to_owned());
    let reply = worker.send().await?;
    let worker = reply.json(200)?;
    let by = reply.text_of(&worker, "registered_by")?;
    reply.check(by == who.principal, &who.principal, by)?;
    let reply = post(&site, ROOT, &who, &json!({ "name": "conformance: second" })).await?;
    let second = reply.json(201)?;
    let by = reply.text_of(&second, "created_by")?;
    reply.check(by == who.principal, &who.principal, by)?;
    let second = credential(&reply, &second)?;
    let path = path_of(&second);
    let reply = site.bare("DELETE", path).by(&who).send().await?;
    reply.status(204)?;
    if site.subject.second_experiment.is_some() {
        let reply = site.elsewhere("GET", "/workers")?.by(&who).send().await?;
        reply.json(200)?;
    }
    Ok(())
}

async fn administrators_are_recorded_as_principals(site: Context) -> Outcome {
    let who = register(&site, "conformance: depositor").await?;
    let artifact = site.put(&who, b"mine".to_vec()).await?;
    let listed = format!("/artifacts?created_by={}", who.principal);
    let reply = manage(&site, "GET", &listed).await?.by(&site.admin);
    let reply = reply.send().await?;
    let page = reply.json(200)?;
    let found: Vec<_> = page["artifacts"].as_array().into_iter().flatten().collect();
    let only = matches!(&found[..], [one] if one["artifacts_uri"] == artifact.uri.as_str()
        && one["created_by"] == who.principal.as_str());
    let seen = page.to_string();
    reply.check(only, "the one artifact of the administrator", seen)
}

async fn workers_may_not_manage_administrators(site: Context) -> Outcome {
    let who = register(&site, "conformance: untouched").await?;
    let (path, worker) = (path_of(&who), site.stranger().await?);
    let token = format!("{path}/token");
    for (method, path) in [
        ("GET", ROOT),
        ("POST", ROOT),
        ("GET", &path),
        ("DELETE", &path),
        ("POST", &token),
        ("DELETE", &token),
    ] {
        let call = site.bare(method, path).by(worker);
        let reply = call.json("{}".to_owned()).send().await?;
        reply.problem(403, "forbidden")?;
        let reply = site.bare(method, path).send().await?;
        reply.problem(401, "unauthorized")?;
    }
    probe(&site, &who).await?.status(200)?;
    Ok(())
}

async fn names_and_expiries_are_checked(site: Context) -> Outcome {
    let who = register(&site, "conformance: checks").await?;
    for (name, status, kind) in [
        (json!(" x"), 422, "invalid-name"),
        (json!(""), 422, "invalid-name"),
        (json!("admin"), 409, "reserved-identifier"),
        (json!(1), 400, "bad-request"),
        (Value::Null, 400, "bad-request"),
    ] {
        let reply = post(&site, ROOT, &site.admin, &json!({ "name": name })).await?;
        reply.problem(status, kind)?;
    }
    let reply = post(&site, ROOT, &site.admin, &json!({})).await?;
    reply.problem(400, "bad-request")?;
    let token = format!("{}/token", path_of(&who));
    for period in [json!(0), json!(-1), json!("1"), json!(3_153_600_001_u64)] {
        for (path, body) in [
            (ROOT, json!({ "name": "x", "expires_in": period })),
            (&*token, json!({ "expires_in": period })),
        ] {
            let reply = post(&site, path, &site.admin, &body).await?;
            reply.problem(400, "bad-request")?;
        }
    }
    probe(&site, &who).await?.status(200)?;
    Ok(())
}

async fn pages_contain_every_administrator_once(site: Context) -> Outcome {
    let mut left = Vec::new();
    for _ in 0..3 {
        left.push(register(&site, "conformance: pages").await?.principal);
    }
    let mut after = None::<String>;
    let mut pages = 0;
    loop {
        let path = match &after {
            None => format!("{ROOT}?limit=2"),
            Some(after) => format!("{ROOT}?limit=2&after={after}"),
        };
        let reply = get(&site, &path, &site.admin).await?;
        let page = reply.json(200)?;
        reply.members(&page, &["administrators", "unreadable", "next"])?;
        let listed = page["administrators"].as_array().cloned();
        let listed = listed.ok_or_else(|| reply.fail("a list", reply.text()))?;
        let seen = listed.len().to_string();
        reply.check(listed.len() <= 2, "at most two administrators", seen)?;
        for each in &listed {
            reply.members(each, &ALL)?;
            let id = reply.text_of(each, "administrator_id")?;
            left.retain(|expected| expected != id);
        }
        after = page["next"].as_str().map(str::to_owned);
        pages += 1;
        if after.is_none() {
            let missing = left.join(", ");
            reply.check(left.is_empty(), "every administrator", missing)?;
            break;
        }
        reply.check(pages < 1_000, "an end of the list", "a thousand pages")?;
    }
    for query in [
        "limit=0",
        "limit=257",
        "limit=x",
        "after=17",
        "name=x",
        "limit=1&limit=1",
    ] {
        let reply = get(&site, &format!("{ROOT}?{query}"), &site.admin).await?;
        reply.problem(400, "bad-request")?;
    }
    Ok(())
}

async fn new_tokens_replace_the_old_one(site: Context) -> Outcome {
    let old = register(&site, "conformance: token").await?;
    probe(&site, &old).await?.status(200)?;
    let token = format!("{}/token", path_of(&old));
    let reply = post(&site, &token, &site.admin, &json!({ "expires_in": 3600 })).await?;
    let new = credential(&reply, &reply.json(200)?)?;
    reply.check(
        new.principal == old.principal,
        &old.principal,
        &new.principal,
    )?;
    probe(&site, &old).await?.problem(401, "unauthorized")?;
    probe(&site, &new).await?.status(200)?;
    Ok(())
}

async fn revoked_tokens_are_refused_at_once(site: Context) -> Outcome {
    let who = register(&site, "conformance: revoked").await?;
    probe(&site, &who).await?.status(200)?;
    let path = path_of(&who);
    let token = format!("{path}/token");
    for _ in 0..2 {
        delete(&site, &token).await?.status(204)?;
        probe(&site, &who).await?.problem(401, "unauthorized")?;
    }
    let reply = get(&site, &path, &site.admin).await?;
    let read = reply.json(200)?;
    let at = reply.text_of(&read, "token_expires_at")?;
    reply.check(at == REVOKED, REVOKED, at)?;
    let reply = post(&site, &token, &site.admin, &json!({})).await?;
    let new = credential(&reply, &reply.json(200)?)?;
    probe(&site, &new).await?.status(200)?;
    Ok(())
}

async fn deleted_administrators_are_refused_at_once_and_their_artifacts_stay(
    site: Context,
) -> Outcome {
    let who = register(&site, "conformance: deleted").await?;
    let artifact = site.put(&who, b"stays".to_vec()).await?;
    let path = path_of(&who);
    let token = format!("{path}/token");
    delete(&site, &path).await?.status(204)?;
    probe(&site, &who).await?.problem(401, "unauthorized")?;
    for reply in [
        get(&site, &path, &site.admin).await?,
        delete(&site, &path).await?,
        delete(&site, &token).await?,
        post(&site, &token, &site.admin, &json!({})).await?,
    ] {
        reply.problem(404, "not-found")?;
    }
    let reply = site.fetch(&site.admin, &artifact).send().await?;
    reply.status(200)?.content(b"stays")?;
    Ok(())
}

async fn administrators_are_not_workers(site: Context) -> Outcome {
    let who = register(&site, "conformance: no worker").await?;
    let reply = site.call("GET", "/whoami").by(&who).send().await?;
    reply.problem(403, "forbidden")?;
    Ok(())
}
