//! Management: list, read, delete, hold, usage and retention. A server may leave it out.

use serde_json::{Value, json};

use crate::call::Call;
use crate::check::is_utc;
use crate::form::{FILE, form, noise};
use crate::reply::Reply;
use crate::scenario::{Outcome, Stop, scenarios};
use crate::site::{Artifact, Context, Credential, Site};

scenarios!("management":
    the_experiment_header_may_be_left_out ["M-1"],
    parameters_are_strict ["M-2"],
    pages_contain_every_artifact_once ["M-3"],
    lists_are_filtered ["M-3"],
    artifacts_are_described ["M-4", "J-4"],
    deleted_artifacts_are_not_found ["M-2", "M-5"],
    a_dry_run_deletes_nothing ["M-2", "M-5", "M-6"],
    held_artifacts_are_not_deleted ["M-6"],
    usage_counts_artifacts ["M-7"],
    the_retention_is_returned_as_set ["M-8"],
    deposits_say_how_long_they_are_kept ["D-14"],
);

const ABSENT: &str = "/artifacts/00000000000000000000000000000000";

/// Starts a request of management, without an experiment header. Skips the scenario if the server has no management.
pub(super) async fn manage<'s>(site: &'s Site, method: &str, rest: &str) -> Outcome<Call<'s>> {
    let path = |rest: &str| format!("/v1/experiments/{}{rest}", site.subject.experiment);
    let probe = site.bare("GET", path("/usage")).send().await?;
    if probe.status == 404 {
        return Err(Stop::Skipped(
            "this server has no operations under /v1/, which are optional".to_owned(),
        ));
    }
    Ok(site.bare(method, path(rest)))
}

pub(super) async fn get(site: &Site, rest: &str, who: &Credential) -> Outcome<Reply> {
    manage(site, "GET", rest).await?.by(who).send().await
}

/// Returns the path of an artifact.
fn path_of(artifact: &Artifact) -> String {
    let id = artifact.uri.len().saturating_sub(32);
    format!("/artifacts/{}", artifact.uri.get(id..).unwrap_or_default())
}

fn uris(reply: &Reply, page: &Value) -> Outcome<Vec<String>> {
    let artifacts = page["artifacts"].as_array();
    let artifacts = artifacts.ok_or_else(|| reply.fail("a list of artifacts", reply.text()))?;
    artifacts
        .iter()
        .map(|artifact| Ok(reply.text_of(artifact, "artifacts_uri")?.to_owned()))
        .collect()
}

async fn the_experiment_header_may_be_left_out(site: Context) -> Outcome {
    get(&site, "/usage", &site.admin).await?.json(200)?;
    let own = &site.subject.experiment;
    for (header, status) in [(&**own, 200), ("not-this-one", 400)] {
        let call = manage(&site, "GET", "/usage").await?.by(&site.admin);
        let reply = call.experiment(header).send().await?;
        match status {
            200 => drop(reply.json(200)?),
            _ => drop(reply.problem(400, "experiment-id-mismatch")?),
        }
    }
    let reply = manage(&site, "GET", "/nothing").await?.send().await?;
    reply.problem(401, "unauthorized")?;
    let reply = get(&site, "/nothing", &site.admin).await?;
    reply.problem(404, "not-found")?;
    let call = manage(&site, "POST", "/usage").await?.by(&site.admin);
    call.send().await?.status(405)?.has("allow", "GET, HEAD")?;
    let stranger = site.stranger().await?;
    let call = manage(&site, "PUT", "/retention").await?.by(stranger);
    call.send().await?.problem(403, "forbidden")?;
    Ok(())
}

async fn parameters_are_strict(site: Context) -> Outcome {
    for (query, name) in [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=1&limit=2", "limit"),
        ("after=x", "after"),
        ("created_from=today", "created_from"),
        ("min_size=-1", "min_size"),
        ("created_by=wkr_x", "created_by"),
        ("content_type=text", "content_type"),
        ("name=", "name"),
        ("unknown=1", "unknown"),
    ] {
        let reply = get(&site, &format!("/artifacts?{query}"), &site.admin).await?;
        let problem = reply.problem(400, "bad-request")?.parsed()?;
        let detail = reply.text_of(&problem, "detail")?;
        reply.check(
            detail.contains(name),
            &format!("a detail that names {name}"),
            detail,
        )?;
    }
    for path in [ABSENT, "/artifacts/0", "/artifacts/x", "/artifacts/"] {
        get(&site, path, &site.admin)
            .await?
            .problem(404, "not-found")?;
    }
    Ok(())
}

