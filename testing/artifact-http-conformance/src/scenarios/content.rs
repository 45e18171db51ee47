//! Deposits and fetches under `/v1`, whose bodies are the files themselves. A server may leave them out.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::cap::cap;
use super::management::{get, manage};
use crate::call::Call;
use crate::form::noise;
use crate::reply::Reply;
use crate::scenario::{Outcome, scenarios};
use crate::site::{Context, Credential, Site};

scenarios!("content":
    the_body_is_the_file ["M-9", "M-11", "D-7"],
    names_and_types_come_from_the_header ["M-10"],
    declared_digests_are_verified ["M-9"],
    the_cap_is_exact ["M-9"],
    forms_are_refused ["M-10"],
    only_those_of_the_read_rule_fetch_the_bytes ["M-11", "F-4"],
    new_experiments_are_hosted_at_once ["M-12"],
    basic_credentials_are_accepted ["A-9"],
    every_wrong_credential_gets_the_same_answer ["A-9", "A-2"],
    scripts_do_not_make_the_browser_ask ["A-9"],
);

/// Starts a deposit of the body.
async fn deposit<'s>(site: &'s Site, who: &Credential, bytes: Vec<u8>) -> Outcome<Call<'s>> {
    let call = manage(site, "POST", "/artifacts").await?;
    Ok(call.by(who).body(bytes))
}

/// Deposits the body, and returns the response and the path of the artifact's bytes.
async fn put(site: &Site, who: &Credential, bytes: Vec<u8>) -> Outcome<(Reply, Value, String)> {
    let reply = deposit(site, who, bytes).await?.send().await?;
    let artifact = reply.json(201)?;
    let content = format!("/artifacts/{}/content", reply.text_of(&artifact, "id")?);
    Ok((reply, artifact, content))
}

fn digest(bytes: &[u8]) -> String {
    format!("sha-256=:{}:", STANDARD.encode(Sha256::digest(bytes)))
}

async fn the_body_is_the_file(site: Context) -> Outcome {
    let worker = site.worker().await?;
    for length in [0, 1, 1000, 100_000] {
        let bytes = noise(length);
        let (reply, artifact, content) = put(&site, &worker, bytes.clone()).await?;
        reply.has("repr-digest", &digest(&bytes))?;
        let members = [
            "artifacts_uri",
            "id",
            "experiment",
            "size_bytes",
            "content_type",
            "file_name",
            "sha256",
            "created_by",
            "created_at",
            "expires_at",
            "collection",
            "path",
        ];
        reply.members(&artifact, &members)?;
        for (member, expected) in [
            ("size_bytes", json!(length)),
            ("created_by", json!(worker.principal)),
            ("experiment", json!(site.subject.experiment)),
            ("content_type", json!("application/octet-stream")),
            ("file_name", Value::Null),
        ] {
            let found = artifact[member].to_string();
            reply.check(
                artifact[member] == expected,
                &format!("{member} {expected}"),
                found,
            )?;
        }
        let id = reply.text_of(&artifact, "id")?;
        let path = format!("/v1/experiments/{}/artifacts/{id}", site.subject.experiment);
        reply.has("location", &format!("{}{path}", site.subject.prefix))?;
        let fetched = get(&site, &content, &worker).await?;
        fetched.status(200)?.content(&bytes)?;
        fetched.has("repr-digest", &digest(&bytes))?;
        fetched.has("x-content-type-options", "nosniff")?;
    }
    let (_, _, content) = put(&site, &worker, noise(100)).await?;
    let part = manage(&site, "GET", &content).await?.by(&worker);
    let part = part.with("range", "bytes=10-19").send().await?;
    part.status(206)?.content(&noise(100)[10..20])?;
    let reply = get(&site, &format!("{content}?x=1"), &worker).await?;
    reply.problem(400, "bad-request")?;
    Ok(())
}

