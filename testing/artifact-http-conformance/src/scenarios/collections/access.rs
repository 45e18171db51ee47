//! Who reads a collection, and how.

use std::collections::BTreeSet;

use serde_json::json;

use super::Collection;
use crate::form::noise;
use crate::scenario::{Outcome, Stop, scenarios};
use crate::scenarios::management::{get, manage};
use crate::site::{Context, Credential};

scenarios!("collections":
    files_are_fetched_like_artifacts ["K-7"],
    artifacts_name_the_collection_that_they_are_in ["M-3", "M-4"],
    only_the_owner_and_administrators_see_a_collection ["K-2", "K-3"],
);

async fn files_are_fetched_like_artifacts(site: Context) -> Outcome {
    let collection = Collection::new(&site).await?;
    let bytes = noise(100_000);
    let typed = [("content-type", "text/html")];
    let reply = collection.put_if("web/x.bin", &bytes, &typed).await?;
    let file = reply.json(201)?;
    let content = format!("/artifacts/{}/content", reply.text_of(&file, "id")?);
    let direct = get(&site, &content, &collection.owner).await?;
    let fetched = collection.fetch("web/x.bin").await?;
    fetched.status(200)?.content(&bytes)?;
    for field in [
        "content-type",
        "content-disposition",
        "content-security-policy",
        "x-content-type-options",
        "cache-control",
        "etag",
        "repr-digest",
        "accept-ranges",
        "content-length",
    ] {
        fetched.has(field, direct.field(field)?)?;
    }
    let call = manage(
        &site,
        "GET",
        &format!("{}/files/web/x.bin", collection.path),
    )
    .await?;
    let call = call.by(&collection.owner);
    let part = call
        .clone()
        .with("range", "bytes=70000-70009")
        .send()
        .await?;
    part.status(206)?.content(&bytes[70_000..70_010])?;
    let known = call
        .with("if-none-match", fetched.field("etag")?)
        .send()
        .await?;
    known.status(304)?;
    let head = collection
        .ask(&collection.owner, "HEAD", "/files/web/x.bin")
        .await?;
    head.status(200)?.has("content-length", "100000")?;
    collection
        .fetch("web/absent")
        .await?
        .problem(404, "not-found")?;
    Ok(())
}

async fn artifacts_name_the_collection_that_they_are_in(site: Context) -> Outcome {
    let collection = Collection::new(&site).await?;
    let reply = collection
        .put("runs/a b.txt".replace(' ', "%20").as_str(), b"1")
        .await?;
    let file = reply.json(201)?;
    let id = reply.text_of(&file, "id")?;
    let info = get(&site, &format!("/artifacts/{id}"), &collection.owner).await?;
    let list = get(&site, "/artifacts", &collection.owner).await?;
    let page = list.json(200)?;
    let mut listed = page["artifacts"].as_array().into_iter().flatten();
    let listed = listed.find(|artifact| artifact["id"] == id).cloned();
    let expected = json!([collection.path.rsplit('/').next(), "runs/a b.txt"]);
    for (reply, artifact) in [
        (&info, info.json(200)?),
        (&list, listed.unwrap_or_default()),
    ] {
        let found = json!([artifact["collection"], artifact["path"]]);
        let is_right = found == expected;
        reply.check(is_right, &expected.to_string(), found.to_string())?;
    }
    Ok(())
}

async fn only_the_owner_and_administrators_see_a_collection(site: Context) -> Outcome {
    let collection = Collection::new(&site).await?;
    collection.put("a", b"1").await?.json(201)?;
    let (stranger, member) = (site.worker().await?, site.worker().await?);
    let admins = site.group_named("admins").await?;
    site.add(&admins, &member.principal).await?.json(200)?;
    let reads = [("GET", ""), ("GET", "/files"), ("GET", "/files/a")];
    let writes = [
        ("PUT", "/files/b"),
        ("DELETE", "/files/a"),
        ("POST", "/seal"),
        ("DELETE", ""),
    ];
    for (method, rest) in reads {
        for who in [&collection.owner, &member, &site.admin] {
            collection.ask(who, method, rest).await?.status(200)?;
        }
    }
    for (method, rest) in reads.into_iter().chain(writes) {
        let reply = collection.ask(&stranger, method, rest).await?;
        reply.problem(403, "forbidden")?;
    }
    for name in ["/files/absent", "/files/a/b"] {
        let reply = collection.ask(&stranger, "GET", name).await?;
        reply.problem(403, "forbidden")?;
    }
    for (method, rest) in writes {
        let reply = collection.ask(&member, method, rest).await?;
        reply.problem(403, "forbidden")?;
    }
    let list = async |who: &Credential, query: &str| {
        let reply = get(&site, &format!("/collections{query}"), who).await?;
        let page = reply.json(200)?;
        let all = page["collections"].as_array().cloned().unwrap_or_default();
        let owners: BTreeSet<_> = all
            .iter()
            .map(|found| found["created_by"].to_string())
            .collect();
        Ok::<_, Stop>((reply, owners))
    };
    let (reply, owners) = list(&stranger, "").await?;
    reply.check(owners.is_empty(), "no collections of others", reply.text())?;
    let own = json!(collection.owner.principal).to_string();
    let (reply, owners) = list(&collection.owner, "").await?;
    reply.check(
        owners == BTreeSet::from([own.clone()]),
        "its own collection",
        reply.text(),
    )?;
    let query = format!("?created_by={}", collection.owner.principal);
    let (reply, owners) = list(&member, &query).await?;
    reply.check(
        owners == BTreeSet::from([own]),
        "the owner's collection",
        reply.text(),
    )?;
    let refused = get(&site, &format!("/collections{query}"), &stranger).await?;
    refused.problem(403, "forbidden")?;
    Ok(())
}
