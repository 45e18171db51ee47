//! Tokens that expire, revoked tokens and deleted workers, under `/v1/`. A server may leave them out.

use serde_json::{Value, json};

use super::management::{get, manage};
use crate::check::is_utc;
use crate::reply::Reply;
use crate::scenario::{Outcome, scenarios};
use crate::site::{Context, Credential, Site};

scenarios!("tokens":
    registered_workers_have_an_expiry ["M-13"],
    expiries_are_checked ["M-13"],
    new_tokens_replace_the_old_one ["M-13"],
    revoked_tokens_are_refused_at_once ["M-14"],
    deleted_workers_are_refused_at_once_and_their_artifacts_stay ["M-14"],
);

/// What a revoked token has as the time when it expires.
const REVOKED: &str = "1970-01-01T00:00:00Z";

async fn send(site: &Site, method: &str, rest: &str, body: &Value) -> Outcome<Reply> {
    let call = manage(site, method, rest).await?.by(&site.admin);
    call.json(body.to_string()).send().await
}

async fn delete(site: &Site, rest: &str) -> Outcome<Reply> {
    let call = manage(site, "DELETE", rest).await?;
    call.by(&site.admin).send().await
}

fn credential(reply: &Reply, worker: &Value) -> Outcome<Credential> {
    let id = reply.text_of(worker, "worker_id")?;
    let token = reply.text_of(worker, "registration_token")?;
    Ok(Credential::new(id, token))
}

async fn whoami(site: &Site, who: &Credential) -> Outcome<Reply> {
    site.call("GET", "/whoami").by(who).send().await
}

async fn registered_workers_have_an_expiry(site: Context) -> Outcome {
    for (body, expires) in [
        (json!({}), false),
        (
            json!({ "name": "conformance: token", "expires_in": 3600 }),
            true,
        ),
    ] {
        let reply = send(&site, "POST", "/workers", &body).await?;
        let worker = reply.json(201)?;
        let at = worker["token_expires_at"].clone();
        let fits = match at.as_str() {
            Some(at) => expires && is_utc(at),
            None => !expires && at.is_null(),
        };
        reply.check(
            fits,
            "the time when the token expires, or null",
            at.to_string(),
        )?;
        let worker = credential(&reply, &worker)?;
        whoami(&site, &worker).await?.status(200)?;
        let reply = get(&site, &format!("/workers/{}", worker.principal), &worker).await?;
        let read = reply.json(200)?;
        reply.check(
            read["token_expires_at"] == at,
            "the same token_expires_at",
            read["token_expires_at"].to_string(),
        )?;
        let token = read["registration_token"].clone();
        reply.check(token.is_null(), "no token", token.to_string())?;
    }
    Ok(())
}

async fn expiries_are_checked(site: Context) -> Outcome {
    let worker = site.worker().await?;
    let token = format!("/workers/{}/token", worker.principal);
    for path in ["/workers", &token] {
        for period in [
            json!(0),
            json!(-1),
            json!(1.5),
            json!("1"),
            json!(null),
            json!(3_153_600_001_u64),
        ] {
            let reply = send(&site, "POST", path, &json!({ "expires_in": period })).await?;
            reply.problem(400, "bad-request")?;
        }
    }
    whoami(&site, &worker).await?.status(200)?;
    Ok(())
}

async fn new_tokens_replace_the_old_one(site: Context) -> Outcome {
    let old = site.worker().await?;
    whoami(&site, &old).await?.status(200)?;
    let path = format!("/workers/{}/token", old.principal);
    let reply = send(&site, "POST", &path, &json!({ "expires_in": 3600 })).await?;
    let new = credential(&reply, &reply.json(200)?)?;
    whoami(&site, &old).await?.problem(401, "unauthorized")?;
    whoami(&site, &new).await?.status(200)?;
    Ok(())
}

async fn revoked_tokens_are_refused_at_once(site: Context) -> Outcome {
    let worker = site.worker().await?;
    whoami(&site, &worker).await?.status(200)?;
    let path = format!("/workers/{}", worker.principal);
    let token = format!("{path}/token");
    for _ in 0..2 {
        delete(&site, &token).await?.status(204)?;
        whoami(&site, &worker).await?.problem(401, "unauthorized")?;
    }
    let reply = get(&site, &path, &site.admin).await?;
    let read = reply.json(200)?;
    let at = reply.text_of(&read, "token_expires_at")?;
    reply.check(at == REVOKED, REVOKED, at)?;
    let reply = send(&site, "POST", &token, &json!({})).await?;
    let new = credential(&reply, &reply.json(200)?)?;
    whoami(&site, &new).await?.status(200)?;
    Ok(())
}

async fn deleted_workers_are_refused_at_once_and_their_artifacts_stay(site: Context) -> Outcome {
    let worker = site.worker().await?;
    let artifact = site.put(&worker, b"stays".to_vec()).await?;
    let path = format!("/workers/{}", worker.principal);
    delete(&site, &path).await?.status(204)?;
    whoami(&site, &worker).await?.problem(401, "unauthorized")?;
    for reply in [
        get(&site, &path, &site.admin).await?,
        delete(&site, &path).await?,
        delete(&site, &format!("{path}/token")).await?,
    ] {
        reply.problem(404, "not-found")?;
    }
    let reply = site.fetch(&site.admin, &artifact).send().await?;
    reply.status(200)?;
    let found = String::from_utf8_lossy(&reply.body).into_owned();
    reply.check(
        reply.body == artifact.bytes,
        "the bytes of the artifact",
        found,
    )
}
