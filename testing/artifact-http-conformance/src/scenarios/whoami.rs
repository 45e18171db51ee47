//! A worker's own name for itself.

use serde_json::json;

use crate::scenario::{Outcome, scenarios};
use crate::site::{Context, Credential};

scenarios!("whoami":
    a_worker_learns_its_id_and_name ["W-6", "J-3"],
    the_admin_is_no_worker ["W-6"],
    a_member_of_admins_is_still_a_worker ["W-6"],
);

async fn a_worker_learns_its_id_and_name(site: Context) -> Outcome {
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

async fn the_admin_is_no_worker(site: Context) -> Outcome {
    for method in ["GET", "HEAD"] {
        let reply = site.call(method, "/whoami").by(&site.admin).send().await?;
        reply.problem(403, "forbidden")?;
    }
    Ok(())
}

async fn a_member_of_admins_is_still_a_worker(site: Context) -> Outcome {
    let worker = site.worker().await?;
    let admins = site.group_named("admins").await?;
    site.add(&admins, &worker.principal).await?.status(200)?;
    let reply = site.call("GET", "/whoami").by(&worker).send().await;
    site.remove(&admins, &worker.principal).await?.status(200)?;
    reply?.json(200)?;
    Ok(())
}
