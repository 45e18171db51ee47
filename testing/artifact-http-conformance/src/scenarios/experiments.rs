//! The experiment header, the experiment itself, and the isolation of two experiments.

use serde_json::{Value, json};

use super::endpoints::{ABSENT_ARTIFACT, OPERATIONS};
use crate::check::is_utc;
use crate::scenario::{Outcome, scenarios};
use crate::site::{Artifact, Context, fetch_path};

scenarios!("experiments":
    the_experiment_header_must_equal_the_path ["E-1"],
    two_experiment_headers_are_a_mismatch ["E-1"],
    unhosted_experiments_are_a_mismatch ["E-1"],
    the_experiment_has_exactly_its_members ["X-1", "J-3", "J-4"],
    workers_of_another_experiment_are_forbidden ["E-2"],
    artifacts_are_isolated_between_experiments ["F-3"],
    workers_and_groups_are_isolated_between_experiments ["I-2", "W-2", "G-3"],
    admins_groups_are_isolated_between_experiments ["F-4", "E-2"],
);

async fn the_experiment_header_must_equal_the_path(site: Context) -> Outcome {
    let experiment = &site.subject.experiment;
    let wrong = [
        String::new(),
        "another".to_owned(),
        format!("{experiment}x"),
        experiment[..experiment.len() - 1].to_owned(),
        experiment.to_ascii_uppercase(),
        format!("{experiment},{experiment}"),
        format!("%{:02x}{}", experiment.as_bytes()[0], &experiment[1..]),
        format!("\"{experiment}\""),
        format!("{experiment}/"),
    ];
    for value in wrong.iter().filter(|value| *value != experiment) {
        for rest in ["", "/artifacts", "/workers", "/nothing"] {
            let call = site.call("GET", rest).by(&site.admin).experiment(value);
            call.send().await?.problem(400, "experiment-id-mismatch")?;
        }
    }
    // A percent-encoded path names another experiment, even if the header matches it.
    let encoded = format!("%{:02x}{}", experiment.as_bytes()[0], &experiment[1..]);
    for value in [experiment, &encoded] {
        let call = site.bare("GET", format!("/v0/experiments/{encoded}"));
        let reply = call.by(&site.admin).experiment(value).send().await?;
        reply.problem(400, "experiment-id-mismatch")?;
    }
    Ok(())
}

async fn two_experiment_headers_are_a_mismatch(site: Context) -> Outcome {
    let experiment = &site.subject.experiment;
    for second in [experiment.as_str(), "another"] {
        let call = site.call("GET", "").by(&site.admin);
        let reply = call.with("x-eden-experiment-id", second).send().await?;
        reply.problem(400, "experiment-id-mismatch")?;
    }
    Ok(())
}

async fn unhosted_experiments_are_a_mismatch(site: Context) -> Outcome {
    let long = "e".repeat(300);
    for name in [
        "no-such-experiment-here",
        "..",
        ".",
        "~",
        "%00",
        "a%2fb",
        &long,
    ] {
        for operation in OPERATIONS {
            let path = format!("/v0/experiments/{name}{}", operation.absent());
            let call = site.bare(operation.method, path).by(&site.admin);
            let reply = call.experiment(name).send().await?;
            reply.problem(400, "experiment-id-mismatch")?;
        }
    }
    Ok(())
}

async fn the_experiment_has_exactly_its_members(site: Context) -> Outcome {
    let worker = site.stranger().await?;
    let mut answers = Vec::new();
    for credential in [&site.admin, worker] {
        let reply = site.call("GET", "").by(credential).send().await?;
        let answer = reply.json(200)?;
        let names = ["experiment_id", "state", "created_at", "imported_from"];
        reply.members(&answer, &names)?;
        let id = reply.text_of(&answer, "experiment_id")?;
        reply.check(id == site.subject.experiment, "its experiment_id", id)?;
        let state = reply.text_of(&answer, "state")?;
        reply.check(state == "running", "the state running", state)?;
        let from = &answer["imported_from"];
        reply.check(*from == Value::Null, "imported_from null", from.to_string())?;
        let at = reply.text_of(&answer, "created_at")?;
        reply.check(is_utc(at), "a time of RFC 3339 in UTC", at)?;
        answers.push(answer);
        if answers.len() == 2 {
            let same = answers[0] == answers[1];
            reply.check(same, "the same response for every principal", reply.text())?;
        }
    }
    Ok(())
}

