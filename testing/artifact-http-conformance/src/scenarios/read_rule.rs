//! The read rule: the depositor, the admin and members of `admins` may read; other workers learn nothing.

use super::endpoints::ABSENT_ARTIFACT;
use crate::check::sha256_hex;
use crate::scenario::{Outcome, scenarios};
use crate::site::{Context, Credential, fetch_path};

scenarios!("read_rule":
    the_depositor_and_the_admin_may_read ["F-4"],
    other_workers_may_not_read ["F-4"],
    only_admins_may_read_the_admins_artifacts ["F-4", "D-8"],
    members_of_admins_may_read ["F-4", "G-7"],
    nested_members_of_admins_may_read ["F-4", "G-7"],
    groups_with_other_names_grant_nothing ["F-4"],
    leaving_admins_ends_read_access ["F-4", "G-7"],
    deleted_groups_grant_nothing ["G-6", "G-7", "F-4"],
    conditions_and_ranges_do_not_change_a_403 ["F-5"],
    a_403_reveals_nothing_about_the_artifact ["F-5", "A-5"],
    members_of_admins_may_not_administer ["C-2"],
);

async fn check_access(site: &Context, credential: &Credential, allowed: bool) -> Outcome {
    let artifact = site.artifact().await?;
    for method in ["GET", "HEAD"] {
        let reply = site
            .call(method, &artifact.path())
            .by(credential)
            .send()
            .await?;
        if !allowed {
            reply.problem(403, "forbidden")?;
        } else if method == "GET" {
            reply.status(200)?.content(&artifact.bytes)?;
        } else {
            reply.status(200)?;
        }
    }
    Ok(())
}

async fn the_depositor_and_the_admin_may_read(site: Context) -> Outcome {
    check_access(&site, site.depositor().await?, true).await?;
    check_access(&site, &site.admin, true).await
}

async fn other_workers_may_not_read(site: Context) -> Outcome {
    check_access(&site, site.stranger().await?, false).await
}

async fn only_admins_may_read_the_admins_artifacts(site: Context) -> Outcome {
    let artifact = site.put(&site.admin, b"of the admin".to_vec()).await?;
    let reply = site.fetch(&site.admin, &artifact).send().await?;
    reply.status(200)?.content(b"of the admin")?;
    let reply = site.fetch(site.stranger().await?, &artifact).send().await?;
    reply.problem(403, "forbidden")?;
    Ok(())
}

/// Adds a member to `admins`, checks what it may do, and removes it.
async fn while_in_admins(site: &Context, member: &str, credential: &Credential) -> Outcome {
    let admins = site.group_named("admins").await?;
    check_access(site, credential, false).await?;
    site.add(&admins, member).await?.status(200)?;
    let inside = check_access(site, credential, true).await;
    site.remove(&admins, member).await?.status(200)?;
    inside?;
    check_access(site, credential, false).await
}

async fn members_of_admins_may_read(site: Context) -> Outcome {
    let worker = site.worker().await?;
    while_in_admins(&site, &worker.principal, &worker).await
}

async fn nested_members_of_admins_may_read(site: Context) -> Outcome {
    let worker = site.worker().await?;
    let mut group = site.group(&[&worker.principal]).await?;
    while_in_admins(&site, &group, &worker).await?;
    for _ in 0..5 {
        group = site.group(&[&group]).await?;
    }
    while_in_admins(&site, &group, &worker).await
}

async fn groups_with_other_names_grant_nothing(site: Context) -> Outcome {
    let worker = site.worker().await?;
    for name in ["Admins", "admin", "ADMINS"] {
        let body = serde_json::json!({ "name": name, "members": [worker.principal] });
        let call = site
            .call("POST", "/groups")
            .by(&site.admin)
            .json(body.to_string());
        call.send().await?.json(200)?;
    }
    let orchestrators = site.group_named("orchestrators").await?;
    site.add(&orchestrators, &worker.principal)
        .await?
        .status(200)?;
    let outcome = check_access(&site, &worker, false).await;
    site.remove(&orchestrators, &worker.principal)
        .await?
        .status(200)?;
    outcome
}

