//! Quotas of workers. A server may leave out the operations under `/v1`.

use serde_json::{Value, json};

use super::management::{get, manage};
use super::uploads;
use crate::form::{FILE, form, noise};
use crate::reply::Reply;
use crate::scenario::{Outcome, Stop, scenarios};
use crate::site::{Context, Credential, Site};

scenarios!("quotas":
    quotas_are_returned_as_set ["M-17"],
    a_quota_has_valid_limits ["M-17"],
    only_the_admin_sets_quotas ["M-17"],
    quotas_are_listed_in_pages ["M-17"],
    deposits_over_the_quota_are_refused ["M-16"],
    a_quota_is_filled_exactly ["M-16"],
    large_deposits_are_refused_before_their_body ["M-16", "D-6"],
    the_number_of_artifacts_is_limited ["M-16"],
    deposits_at_the_same_time_are_limited ["M-16", "P-4"],
    removed_artifacts_give_room_back ["M-16"],
    files_of_a_collection_count_for_its_owner ["M-16"],
    an_upload_is_completed_once_there_is_room ["M-16", "U-6"],
    uploads_that_never_fit_are_refused_at_once ["M-16", "U-2", "U-4"],
    usage_shows_the_quota ["M-7"],
);

fn path_of(worker: &Credential) -> String {
    format!("/workers/{}/quota", worker.principal)
}

async fn set(site: &Site, worker: &Credential, limits: &Value) -> Outcome {
    let call = manage(site, "PUT", &path_of(worker)).await?.by(&site.admin);
    let reply = call.json(limits.to_string()).send().await?;
    reply.status(204).map(drop)
}

/// Creates a worker with a quota.
async fn limited(site: &Site, limits: &Value) -> Outcome<Credential> {
    let worker = site.worker().await?;
    set(site, &worker, limits).await?;
    Ok(worker)
}

async fn deposit(site: &Site, worker: &Credential, length: usize) -> Outcome<Reply> {
    let call = manage(site, "POST", "/artifacts").await?.by(worker);
    call.body(noise(length)).send().await
}

/// Checks that a deposit was refused by a quota of which this is left.
fn refused(reply: &Reply, left: &str) -> Outcome {
    let problem = reply.problem(507, "quota-exceeded")?.parsed()?;
    let detail = reply.text_of(&problem, "detail")?;
    let expected = format!("a detail that says that {left} is left");
    reply.check(detail.contains(left), &expected, detail)
}

async fn quotas_are_returned_as_set(site: Context) -> Outcome {
    let worker = site.worker().await?;
    let path = path_of(&worker);
    let none = json!({ "quota": null });
    let reply = get(&site, &path, &worker).await?;
    reply.check(reply.json(200)? == none, &none.to_string(), reply.text())?;
    for limits in [
        json!({ "max_bytes": 1000, "max_artifacts": 5, "max_in_flight": 6 }),
        json!({ "max_bytes": 0 }),
        json!({ "max_artifacts": 9_223_372_036_854_775_807_i64, "max_bytes": null }),
    ] {
        set(&site, &worker, &limits).await?;
        for who in [&worker, &site.admin] {
            let reply = get(&site, &path, who).await?;
            let body = reply.json(200)?;
            let quota = &body["quota"];
            let members = [
                "principal",
                "max_bytes",
                "max_artifacts",
                "max_in_flight",
                "bytes",
                "artifacts",
                "reserved_bytes",
                "in_flight",
                "bytes_left",
                "artifacts_left",
            ];
            reply.members(quota, &members)?;
            for limit in ["max_bytes", "max_artifacts", "max_in_flight"] {
                let is_set = quota[limit] == limits[limit];
                reply.check(is_set, &format!("{limit} {}", limits[limit]), reply.text())?;
            }
            let is_own = quota["principal"] == worker.principal.as_str();
            reply.check(is_own, "the worker as principal", reply.text())?;
        }
    }
    for _ in 0..2 {
        let call = manage(&site, "DELETE", &path).await?.by(&site.admin);
        call.send().await?.status(204)?;
    }
    let reply = get(&site, &path, &worker).await?;
    reply.check(reply.json(200)? == none, &none.to_string(), reply.text())
}