async fn workers_of_another_experiment_are_forbidden(site: Context) -> Outcome {
    let worker = site.depositor().await?;
    for operation in OPERATIONS {
        let call = site.elsewhere(operation.method, &operation.absent())?;
        let reply = call.by(worker).send().await?;
        reply.problem(403, "forbidden")?;
    }
    // The order of checks is the same for this worker.
    let reply = site.elsewhere("GET", "/nothing")?.by(worker).send().await?;
    reply.problem(404, "not-found")?;
    let reply = site.elsewhere("PUT", "")?.by(worker).send().await?;
    reply.problem(405, "about:blank")?;
    // The admin belongs to every experiment.
    let reply = site.elsewhere("GET", "")?.by(&site.admin).send().await?;
    reply.status(200)?;
    Ok(())
}

async fn artifacts_are_isolated_between_experiments(site: Context) -> Outcome {
    let Artifact { uri, .. } = site.artifact().await?;
    let call = site.elsewhere("GET", &fetch_path(uri))?;
    let foreign = call.by(&site.admin).send().await?;
    foreign.problem(404, "not-found")?;
    let call = site.elsewhere("GET", &fetch_path(ABSENT_ARTIFACT))?;
    let absent = call.by(&site.admin).send().await?;
    absent.problem(404, "not-found")?;
    // An artifact of another experiment gets the response of a missing one.
    let detail = |reply: &crate::reply::Reply| reply.parsed().map(|body| body["detail"].clone());
    let (one, other) = (detail(&foreign)?, detail(&absent)?);
    foreign.check(
        one == other,
        &format!("the detail {other}"),
        one.to_string(),
    )
}

async fn workers_and_groups_are_isolated_between_experiments(site: Context) -> Outcome {
    let name = "conformance: apart";
    let (reply, worker) = site.register(&json!({ "name": name })).await?;
    let id = reply.text_of(&worker, "worker_id")?;
    let group = site.group(&[]).await?;
    for rest in [format!("/workers/{id}"), format!("/groups/{group}")] {
        let reply = site.elsewhere("GET", &rest)?.by(&site.admin).send().await?;
        reply.problem(404, "not-found")?;
    }
    let rest = format!("/workers/{id}/reissue-credential");
    let reply = site
        .elsewhere("POST", &rest)?
        .by(&site.admin)
        .send()
        .await?;
    reply.problem(404, "not-found")?;
    let rest = format!("/groups/{group}");
    let reply = site
        .elsewhere("DELETE", &rest)?
        .by(&site.admin)
        .send()
        .await?;
    reply.problem(404, "not-found")?;
    for (rest, id) in [("/workers", id), ("/groups", group.as_str())] {
        let reply = site.elsewhere("GET", rest)?.by(&site.admin).send().await?;
        reply.status(200)?;
        let found = String::from_utf8_lossy(&reply.body).contains(id);
        reply.check(
            !found,
            "no worker or group of another experiment",
            format!("{id} in the list"),
        )?;
    }
    Ok(())
}

async fn admins_groups_are_isolated_between_experiments(site: Context) -> Outcome {
    let reply = site
        .elsewhere("POST", "/workers")?
        .by(&site.admin)
        .json("{}")
        .send()
        .await?;
    let worker = reply.json(200)?;
    let id = reply.text_of(&worker, "worker_id")?.to_owned();
    let foreigner =
        crate::site::Credential::new(&id, reply.text_of(&worker, "registration_token")?);
    // Membership in another experiment's `admins` grants nothing there.
    let admins = site.group_named("admins").await?;
    site.add(&admins, &id).await?.status(200)?;
    let artifact = site.artifact().await?;
    let reply = site.fetch(&foreigner, artifact).send().await;
    site.remove(&admins, &id).await?.status(200)?;
    reply?.problem(403, "forbidden")?;
    Ok(())
}