async fn pages_contain_every_artifact_once(site: Context) -> Outcome {
    let worker = site.worker().await?;
    let mut deposited = Vec::new();
    for bytes in 0..5 {
        deposited.push(site.put(&worker, noise(bytes)).await?.uri);
    }
    for limit in [1, 2, 5, 1000] {
        let mut found = Vec::new();
        let mut path = format!("/artifacts?limit={limit}");
        loop {
            let reply = get(&site, &path, &worker).await?;
            let page = reply.json(200)?;
            reply.members(&page, &["artifacts", "unreadable", "next"])?;
            let uris = uris(&reply, &page)?;
            reply.check(
                uris.len() <= limit,
                "at most `limit` artifacts",
                reply.text(),
            )?;
            found.extend(uris);
            if page["next"].is_null() {
                break;
            }
            let next = reply.text_of(&page, "next")?;
            path = format!("/artifacts?limit={limit}&after={next}");
            reply.check(
                found.len() <= deposited.len(),
                "each artifact once",
                reply.text(),
            )?;
        }
        if found != deposited {
            let asked = format!("all pages of {limit}");
            let (expected, seen) = (format!("{deposited:?}"), format!("{found:?}"));
            return Err(Stop::failed(asked, expected, seen));
        }
    }
    Ok(())
}

async fn lists_are_filtered(site: Context) -> Outcome {
    let (worker, other) = (site.worker().await?, site.worker().await?);
    let small = site.put(&worker, noise(10)).await?.uri;
    let large = site.put(&worker, noise(2000)).await?.uri;
    site.put(&other, noise(10)).await?;
    for (query, expected) in [
        ("", vec![&small, &large]),
        ("?min_size=10&max_size=10", vec![&small]),
        ("?min_size=11", vec![&large]),
        ("?min_size=2001", vec![]),
        ("?created_before=2000-01-01T00:00:00Z", vec![]),
        ("?created_from=2000-01-01T00:00:00Z", vec![&small, &large]),
        ("?name=no-file-has-this-name", vec![]),
        ("?content_type=x-none/x-none", vec![]),
    ] {
        let reply = get(&site, &format!("/artifacts{query}"), &worker).await?;
        let found = uris(&reply, &reply.json(200)?)?;
        let holds = found.iter().eq(expected.iter().copied());
        reply.check(holds, &format!("{expected:?}"), format!("{found:?}"))?;
    }
    let by = format!("/artifacts?created_by={}", worker.principal);
    get(&site, &by, &other).await?.problem(403, "forbidden")?;
    let reply = get(&site, &by, &site.admin).await?;
    let found = uris(&reply, &reply.json(200)?)?;
    reply.check(
        found == [small, large],
        "both artifacts of the worker",
        reply.text(),
    )
}

async fn artifacts_are_described(site: Context) -> Outcome {
    let worker = site.worker().await?;
    let artifact = site.put(&worker, noise(100)).await?;
    let path = path_of(&artifact);
    let reply = get(&site, &path, &worker).await?;
    let info = reply.json(200)?;
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
        "hold",
    ];
    reply.members(&info, &members)?;
    for (member, expected) in [
        ("artifacts_uri", json!(artifact.uri)),
        ("experiment", json!(site.subject.experiment)),
        ("size_bytes", json!(100)),
        ("created_by", json!(worker.principal)),
        ("expires_at", Value::Null),
        ("collection", Value::Null),
        ("path", Value::Null),
        ("hold", Value::Null),
    ] {
        let found = info[member].to_string();
        reply.check(
            info[member] == expected,
            &format!("{member} {expected}"),
            found,
        )?;
    }
    let created_at = reply.text_of(&info, "created_at")?;
    reply.check(is_utc(created_at), "a time in UTC", created_at)?;
    let stranger = site.stranger().await?;
    get(&site, &path, stranger)
        .await?
        .problem(403, "forbidden")?;
    Ok(())
}

async fn delete(site: &Site, path: &str, who: &Credential) -> Outcome<Reply> {
    manage(site, "DELETE", path).await?.by(who).send().await
}

async fn deleted_artifacts_are_not_found(site: Context) -> Outcome {
    let worker = site.worker().await?;
    let artifact = site.put(&worker, noise(100)).await?;
    site.fetch(&worker, &artifact).send().await?.status(200)?;
    let path = path_of(&artifact);
    let stranger = site.stranger().await?;
    delete(&site, &path, stranger)
        .await?
        .problem(403, "forbidden")?;
    delete(&site, &path, &worker)
        .await?
        .status(204)?
        .content(b"")?;
    for reply in [
        site.fetch(&worker, &artifact).send().await?,
        get(&site, &path, &worker).await?,
        delete(&site, &path, &worker).await?,
        delete(&site, ABSENT, &site.admin).await?,
    ] {
        reply.problem(404, "not-found")?;
    }
    Ok(())
}

