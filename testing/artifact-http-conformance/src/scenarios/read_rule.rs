//! Who may read: the depositor, the admin, and members of `admins`; and nobody learns anything else.

use super::endpoints::ABSENT_ARTIFACT;
use crate::check::sha256_hex;
use crate::scenario::{Outcome, scenarios};
use crate::site::{Context, Credential, fetch_path};

scenarios!("read_rule":
    the_depositor_and_the_admin_read ["F-4"],
    a_stranger_is_forbidden ["F-4"],
    what_the_admin_deposited_only_admins_read ["F-4", "D-8"],
    a_member_of_admins_reads ["F-4", "G-7"],
    a_member_of_a_group_in_admins_reads ["F-4", "G-7"],
    a_group_of_another_name_gives_nothing ["F-4"],
    who_leaves_admins_reads_no_more ["F-4", "G-7"],
    a_group_that_is_deleted_gives_nothing ["G-6", "G-7", "F-4"],
    a_refusal_stays_one_whatever_is_asked ["F-5"],
    a_refusal_tells_nothing_of_the_artifact ["F-5", "A-5"],
    a_member_of_admins_administers_nothing ["C-2"],
);

async fn reads(site: &Context, who: &Credential, may: bool) -> Outcome {
    let artifact = site.artifact().await?;
    for method in ["GET", "HEAD"] {
        let reply = site.call(method, &artifact.path()).by(who).send().await?;
        if !may {
            reply.problem(403, "forbidden")?;
        } else if method == "GET" {
            reply.status(200)?.content(&artifact.bytes)?;
        } else {
            reply.status(200)?;
        }
    }
    Ok(())
}

async fn the_depositor_and_the_admin_read(site: Context) -> Outcome {
    reads(&site, site.depositor().await?, true).await?;
    reads(&site, &site.admin, true).await
}

async fn a_stranger_is_forbidden(site: Context) -> Outcome {
    reads(&site, site.stranger().await?, false).await
}

async fn what_the_admin_deposited_only_admins_read(site: Context) -> Outcome {
    let artifact = site.put(&site.admin, b"of the admin".to_vec()).await?;
    let reply = site.fetch(&site.admin, &artifact).send().await?;
    reply.status(200)?.content(b"of the admin")?;
    let reply = site.fetch(site.stranger().await?, &artifact).send().await?;
    reply.problem(403, "forbidden")?;
    Ok(())
}

/// Looks at what a member of `admins` by this id may do while it is there, and takes it out again.
async fn while_in_admins(site: &Context, member: &str, who: &Credential) -> Outcome {
    let admins = site.group_named("admins").await?;
    reads(site, who, false).await?;
    site.add(&admins, member).await?.status(200)?;
    let inside = reads(site, who, true).await;
    site.remove(&admins, member).await?.status(200)?;
    inside?;
    reads(site, who, false).await
}

async fn a_member_of_admins_reads(site: Context) -> Outcome {
    let worker = site.worker().await?;
    while_in_admins(&site, &worker.principal, &worker).await
}

async fn a_member_of_a_group_in_admins_reads(site: Context) -> Outcome {
    let worker = site.worker().await?;
    let mut group = site.group(&[&worker.principal]).await?;
    while_in_admins(&site, &group, &worker).await?;
    for _ in 0..5 {
        group = site.group(&[&group]).await?;
    }
    while_in_admins(&site, &group, &worker).await
}

async fn a_group_of_another_name_gives_nothing(site: Context) -> Outcome {
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
    let outcome = reads(&site, &worker, false).await;
    site.remove(&orchestrators, &worker.principal)
        .await?
        .status(200)?;
    outcome
}

async fn who_leaves_admins_reads_no_more(site: Context) -> Outcome {
    let worker = site.worker().await?;
    let group = site.group(&[&worker.principal]).await?;
    let admins = site.group_named("admins").await?;
    site.add(&admins, &group).await?.status(200)?;
    let outcome = async {
        reads(&site, &worker, true).await?;
        // It leaves the group that is in `admins`, which stays there.
        site.remove(&group, &worker.principal).await?.status(200)?;
        reads(&site, &worker, false).await?;
        site.add(&group, &worker.principal).await?.status(200)?;
        reads(&site, &worker, true).await
    }
    .await;
    site.remove(&admins, &group).await?.status(200)?;
    outcome?;
    reads(&site, &worker, false).await
}

async fn a_group_that_is_deleted_gives_nothing(site: Context) -> Outcome {
    let worker = site.worker().await?;
    let group = site.group(&[&worker.principal]).await?;
    let admins = site.group_named("admins").await?;
    site.add(&admins, &group).await?.status(200)?;
    let inside = reads(&site, &worker, true).await;
    let call = site
        .call("DELETE", &format!("/groups/{group}"))
        .by(&site.admin);
    let deleted = call.send().await?;
    let after = reads(&site, &worker, false).await;
    site.remove(&admins, &group).await?.status(200)?;
    inside?;
    deleted.status(204)?;
    after
}

async fn a_refusal_stays_one_whatever_is_asked(site: Context) -> Outcome {
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

async fn a_refusal_tells_nothing_of_the_artifact(site: Context) -> Outcome {
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

async fn a_member_of_admins_administers_nothing(site: Context) -> Outcome {
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
