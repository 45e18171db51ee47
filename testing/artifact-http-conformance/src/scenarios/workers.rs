//! Workers: register, list, read, reissue credentials.

use serde_json::{Value, json};

use crate::check::is_utc;
use crate::reply::Reply;
use crate::scenario::{Outcome, scenarios};
use crate::site::{Context, Credential};

scenarios!("workers":
    registering_returns_worker_and_token ["W-1", "J-3", "J-4"],
    empty_registrations_have_no_name_and_no_labels ["W-1", "J-3"],
    labels_are_returned_unchanged ["W-1"],
    every_registration_creates_a_new_worker ["W-1", "N-2"],
    new_tokens_work_at_once ["W-1", "A-1"],
    lists_contain_every_worker_once ["W-2"],
    lists_are_filtered_by_the_exact_name ["W-2"],
    workers_are_read_as_registered ["W-3"],
    no_other_response_contains_a_token ["W-4", "A-5"],
    reissue_invalidates_the_old_token_at_once ["W-5"],
    reissue_keeps_the_worker_and_its_artifacts ["W-5"],
    concurrent_reissues_leave_one_valid_token ["W-5"],
);

/// The members of a worker with a name and labels.
const ALL: [&str; 6] = [
    "worker_id",
    "name",
    "experiment_id",
    "registered_at",
    "registered_by",
    "labels",
];

async fn registering_returns_worker_and_token(site: Context) -> Outcome {
    let labels = json!({ "zone": "a", "": "empty key", "\u{e4}": "" });
    let body = json!({ "name": "conformance worker", "labels": labels });
    let (reply, worker) = site.register(&body).await?;
    let names: Vec<&str> = ALL.into_iter().chain(["registration_token"]).collect();
    reply.members(&worker, &names)?;
    let expected = [
        ("name", "conformance worker"),
        ("experiment_id", &site.subject.experiment),
        ("registered_by", "admin"),
    ];
    for (member, expected) in expected {
        let found = reply.text_of(&worker, member)?;
        reply.check(found == expected, &format!("{member} {expected}"), found)?;
    }
    let at = reply.text_of(&worker, "registered_at")?;
    reply.check(is_utc(at), "a time of RFC 3339 in UTC", at)?;
    let found = worker["labels"].to_string();
    reply.check(
        worker["labels"] == labels,
        "the labels as registered",
        found,
    )
}

async fn empty_registrations_have_no_name_and_no_labels(site: Context) -> Outcome {
    let (reply, worker) = site.register(&json!({})).await?;
    let names = [
        "worker_id",
        "experiment_id",
        "registered_at",
        "registered_by",
        "registration_token",
    ];
    reply.members(&worker, &names)
}

async fn labels_are_returned_unchanged(site: Context) -> Outcome {
    let labels =
        json!({ "a": "1", "null": "null", "long": "x".repeat(200), "line\nbreak": "\u{1f980}\n" });
    let (reply, worker) = site.register(&json!({ "labels": labels })).await?;
    let id = reply.text_of(&worker, "worker_id")?;
    let reply = site
        .call("GET", &format!("/workers/{id}"))
        .by(&site.admin)
        .send()
        .await?;
    let found = &reply.json(200)?["labels"];
    reply.check(
        *found == labels,
        "the labels as registered",
        found.to_string(),
    )
}

async fn every_registration_creates_a_new_worker(site: Context) -> Outcome {
    let body = json!({ "name": "conformance again" });
    let (_, one) = site.register(&body).await?;
    let (reply, other) = site.register(&body).await?;
    for member in ["worker_id", "registration_token"] {
        let different = one[member] != other[member];
        reply.check(
            different,
            &format!("another {member}"),
            "the same worker twice",
        )?;
    }
    Ok(())
}

async fn new_tokens_work_at_once(site: Context) -> Outcome {
    for _ in 0..3 {
        let worker = site.worker().await?;
        let reply = site.call("GET", "/whoami").by(&worker).send().await?;
        let answer = reply.json(200)?;
        let id = reply.text_of(&answer, "worker_id")?;
        reply.check(id == worker.principal, "the worker's own id", id)?;
    }
    Ok(())
}

/// Returns the list of workers for a query.
async fn list(site: &Context, query: &str) -> Outcome<(Reply, Vec<Value>)> {
    let call = site.call("GET", &format!("/workers{query}"));
    let reply = call.by(site.stranger().await?).send().await?;
    let answer = reply.json(200)?;
    reply.members(&answer, &["workers"])?;
    let workers = answer["workers"].as_array().cloned();
    let workers = workers.ok_or_else(|| reply.fail("a list", reply.text()))?;
    Ok((reply, workers))
}

async fn lists_contain_every_worker_once(site: Context) -> Outcome {
    let new = [site.worker().await?, site.worker().await?];
    let (reply, workers) = list(&site, "").await?;
    for Credential { principal, .. } in &new {
        let count = workers
            .iter()
            .filter(|worker| worker["worker_id"] == principal.as_str());
        let count = count.count();
        reply.check(
            count == 1,
            &format!("{principal} once"),
            format!("{count} times"),
        )?;
    }
    for worker in &workers {
        let known = worker
            .as_object()
            .is_some_and(|members| members.keys().all(|member| ALL.contains(&member.as_str())));
        reply.check(known, &format!("workers of {ALL:?}"), "another member")?;
        let home = reply.text_of(worker, "experiment_id")?;
        reply.check(
            home == site.subject.experiment,
            "workers of this experiment",
            home,
        )?;
    }
    Ok(())
}