async fn a_dry_run_deletes_nothing(site: Context) -> Outcome {
    let worker = site.worker().await?;
    let artifact = site.put(&worker, noise(100)).await?;
    let path = path_of(&artifact);
    let dry = format!("{path}?dry_run=true");
    for query in ["dry_run", "dry_run=1", "dry_run=true&dry_run=true"] {
        let reply = delete(&site, &format!("{path}?{query}"), &worker).await?;
        reply.problem(400, "bad-request")?;
    }
    for who in [&worker, &site.admin] {
        let reply = delete(&site, &dry, who).await?;
        let found = reply.json(200)?;
        let uri = reply.text_of(&found, "artifacts_uri")?;
        reply.check(uri == artifact.uri, &artifact.uri, uri)?;
    }
    let stranger = site.stranger().await?;
    let reply = delete(&site, &dry, stranger).await?;
    reply.problem(403, "forbidden")?;
    let hold = format!("{path}/hold");
    let call = manage(&site, "PUT", &hold).await?.by(&site.admin);
    call.send().await?.status(204)?;
    delete(&site, &dry, &worker).await?.problem(409, "held")?;
    delete(&site, &hold, &site.admin).await?.status(204)?;
    site.fetch(&worker, &artifact).send().await?.status(200)?;
    let reply = delete(&site, &format!("{path}?dry_run=false"), &worker).await?;
    reply.status(204)?;
    delete(&site, &dry, &worker)
        .await?
        .problem(404, "not-found")?;
    Ok(())
}

async fn held_artifacts_are_not_deleted(site: Context) -> Outcome {
    let worker = site.worker().await?;
    let artifact = site.put(&worker, noise(100)).await?;
    let path = path_of(&artifact);
    let hold = format!("{path}/hold");
    for _ in 0..2 {
        let call = manage(&site, "PUT", &hold).await?.by(&site.admin);
        call.send().await?.status(204)?;
    }
    let reply = get(&site, &path, &worker).await?;
    let info = reply.json(200)?;
    reply.members(&info["hold"], &["placed_by", "placed_at"])?;
    for who in [&worker, &site.admin] {
        delete(&site, &path, who).await?.problem(409, "held")?;
    }
    site.fetch(&worker, &artifact).send().await?.status(200)?;
    delete(&site, &hold, &worker)
        .await?
        .problem(403, "forbidden")?;
    for _ in 0..2 {
        delete(&site, &hold, &site.admin).await?.status(204)?;
    }
    delete(&site, &path, &worker).await?.status(204)?;
    Ok(())
}

async fn usage_counts_artifacts(site: Context) -> Outcome {
    let worker = site.worker().await?;
    site.put(&worker, noise(100)).await?;
    site.put(&worker, noise(20)).await?;
    let own = json!({ "created_by": worker.principal, "artifacts": 2, "bytes": 120 });
    let reply = get(&site, "/usage", &worker).await?;
    let usage = reply.json(200)?;
    let expected = json!({ "artifacts": 2, "bytes": 120, "principals": [own], "quota": null });
    reply.check(usage == expected, &expected.to_string(), reply.text())?;
    let reply = get(&site, "/usage", &site.admin).await?;
    let usage = reply.json(200)?;
    let principals = usage["principals"].as_array();
    let is_there = principals.is_some_and(|principals| principals.contains(&own));
    reply.check(is_there, "the worker among the others", reply.text())
}

async fn the_retention_is_returned_as_set(site: Context) -> Outcome {
    let set = async |body: &str| {
        let call = manage(&site, "PUT", "/retention").await?.by(&site.admin);
        call.json(body.to_owned()).send().await
    };
    let before = get(&site, "/retention", &site.admin).await?;
    let before = before.json(200)?;
    // So long that no artifact of this run expires.
    for body in ["{\"keep_seconds\":3153600000}", "{\"keep_seconds\":null}"] {
        set(body).await?.status(204)?;
        let reply = get(&site, "/retention", site.stranger().await?).await?;
        let found = reply.json(200)?.to_string();
        reply.check(found == body, body, found.clone())?;
    }
    for body in [
        "",
        "{}",
        "{\"keep_seconds\":0}",
        "{\"keep_seconds\":3153600001}",
    ] {
        set(body).await?.problem(400, "bad-request")?;
    }
    set(&before.to_string()).await?.status(204)?;
    Ok(())
}

async fn deposits_say_how_long_they_are_kept(site: Context) -> Outcome {
    let worker = site.worker().await?;
    for value in ["0", "-1", "1d", "1.5", "", "3153600001"] {
        let call = site.deposit(&worker, form(&[(FILE, b"x")]));
        let reply = call.with("artifact-expires-in", value).send().await?;
        reply.problem(400, "bad-request")?;
    }
    let call = site.deposit(&worker, form(&[(FILE, b"x")]));
    let reply = call.with("artifact-expires-in", "3600").send().await?;
    let answer = reply.json(201)?;
    let artifact = Artifact {
        uri: reply.text_of(&answer, "artifacts_uri")?.to_owned(),
        bytes: b"x".to_vec(),
    };
    let reply = get(&site, &path_of(&artifact), &worker).await?;
    let info = reply.json(200)?;
    let expires_at = reply.text_of(&info, "expires_at")?;
    reply.check(is_utc(expires_at), "a time in UTC", expires_at)
}
