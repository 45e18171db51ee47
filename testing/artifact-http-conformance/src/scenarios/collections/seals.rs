//! The seal, the manifest and the deletion of a collection.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use serde_json::json;

use super::{Collection, names};
use crate::scenario::{Outcome, scenarios};
use crate::scenarios::management::{get, manage};
use crate::site::Context;

scenarios!("collections":
    a_sealed_collection_is_final ["K-10"],
    a_manifest_can_be_recomputed ["K-11"],
    collections_are_deleted_with_their_files ["K-12"],
);

async fn a_sealed_collection_is_final(site: Context) -> Outcome {
    let collection = Collection::new(&site).await?;
    let reply = collection.put("a", b"1").await?;
    let artifact = format!("/artifacts/{}", reply.text_of(&reply.json(201)?, "id")?);
    let unsealed = collection
        .ask(&collection.owner, "GET", "/manifest")
        .await?;
    unsealed.problem(404, "not-found")?;
    // Deposits that run while the seal is made are in the manifest, or are refused.
    let names_given: Vec<_> = (0..6).map(|number| format!("{number}")).collect();
    let puts = join_all(names_given.iter().map(|name| collection.put(name, b"2")));
    let seal = collection.ask(&collection.owner, "POST", "/seal");
    let (puts, sealed) = futures_util::future::join(puts, seal).await;
    let sealed = sealed?;
    let mut expected = BTreeSet::from(["a".to_owned()]);
    for (put, name) in puts.into_iter().zip(&names_given) {
        let put = put?;
        match put.status {
            201 => drop(expected.insert(name.clone())),
            _ => drop(put.problem(409, "sealed")?),
        }
    }
    let manifest = sealed.json(200)?;
    let found: BTreeSet<_> = names(&sealed, &manifest["files"])?.into_iter().collect();
    sealed.check(
        found == expected,
        &format!("{expected:?}"),
        format!("{found:?}"),
    )?;
    let again = collection.ask(&collection.owner, "POST", "/seal").await?;
    again.check(
        again.json(200)? == manifest,
        "the same manifest",
        again.text(),
    )?;
    collection
        .put("later", b"1")
        .await?
        .problem(409, "sealed")?;
    let refused = collection
        .ask(&collection.owner, "DELETE", "/files/a")
        .await?;
    refused.problem(409, "sealed")?;
    let refused = manage(&site, "DELETE", &artifact)
        .await?
        .by(&collection.owner);
    refused.send().await?.problem(409, "sealed")?;
    collection.fetch("a").await?.status(200)?.content(b"1")?;
    Ok(())
}

async fn a_manifest_can_be_recomputed(site: Context) -> Outcome {
    let collection = Collection::new(&site).await?;
    for (name, bytes) in [("b", &b"2"[..]), ("a/%C3%A9", b""), ("B", b"3")] {
        collection.put(name, bytes).await?.json(201)?;
    }
    collection
        .ask(&collection.owner, "POST", "/seal")
        .await?
        .json(200)?;
    let reply = collection
        .ask(&collection.owner, "GET", "/manifest")
        .await?;
    let manifest = reply.json(200)?;
    reply.members(&manifest, &["collection", "files", "total"])?;
    let found = names(&reply, &manifest["files"])?;
    reply.check(
        found == ["B", "a/\u{e9}", "b"],
        "the order of the bytes",
        reply.text(),
    )?;
    // printf '%s  %s\n' with the three digests and names, piped into sha256sum.
    let expected = json!({
        "files": 3,
        "size_bytes": 2,
        "sha256": "9e56ad06cf3ac5efbd55a46987dde7808af0a5409937f6216182f346c7b77883",
    });
    reply.check(
        manifest["total"] == expected,
        &expected.to_string(),
        reply.text(),
    )
}

async fn collections_are_deleted_with_their_files(site: Context) -> Outcome {
    for is_sealed in [false, true] {
        let collection = Collection::new(&site).await?;
        let reply = collection.put("a", b"1").await?;
        let artifact = format!("/artifacts/{}", reply.text_of(&reply.json(201)?, "id")?);
        collection.put("b/c", b"1").await?.json(201)?;
        if is_sealed {
            collection
                .ask(&collection.owner, "POST", "/seal")
                .await?
                .json(200)?;
        }
        let hold = format!("{artifact}/hold");
        let place = manage(&site, "PUT", &hold).await?.by(&site.admin);
        place.send().await?.status(204)?;
        let refused = collection.ask(&collection.owner, "DELETE", "").await?;
        refused.problem(409, "held")?;
        collection.fetch("b/c").await?.status(200)?;
        let release = manage(&site, "DELETE", &hold).await?.by(&site.admin);
        release.send().await?.status(204)?;
        collection
            .ask(&collection.owner, "DELETE", "")
            .await?
            .status(204)?;
        for rest in ["", "/files", "/files/a", "/manifest"] {
            let reply = collection.ask(&collection.owner, "GET", rest).await?;
            reply.problem(404, "not-found")?;
        }
        get(&site, &artifact, &collection.owner)
            .await?
            .problem(404, "not-found")?;
    }
    Ok(())
}