async fn lists_are_filtered_by_the_exact_name(site: Context) -> Outcome {
    let unique = site.worker().await?.principal;
    let name = format!("M\u{fc}ller & {unique}");
    let (reply, worker) = site.register(&json!({ "name": name })).await?;
    let id = reply.text_of(&worker, "worker_id")?.to_owned();
    let encode = |text: &str| {
        percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
    };
    let (reply, found) = list(&site, &format!("?name={}", encode(&name))).await?;
    let seen = format!("{} workers", found.len());
    let only = matches!(&found[..], [one] if one["worker_id"] == id.as_str());
    reply.check(only, "the one worker of this name", seen)?;
    let twice = format!("/workers?name={0}&name={0}", encode(&name));
    let reply = site.call("GET", &twice).by(&site.admin).send().await?;
    reply.problem(400, "bad-request")?;
    let near = [
        name.to_lowercase(),
        name[..name.len() - 1].to_owned(),
        format!("{name} "),
        "%".to_owned(),
        "*".to_owned(),
        "_".repeat(name.len()),
        "' OR 1=1 --".to_owned(),
        // The same characters in another normalization form.
        name.replace('\u{fc}', "u\u{308}"),
    ];
    for other in near {
        let (reply, found) = list(&site, &format!("?name={}", encode(&other))).await?;
        let none = found.iter().all(|worker| worker["name"] == other.as_str());
        reply.check(
            none,
            "no worker of another name",
            format!("{} workers", found.len()),
        )?;
    }
    Ok(())
}

async fn workers_are_read_as_registered(site: Context) -> Outcome {
    let body = json!({ "name": "conformance read", "labels": { "a": "b" } });
    let (reply, mut registered) = site.register(&body).await?;
    let id = reply.text_of(&registered, "worker_id")?.to_owned();
    if let Some(members) = registered.as_object_mut() {
        members.remove("registration_token");
    }
    for credential in [&site.admin, site.stranger().await?] {
        let reply = site
            .call("GET", &format!("/workers/{id}"))
            .by(credential)
            .send()
            .await?;
        let read = reply.json(200)?;
        let seen = read.to_string();
        reply.check(read == registered, &format!("{registered}"), seen)?;
    }
    Ok(())
}

async fn no_other_response_contains_a_token(site: Context) -> Outcome {
    let worker = site.worker().await?;
    for credential in [&site.admin, &worker] {
        for rest in [
            "/workers".to_owned(),
            format!("/workers/{}", worker.principal),
        ] {
            let reply = site.call("GET", &rest).by(credential).send().await?;
            reply.status(200)?;
            let text = String::from_utf8_lossy(&reply.body).to_ascii_lowercase();
            for word in [
                "registration_token",
                "argon2",
                "hash",
                "secret",
                "credential",
            ] {
                // A display name may contain such a word; a member name must not.
                let member = format!("\"{word}\":");
                reply.check(
                    !text.contains(&member),
                    "no credential",
                    format!("a member {word}"),
                )?;
            }
            let token = worker.secret.to_ascii_lowercase();
            reply.check(!text.contains(&token), "no token", "the token")?;
            reply.check(!text.contains("$argon2"), "no hash", "a hash")?;
        }
    }
    Ok(())
}

async fn reissue(site: &Context, worker: &Credential) -> Outcome<Credential> {
    let rest = format!("/workers/{}/reissue-credential", worker.principal);
    let reply = site.call("POST", &rest).by(&site.admin).send().await?;
    let answer = reply.json(200)?;
    let id = reply.text_of(&answer, "worker_id")?;
    reply.check(id == worker.principal, &worker.principal, id)?;
    let names = [
        "worker_id",
        "experiment_id",
        "registered_at",
        "registered_by",
        "registration_token",
    ];
    reply.members(&answer, &names)?;
    let token = reply.text_of(&answer, "registration_token")?;
    reply.check(token != worker.secret, "a new token", "the old token")?;
    Ok(Credential::new(id, token))
}

async fn reissue_invalidates_the_old_token_at_once(site: Context) -> Outcome {
    let mut worker = site.worker().await?;
    let mut former = Vec::new();
    for _ in 0..3 {
        // The server has verified the old token and may have cached it.
        site.call("GET", "/whoami")
            .by(&worker)
            .send()
            .await?
            .status(200)?;
        let new = reissue(&site, &worker).await?;
        former.push(std::mem::replace(&mut worker, new));
        for old in &former {
            let reply = site.call("GET", "/whoami").by(old).send().await?;
            reply.problem(401, "unauthorized")?;
        }
        site.call("GET", "/whoami")
            .by(&worker)
            .send()
            .await?
            .status(200)?;
    }
    Ok(())
}

async fn reissue_keeps_the_worker_and_its_artifacts(site: Context) -> Outcome {
    let worker = site.worker().await?;
    let artifact = site.put(&worker, b"from before".to_vec()).await?;
    let new = reissue(&site, &worker).await?;
    let reply = site.fetch(&new, &artifact).send().await?;
    reply.status(200)?.content(b"from before")?;
    Ok(())
}

async fn concurrent_reissues_leave_one_valid_token(site: Context) -> Outcome {
    let worker = site.worker().await?;
    let (one, other, third) = tokio::join!(
        reissue(&site, &worker),
        reissue(&site, &worker),
        reissue(&site, &worker)
    );
    let mut valid = 0;
    for credential in [one?, other?, third?] {
        let reply = site.call("GET", "/whoami").by(&credential).send().await?;
        valid += usize::from(reply.one_of(&[200, 401])?.status == 200);
    }
    let reply = site.call("GET", "/whoami").by(&worker).send().await?;
    reply.problem(401, "unauthorized")?;
    reply.check(
        valid == 1,
        "one valid token after three reissues",
        valid.to_string(),
    )
}