async fn names_and_types_come_from_the_header(site: Context) -> Outcome {
    let worker = site.worker().await?;
    for (field, value, member, expected) in [
        (
            "content-type",
            "text/csv",
            "content_type",
            json!("text/csv"),
        ),
        (
            "content-type",
            "application/x-www-form-urlencoded",
            "content_type",
            json!("application/octet-stream"),
        ),
        (
            "content-disposition",
            "attachment; filename=\"../a b.txt\"",
            "file_name",
            json!("a b.txt"),
        ),
        (
            "content-disposition",
            "attachment; filename=a; filename*=UTF-8''K%C3%B6ln",
            "file_name",
            json!("K\u{f6}ln"),
        ),
    ] {
        let call = deposit(&site, &worker, noise(10)).await?.with(field, value);
        let reply = call.send().await?;
        let artifact = reply.json(201)?;
        let found = artifact[member].to_string();
        reply.check(artifact[member] == expected, &expected.to_string(), found)?;
    }
    for value in [
        "attachment; filename=\"a",
        "attachment; filename=a; filename=b",
    ] {
        let call = deposit(&site, &worker, noise(10)).await?;
        let reply = call.with("content-disposition", value).send().await?;
        reply.problem(400, "bad-request")?;
    }
    Ok(())
}

async fn declared_digests_are_verified(site: Context) -> Outcome {
    let worker = site.worker().await?;
    for field in ["content-digest", "repr-digest"] {
        for (value, status) in [
            (digest(&noise(10)), 201),
            (digest(&noise(11)), 400),
            ("sha-256=x".to_owned(), 400),
        ] {
            let call = deposit(&site, &worker, noise(10)).await?.with(field, value);
            let reply = call.send().await?;
            match status {
                201 => drop(reply.json(201)?),
                _ => drop(reply.problem(400, "bad-request")?),
            }
        }
    }
    Ok(())
}

async fn the_cap_is_exact(site: Context) -> Outcome {
    let cap = cap(&site)?;
    let worker = site.worker().await?;
    put(&site, &worker, noise(cap)).await?;
    let subject = &site.subject;
    let head = format!(
        "POST {}/v1/experiments/{}/artifacts HTTP/1.1\r\nHost: {}\r\nAuthorization: {}\r\n",
        subject.prefix,
        subject.experiment,
        subject.authority(),
        worker.bearer(),
    );
    let length = cap + 1;
    let mut raw = site.raw("a chunked body of one byte above the cap").await?;
    raw.write(format!(
        "{head}Transfer-Encoding: chunked\r\n\r\n{length:x}\r\n"
    ))
    .await;
    raw.write(noise(length)).await;
    raw.write("\r\n0\r\n\r\n").await;
    raw.response().await?.problem(413, "payload-too-large")?;
    let mut raw = site.raw("a length of one byte above the cap").await?;
    raw.write(format!("{head}Content-Length: {length}\r\n\r\n"))
        .await;
    // The server waits for no byte of the body.
    raw.response().await?.problem(413, "payload-too-large")?;
    Ok(())
}

async fn forms_are_refused(site: Context) -> Outcome {
    let worker = site.worker().await?;
    let call = deposit(&site, &worker, b"--b--".to_vec()).await?;
    let call = call.with("content-type", "multipart/form-data; boundary=b");
    call.send().await?.problem(415, "about:blank")?;
    Ok(())
}

async fn only_those_of_the_read_rule_fetch_the_bytes(site: Context) -> Outcome {
    let worker = site.worker().await?;
    let (_, _, content) = put(&site, &worker, noise(10)).await?;
    get(&site, &content, &site.admin).await?.status(200)?;
    let stranger = site.stranger().await?;
    for range in [None, Some("bytes=0-0"), Some("bytes=99-")] {
        let mut call = manage(&site, "GET", &content).await?.by(stranger);
        if let Some(range) = range {
            call = call.with("range", range);
        }
        call.send().await?.problem(403, "forbidden")?;
    }
    let absent = "/artifacts/00000000000000000000000000000000/content";
    get(&site, absent, &worker)
        .await?
        .problem(404, "not-found")?;
    Ok(())
}