async fn leaving_admins_ends_read_access(site: Context) -> Outcome {
    let worker = site.worker().await?;
    let group = site.group(&[&worker.principal]).await?;
    let admins = site.group_named("admins").await?;
    site.add(&admins, &group).await?.status(200)?;
    let outcome = async {
        check_access(&site, &worker, true).await?;
        // The worker leaves its group. That group stays in `admins`.
        site.remove(&group, &worker.principal).await?.status(200)?;
        check_access(&site, &worker, false).await?;
        site.add(&group, &worker.principal).await?.status(200)?;
        check_access(&site, &worker, true).await
    }
    .await;
    site.remove(&admins, &group).await?.status(200)?;
    outcome?;
    check_access(&site, &worker, false).await
}

async fn deleted_groups_grant_nothing(site: Context) -> Outcome {
    let worker = site.worker().await?;
    let group = site.group(&[&worker.principal]).await?;
    let admins = site.group_named("admins").await?;
    site.add(&admins, &group).await?.status(200)?;
    let inside = check_access(&site, &worker, true).await;
    let call = site
        .call("DELETE", &format!("/groups/{group}"))
        .by(&site.admin);
    let deleted = call.send().await?;
    let after = check_access(&site, &worker, false).await;
    site.remove(&admins, &group).await?.status(200)?;
    inside?;
    deleted.status(204)?;
    after
}

async fn conditions_and_ranges_do_not_change_a_403(site: Context) -> Outcome {
    let artifact = site.artifact().await?;
    let etag = format!("\"{}\"", sha256_hex(&artifact.bytes));
    let stranger = site.stranger().await?;
    let conditions = [
        ("if-none-match", "*"),
        ("if-none-match", &etag),
        ("if-match", "\"x\""),
        ("if-match", &etag),
        ("range", "bytes=0-0"),
        ("range", "bytes=99999999-"),
        ("range", "x"),
        ("if-range", &etag),
        ("if-modified-since", "Fri, 01 Jan 2100 00:00:00 GMT"),
        ("if-unmodified-since", "Thu, 01 Jan 1970 00:00:00 GMT"),
    ];
    for (name, value) in conditions {
        for method in ["GET", "HEAD"] {
            let call = site
                .call(method, &artifact.path())
                .by(stranger)
                .with(name, value);
            call.send().await?.problem(403, "forbidden")?;
            let call = site.call(method, &fetch_path(ABSENT_ARTIFACT)).by(stranger);
            call.with(name, value)
                .send()
                .await?
                .problem(404, "not-found")?;
            let call = site.call(method, &artifact.path()).with(name, value);
            call.send().await?.problem(401, "unauthorized")?;
        }
    }
    Ok(())
}

async fn a_403_reveals_nothing_about_the_artifact(site: Context) -> Outcome {
    let artifact = site.artifact().await?;
    let reply = site.fetch(site.stranger().await?, artifact).send().await?;
    reply.problem(403, "forbidden")?;
    for name in [
        "etag",
        "repr-digest",
        "content-disposition",
        "last-modified",
        "content-range",
        "accept-ranges",
    ] {
        reply.lacks(name)?;
    }
    let text = String::from_utf8_lossy(&reply.body);
    let owner = &site.depositor().await?.principal;
    let digest = sha256_hex(&artifact.bytes);
    for word in [owner.as_str(), &digest, "f.bin", crate::form::FILE_TYPE] {
        reply.check(!text.contains(word), "nothing of the artifact", word)?;
    }
    Ok(())
}

async fn members_of_admins_may_not_administer(site: Context) -> Outcome {
    let worker = site.worker().await?;
    let admins = site.group_named("admins").await?;
    site.add(&admins, &worker.principal).await?.status(200)?;
    let reply = site
        .call("POST", "/workers")
        .by(&worker)
        .json("{}")
        .send()
        .await;
    let other = site
        .call("POST", "/groups")
        .by(&worker)
        .json("{}")
        .send()
        .await;
    site.remove(&admins, &worker.principal).await?.status(200)?;
    reply?.problem(403, "forbidden")?;
    other?.problem(403, "forbidden")?;
    Ok(())
}
