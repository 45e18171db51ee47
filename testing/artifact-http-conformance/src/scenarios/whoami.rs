//! The identity of the authenticated worker.

use serde_json::json;

use crate::scenario::{Outcome, scenarios};
use crate::site::{Context, Credential};

scenarios!("whoami":
    whoami_returns_id_and_name ["W-6", "J-3"],
    whoami_is_forbidden_for_the_admin ["W-6"],
    members_of_admins_are_workers ["W-6"],
);

async fn whoami_returns_id_and_name(site: Context) -> Outcome {
    let unnamed = site.worker().await?;
    let reply = site.call("GET", "/whoami").by(&unnamed).send().await?;
    let answer = reply.json(200)?;
    reply.members(&answer, &["worker_id"])?;
    let id = reply.text_of(&answer, "worker_id")?;
    reply.check(id == unnamed.principal, &unnamed.principal, id)?;

    let body = json!({ "name": "conformance \u{65e5}", "labels": { "a": "b" } });
    let (reply, worker) = site.register(&body).await?;
    let id = reply.text_of(&worker, "worker_id")?.to_owned();
    let named = Credential::new(&id, reply.text_of(&worker, "registration_token")?);
    let reply = site.call("GET", "/whoami").by(&named).send().await?;
    let answer = reply.json(200)?;
    let expected = json!({ "worker_id": id, "name": "conformance \u{65e5}" });
    reply.check(
        answer == expected,
        &expected.to_string(),
        answer.to_string(),
    )
}

async fn whoami_is_forbidden_for_the_admin(site: Context) -> Outcome {
    for method in ["GET", "HEAD"] {
        let reply = site.call(method, "/whoami").by(&site.admin).send().await?;
        reply.problem(403, "forbidden")?;
    }
    Ok(())
}

async fn members_of_admins_are_workers(site: Context) -> Outcome {
    let worker = site.worker().await?;
    let admins = site.group_named("admins").await?;
    site.add(&admins, &worker.principal).await?.status(200)?;
    let reply = site.call("GET", "/whoami").by(&worker).send().await;
    site.remove(&admins, &worker.principal).await?.status(200)?;
    reply?.json(200)?;
    Ok(())
}