async fn new_experiments_are_hosted_at_once(site: Context) -> Outcome {
    // Skips if the server has no management.
    manage(&site, "GET", "/usage").await?;
    let create = async |body: &str, who: &Credential| {
        let call = site.bare("POST", "/v1/experiments".to_owned()).by(who);
        call.json(body.to_owned()).send().await
    };
    let own = &site.subject.experiment;
    let body = json!({ "experiment_id": own }).to_string();
    let reply = create(&body, &site.admin).await?;
    let found = reply.json(200)?;
    let members = ["experiment_id", "state", "created_at", "imported_from"];
    reply.members(&found, &members)?;
    let known = site.call("GET", "").by(&site.admin).send().await?;
    let known = known.json(200)?;
    reply.check(found == known, &known.to_string(), reply.text())?;
    create(&body, site.stranger().await?)
        .await?
        .problem(403, "forbidden")?;
    for body in [
        "{}",
        r#"{"experiment_id":".."}"#,
        r#"{"experiment_id":"a b"}"#,
    ] {
        let reply = create(body, &site.admin).await?;
        reply.problem(400, "bad-request")?;
    }
    let list = site.bare("GET", "/v1/experiments".to_owned());
    let reply = list.by(&site.admin).send().await?;
    let list = reply.json(200)?;
    let listed = list["experiments"].as_array();
    let is_there = listed.is_some_and(|listed| listed.contains(&known));
    reply.check(is_there, "the experiment among the others", reply.text())
}

fn basic(who: &Credential) -> String {
    let bearer = who.bearer();
    let pair = bearer.strip_prefix("Bearer ").unwrap_or_default();
    format!("Basic {}", STANDARD.encode(pair))
}

async fn basic_credentials_are_accepted(site: Context) -> Outcome {
    let worker = site.worker().await?;
    for who in [&worker, &site.admin] {
        let usage = manage(&site, "GET", "/usage").await?;
        let usage = usage.with("authorization", basic(who));
        usage.clone().send().await?.json(200)?;
        let cross = usage.with("sec-fetch-site", "cross-site").send().await?;
        cross.problem(401, "unauthorized")?;
        let call = site.call("GET", "").with("authorization", basic(who));
        call.send().await?.problem(401, "unauthorized")?;
    }
    Ok(())
}

async fn every_wrong_credential_gets_the_same_answer(site: Context) -> Outcome {
    let worker = site.worker().await?;
    let unknown = Credential::new("wkr_00000000000000000000000000", "x");
    let wrong = Credential::new(&worker.principal, "wrong");
    let mut first: Option<Value> = None;
    for value in [
        "Basic !".to_owned(),
        basic(&unknown),
        basic(&wrong),
        wrong.bearer(),
    ] {
        let call = manage(&site, "GET", "/usage").await?;
        let reply = call.with("authorization", value).send().await?;
        let problem = reply.problem(401, "unauthorized")?.parsed()?;
        let fields = reply.fields.get_all("www-authenticate").iter();
        let fields: Vec<_> = fields.filter_map(|value| value.to_str().ok()).collect();
        let both = ["Bearer", "Basic realm=\"artifact\", charset=\"UTF-8\""];
        reply.check(fields == both, &format!("{both:?}"), format!("{fields:?}"))?;
        let expected = first.get_or_insert_with(|| problem.clone());
        reply.check(problem == *expected, &expected.to_string(), reply.text())?;
    }
    Ok(())
}

async fn scripts_do_not_make_the_browser_ask(site: Context) -> Outcome {
    let call = manage(&site, "GET", "/usage").await?;
    let call = call.with("x-requested-with", "XMLHttpRequest");
    let reply = call.send().await?;
    reply.problem(401, "unauthorized")?;
    reply.has("www-authenticate", "Bearer")?;
    Ok(())
}