async fn a_quota_has_valid_limits(site: Context) -> Outcome {
    let worker = site.worker().await?;
    for body in [
        "{}",
        r#"{"max_bytes":null}"#,
        r#"{"max_bytes":-1}"#,
        r#"{"max_bytes":"1"}"#,
        r#"{"max_bytes":1.5}"#,
        r#"{"max_bytes":9223372036854775808}"#,
        r#"{"max_bytes":1,"other":2}"#,
        "[]",
    ] {
        let call = manage(&site, "PUT", &path_of(&worker)).await?;
        let reply = call.by(&site.admin).json(body).send().await?;
        reply.problem(400, "bad-request")?;
    }
    let reply = get(&site, &path_of(&worker), &worker).await?;
    let is_unset = reply.json(200)?["quota"].is_null();
    reply.check(is_unset, "no quota", reply.text())?;
    let absent = "/workers/wkr_00000000000000000000000000/quota";
    for method in ["GET", "PUT", "DELETE"] {
        let call = manage(&site, method, absent).await?.by(&site.admin);
        let reply = call.json(r#"{"max_bytes":1}"#).send().await?;
        reply.problem(404, "not-found")?;
    }
    Ok(())
}

async fn only_the_admin_sets_quotas(site: Context) -> Outcome {
    let worker = limited(&site, &json!({ "max_bytes": 10 })).await?;
    let stranger = site.stranger().await?;
    for (method, path, who) in [
        ("PUT", path_of(&worker), &worker),
        ("DELETE", path_of(&worker), &worker),
        ("PUT", "/quota".to_owned(), &worker),
        ("DELETE", "/quota".to_owned(), &worker),
        ("GET", "/quota".to_owned(), &worker),
        ("GET", "/quotas".to_owned(), &worker),
        ("GET", path_of(&worker), stranger),
    ] {
        let call = manage(&site, method, &path).await?.by(who);
        let reply = call.json(r#"{"max_bytes":1}"#).send().await?;
        reply.problem(403, "forbidden")?;
    }
    let reply = get(&site, &path_of(&worker), &worker).await?;
    let is_kept = reply.json(200)?["quota"]["max_bytes"] == 10;
    reply.check(is_kept, "the quota as it was", reply.text())
}

async fn quotas_are_listed_in_pages(site: Context) -> Outcome {
    let mut expected = Vec::new();
    for _ in 0..3 {
        let worker = limited(&site, &json!({ "max_artifacts": 3 })).await?;
        expected.push(worker.principal);
    }
    expected.sort();
    for limit in [1, 2, 1000] {
        let mut found = Vec::new();
        let mut path = format!("/quotas?limit={limit}");
        loop {
            let reply = get(&site, &path, &site.admin).await?;
            let page = reply.json(200)?;
            reply.members(&page, &["quotas", "next"])?;
            let quotas = page["quotas"].as_array().map_or(&[][..], Vec::as_slice);
            reply.check(
                quotas.len() <= limit,
                "at most `limit` quotas",
                reply.text(),
            )?;
            let principals = quotas
                .iter()
                .filter_map(|quota| quota["principal"].as_str());
            found.extend(principals.map(str::to_owned));
            let is_ordered = found.is_sorted_by(|one, other| one < other);
            reply.check(is_ordered, "each principal once, in order", reply.text())?;
            if page["next"].is_null() {
                let has_all = expected.iter().all(|worker| found.contains(worker));
                reply.check(has_all, "every worker with a quota", format!("{found:?}"))?;
                break;
            }
            let next = reply.text_of(&page, "next")?;
            path = format!("/quotas?limit={limit}&after={next}");
        }
    }
    for query in ["limit=0", "after=", "other=1"] {
        let reply = get(&site, &format!("/quotas?{query}"), &site.admin).await?;
        reply.problem(400, "bad-request")?;
    }
    Ok(())
}

async fn deposits_over_the_quota_are_refused(site: Context) -> Outcome {
    let worker = limited(&site, &json!({ "max_bytes": 1000 })).await?;
    deposit(&site, &worker, 600).await?.status(201)?;
    refused(&deposit(&site, &worker, 401).await?, "400")?;
    // The vocabulary of `/v0` has no name for it.
    let body = form(&[(FILE, &noise(401))]);
    let reply = site.deposit(&worker, body).send().await?;
    reply.problem(507, "about:blank")?;
    let usage = get(&site, "/usage", &worker).await?;
    let is_refused = usage.json(200)?["bytes"] == 600;
    usage.check(is_refused, "600 bytes", usage.text())?;
    // Others are not limited.
    let other = site.worker().await?;
    deposit(&site, &other, 401).await?.status(201).map(drop)
}

async fn a_quota_is_filled_exactly(site: Context) -> Outcome {
    let worker = limited(&site, &json!({ "max_bytes": 100_000 })).await?;
    let body = form(&[(FILE, &noise(60_000))]);
    site.deposit(&worker, body).send().await?.status(201)?;
    deposit(&site, &worker, 40_000).await?.status(201)?;
    refused(&deposit(&site, &worker, 1).await?, "0")?;
    deposit(&site, &worker, 0).await?.status(201)?;
    let reply = get(&site, &path_of(&worker), &worker).await?;
    let quota = &reply.json(200)?["quota"];
    let is_full = quota["bytes"] == 100_000 && quota["bytes_left"] == 0;
    reply.check(is_full, "a full quota", reply.text())
}

async fn large_deposits_are_refused_before_their_body(site: Context) -> Outcome {
    let worker = limited(&site, &json!({ "max_bytes": 1000 })).await?;
    let mut raw = site.raw("a deposit with Expect: 100-continue").await?;
    let lines = site.lines("POST", "/artifacts", &worker);
    let lines = lines.replacen("/v0/", "/v1/", 1);
    let fields = "Content-Length: 1001\r\nExpect: 100-continue\r\n";
    raw.write(format!("{lines}{fields}\r\n")).await;
    refused(&raw.response().await?, "1,000")
}

async fn the_number_of_artifacts_is_limited(site: Context) -> Outcome {
    let worker = limited(&site, &json!({ "max_artifacts": 2 })).await?;
    for _ in 0..2 {
        deposit(&site, &worker, 10).await?.status(201)?;
    }
    refused(&deposit(&site, &worker, 0).await?, "0")
}

async fn deposits_at_the_same_time_are_limited(site: Context) -> Outcome {
    let worker = limited(&site, &json!({ "max_in_flight": 0 })).await?;
    let reply = deposit(&site, &worker, 10).await?;
    reply.problem(429, "about:blank")?.field("retry-after")?;
    set(&site, &worker, &json!({ "max_in_flight": 1 })).await?;
    for _ in 0..3 {
        deposit(&site, &worker, 10).await?.status(201)?;
    }
    Ok(())
}

async fn removed_artifacts_give_room_back(site: Context) -> Outcome {
    let worker = limited(&site, &json!({ "max_bytes": 100 })).await?;
    let reply = deposit(&site, &worker, 80).await?;
    let artifact = reply.json(201)?;
    refused(&deposit(&site, &worker, 21).await?, "20")?;
    let path = format!("/artifacts/{}", reply.text_of(&artifact, "id")?);
    let call = manage(&site, "DELETE", &path).await?.by(&worker);
    call.send().await?.status(204)?;
    deposit(&site, &worker, 100).await?.status(201).map(drop)
}

async fn files_of_a_collection_count_for_its_owner(site: Context) -> Outcome {
    let worker = limited(&site, &json!({ "max_bytes": 1000 })).await?;
    let call = manage(&site, "POST", "/collections").await?.by(&worker);
    let created = call.send().await?;
    if created.status == 404 {
        let reason = "this server has no collections, which are optional";
        return Err(Stop::Skipped(reason.to_owned()));
    }
    let id = created.json(201)?;
    let id = created.text_of(&id, "id")?.to_owned();
    for (name, length, left) in [("a", 700, None), ("b", 301, Some("300")), ("b", 300, None)] {
        let path = format!("/collections/{id}/files/{name}");
        let call = manage(&site, "PUT", &path).await?.by(&site.admin);
        let reply = call.body(noise(length)).send().await?;
        match left {
            Some(left) => refused(&reply, left)?,
            None => drop(reply.status(201)?),
        }
    }
    refused(&deposit(&site, &worker, 1).await?, "0")
}

/// Begins an upload of these bytes, and sends all of them.
async fn upload(site: &Site, worker: &Credential, bytes: &[u8]) -> Outcome<(String, Reply)> {
    let path = uploads::begin(site, worker, bytes.len()).await?;
    let call = uploads::append(site, worker, &path, 0, bytes).await?;
    Ok((path, call.send().await?))
}

async fn an_upload_is_completed_once_there_is_room(site: Context) -> Outcome {
    let worker = limited(&site, &json!({ "max_bytes": 1000 })).await?;
    let reply = deposit(&site, &worker, 600).await?;
    let stored = reply.json(201)?;
    let stored = format!("/artifacts/{}", reply.text_of(&stored, "id")?);
    let file = noise(401);
    let (path, reply) = upload(&site, &worker, &file).await?;
    refused(&reply, "400")?;
    // To a tus client, 200 would mean that there is an artifact.
    refused(&get(&site, &path, &worker).await?, "400")?;
    let finish = uploads::append(&site, &worker, &path, 401, &[]).await?;
    refused(&finish.send().await?, "400")?;
    let call = manage(&site, "DELETE", &stored).await?.by(&worker);
    call.send().await?.status(204)?;
    let finish = uploads::append(&site, &worker, &path, 401, &[]).await?;
    let reply = finish.send().await?;
    let location = reply.status(204)?.field("artifact-location")?;
    let id = location.rsplit('/').next().unwrap_or_default();
    let reply = get(&site, &path, &worker).await?;
    let state = reply.json(200)?;
    let is_done = state["offset"] == 401 && state["artifact"]["id"] == id;
    reply.check(is_done, "the artifact", reply.text())?;
    let content = get(&site, &format!("/artifacts/{id}/content"), &worker).await?;
    content.status(200)?.content(&file)?;
    let reply = get(&site, &path_of(&worker), &worker).await?;
    let quota = &reply.json(200)?["quota"];
    let is_counted = quota["bytes"] == 401 && quota["artifacts"] == 1;
    reply.check(is_counted, "401 bytes of one artifact", reply.text())
}

async fn uploads_that_never_fit_are_refused_at_once(site: Context) -> Outcome {
    let worker = limited(&site, &json!({ "max_bytes": 1000 })).await?;
    deposit(&site, &worker, 600).await?.status(201)?;
    let call = uploads::creation(&site, &worker).await?;
    let reply = call.with("upload-length", "1001").send().await?;
    refused(&reply, "400")?;
    // It may fit when its last byte arrives.
    uploads::begin(&site, &worker, 1000).await.map(drop)
}

async fn usage_shows_the_quota(site: Context) -> Outcome {
    let worker = limited(&site, &json!({ "max_bytes": 100, "max_artifacts": 3 })).await?;
    deposit(&site, &worker, 30).await?.status(201)?;
    let reply = get(&site, "/usage", &worker).await?;
    let quota = &reply.json(200)?["quota"];
    let is_own = quota["bytes_left"] == 70 && quota["artifacts_left"] == 2;
    reply.check(is_own, "what is left", reply.text())
}
