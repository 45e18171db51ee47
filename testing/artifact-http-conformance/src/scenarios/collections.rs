//! Collections under `/v1`. A server may leave them out.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::management::{get, manage};
use crate::form::noise;
use crate::reply::Reply;
use crate::scenario::{Outcome, Stop, scenarios};
use crate::site::{Context, Credential, Site};

scenarios!("collections":
    a_name_is_given_once ["K-1", "K-5", "K-6"],
    one_of_concurrent_deposits_of_a_name_succeeds ["K-6"],
    a_file_is_no_folder ["K-6"],
    only_names_of_the_grammar_are_accepted ["K-4"],
    files_are_fetched_like_artifacts ["K-7"],
    artifacts_name_the_collection_that_they_are_in ["M-3", "M-4"],
    only_the_owner_and_administrators_see_a_collection ["K-2", "K-3"],
    deleted_names_are_never_given_again ["K-8"],
    lists_are_by_prefix_and_folder ["K-9"],
    a_sealed_collection_is_final ["K-10"],
    a_manifest_can_be_recomputed ["K-11"],
    collections_are_deleted_with_their_files ["K-12"],
);

/// A collection of a worker.
struct Collection<'s> {
    site: &'s Site,
    owner: Credential,
    path: String,
}

impl<'s> Collection<'s> {
    /// Creates a collection. Skips the scenario if the server has none.
    async fn new(site: &'s Site) -> Outcome<Self> {
        let owner = site.worker().await?;
        let create = manage(site, "POST", "/collections").await?.by(&owner);
        let reply = create.send().await?;
        if reply.status == 404 {
            let reason = "this server has no collections, which are optional";
            return Err(Stop::Skipped(reason.to_owned()));
        }
        let created = reply.json(201)?;
        let path = format!("/collections/{}", reply.text_of(&created, "id")?);
        Ok(Self { site, owner, path })
    }

    async fn ask(&self, who: &Credential, method: &str, rest: &str) -> Outcome<Reply> {
        let path = format!("{}{rest}", self.path);
        let call = manage(self.site, method, &path).await?.by(who);
        call.send().await
    }

    async fn put(&self, name: &str, bytes: &[u8]) -> Outcome<Reply> {
        self.put_if(name, bytes, &[]).await
    }

    async fn put_if(&self, name: &str, bytes: &[u8], fields: &[(&str, &str)]) -> Outcome<Reply> {
        let path = format!("{}/files/{name}", self.path);
        let mut call = manage(self.site, "PUT", &path).await?.by(&self.owner);
        for (name, value) in fields {
            call = call.with(name, value);
        }
        call.body(bytes.to_vec()).send().await
    }

    async fn fetch(&self, name: &str) -> Outcome<Reply> {
        self.ask(&self.owner, "GET", &format!("/files/{name}"))
            .await
    }

    /// Returns the names and folders of a list.
    async fn list(&self, query: &str) -> Outcome<Vec<String>> {
        let reply = self
            .ask(&self.owner, "GET", &format!("/files{query}"))
            .await?;
        let page = reply.json(200)?;
        reply.members(&page, &["files", "folders", "next"])?;
        let mut found = names(&reply, &page["files"])?;
        let folders = page["folders"].as_array().into_iter().flatten();
        found.extend(folders.filter_map(Value::as_str).map(str::to_owned));
        found.sort_unstable();
        Ok(found)
    }
}

fn names(reply: &Reply, files: &Value) -> Outcome<Vec<String>> {
    let files = files
        .as_array()
        .ok_or_else(|| reply.fail("a list of files", reply.text()))?;
    let names = files
        .iter()
        .map(|file| Ok(reply.text_of(file, "name")?.to_owned()));
    names.collect()
}

async fn a_name_is_given_once(site: Context) -> Outcome {
    let collection = Collection::new(&site).await?;
    let first = collection.put("runs/a%20b.csv", b"first").await?;
    let file = first.json(201)?;
    let members = [
        "name",
        "artifacts_uri",
        "id",
        "size_bytes",
        "content_type",
        "sha256",
        "created_at",
    ];
    first.members(&file, &members)?;
    first.check(file["name"] == "runs/a b.csv", "the name", first.text())?;
    first.check(
        file["content_type"] == "text/csv",
        "the type of the name",
        first.text(),
    )?;
    first.field("repr-digest")?;
    let digest = first.text_of(&file, "sha256")?;
    for bytes in [&b"second"[..], b"first"] {
        let second = collection.put("runs/a%20b.csv", bytes).await?;
        second.problem(409, "already-exists")?;
        second.check(
            second.text().contains(digest),
            "the SHA-256 of what is there",
            second.text(),
        )?;
        let create = [("if-none-match", "*")];
        let second = collection.put_if("runs/a%20b.csv", bytes, &create).await?;
        second.problem(412, "about:blank")?;
    }
    let fetched = collection.fetch("runs/a%20b.csv").await?;
    fetched.status(200)?.content(b"first")?;
    // Another principal has names of its own.
    let other = Collection::new(&site).await?;
    other.put("runs/a%20b.csv", b"other").await?.json(201)?;
    let reply = collection.ask(&collection.owner, "GET", "").await?;
    let found = reply.json(200)?;
    let members = [
        "id",
        "experiment",
        "created_by",
        "title",
        "created_at",
        "sealed_at",
        "state",
        "files",
        "size_bytes",
    ];
    reply.members(&found, &members)?;
    let totals = found["files"] == 1 && found["size_bytes"] == 5 && found["state"] == "open";
    reply.check(totals, "one file of 5 bytes", reply.text())
}

async fn one_of_concurrent_deposits_of_a_name_succeeds(site: Context) -> Outcome {
    let collection = Collection::new(&site).await?;
    for length in [10, 300_000] {
        let name = format!("{length}");
        let bytes: Vec<_> = (0..8).map(|number| noise(length + number)).collect();
        let replies = join_all(bytes.iter().map(|bytes| collection.put(&name, bytes))).await;
        let replies = replies.into_iter().collect::<Outcome<Vec<Reply>>>()?;
        let mut won = None;
        for (reply, bytes) in replies.iter().zip(&bytes) {
            match reply.status {
                201 => {
                    reply.check(won.is_none(), "one 201", "two of them")?;
                    won = Some(bytes);
                }
                _ => drop(reply.problem(409, "already-exists")?),
            }
        }
        let won = won.ok_or_else(|| replies[0].fail("one 201", "none"))?;
        collection.fetch(&name).await?.status(200)?.content(won)?;
    }
    let reply = get(&site, "/usage", &collection.owner).await?;
    let usage = reply.json(200)?;
    reply.check(usage["artifacts"] == 2, "two artifacts", reply.text())
}

async fn a_file_is_no_folder(site: Context) -> Outcome {
    let collection = Collection::new(&site).await?;
    collection.put("a/b/c", b"1").await?.json(201)?;
    collection.put("d", b"1").await?.json(201)?;
    for name in ["a", "a/b", "d/e", "d/e/f", "a/b/c/d"] {
        let reply = collection.put(name, b"2").await?;
        reply.problem(409, "already-exists")?;
    }
    for name in ["a/b/d", "a-", "d0", "ab"] {
        collection.put(name, b"3").await?.json(201)?;
    }
    Ok(())
}

async fn only_names_of_the_grammar_are_accepted(site: Context) -> Outcome {
    let collection = Collection::new(&site).await?;
    let (long, deep) = ("x".repeat(256), vec!["d"; 65].join("/"));
    for name in [
        "..",
        "%2e%2e",
        "../x",
        "a/../b",
        "a/%2E%2e/b",
        ".",
        "a/./b",
        "a//b",
        "a/",
        "/a",
        "%2Fa",
        "a%2fb",
        "a%5Cb",
        "a%00",
        "a%0a",
        "a%7F",
        "a%C2%85",
        "%ff",
        "a%",
        "a%g0",
        &long,
        &deep,
    ] {
        let reply = collection.put(name, b"1").await?;
        reply.problem(400, "bad-request")?;
        collection.fetch(name).await?.problem(400, "bad-request")?;
    }
    for (name, decoded) in [
        ("%252e%252e/x", "%2e%2e/x"),
        ("a+b", "a+b"),
        ("%61bc", "abc"),
        ("e%CC%81", "e\u{301}"),
        ("%C3%A9", "\u{e9}"),
        ("...", "..."),
    ] {
        let reply = collection.put(name, b"1").await?;
        let file = reply.json(201)?;
        reply.check(
            file["name"] == decoded,
            "the name decoded once",
            reply.text(),
        )?;
        collection.fetch(name).await?.status(200)?;
    }
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

async fn deleted_names_are_never_given_again(site: Context) -> Outcome {
    let collection = Collection::new(&site).await?;
    let reply = collection.put("a", b"1").await?;
    let artifact = format!("/artifacts/{}", reply.text_of(&reply.json(201)?, "id")?);
    let reply = collection.put("b", b"1").await?;
    let other = format!("/artifacts/{}", reply.text_of(&reply.json(201)?, "id")?);
    collection
        .ask(&collection.owner, "DELETE", "/files/a")
        .await?
        .status(204)?;
    // The deletion of the artifact is that of the file.
    let deleted = manage(&site, "DELETE", &other).await?.by(&collection.owner);
    deleted.send().await?.status(204)?;
    get(&site, &artifact, &collection.owner)
        .await?
        .problem(404, "not-found")?;
    for name in ["a", "b"] {
        collection.fetch(name).await?.problem(404, "not-found")?;
        collection
            .put(name, b"1")
            .await?
            .problem(409, "already-exists")?;
    }
    let reply = collection.ask(&collection.owner, "GET", "").await?;
    let found = reply.json(200)?;
    reply.check(
        found["files"] == 0 && found["size_bytes"] == 0,
        "no files",
        reply.text(),
    )
}

async fn lists_are_by_prefix_and_folder(site: Context) -> Outcome {
    let collection = Collection::new(&site).await?;
    let all = ["B", "a", "b/1", "b/c/2", "b/c/3", "b0", "c/d/4"];
    for name in all {
        collection.put(name, b"1").await?.json(201)?;
    }
    for (query, expected) in [
        ("", &all[..]),
        ("?delimiter=/", &["B", "a", "b/", "b0", "c/"]),
        ("?prefix=b/", &["b/1", "b/c/2", "b/c/3"]),
        ("?prefix=b/&delimiter=/", &["b/1", "b/c/"]),
        ("?prefix=b&delimiter=/", &["b/", "b0"]),
        ("?prefix=x", &[]),
    ] {
        let found = collection.list(query).await?;
        let reply = collection
            .ask(&collection.owner, "GET", &format!("/files{query}"))
            .await?;
        reply.check(
            found == expected,
            &format!("{expected:?}"),
            format!("{found:?}"),
        )?;
    }
    for limit in [1, 2, 3] {
        let (mut found, mut after) = (Vec::new(), String::new());
        loop {
            let query = format!("/files?delimiter=/&limit={limit}{after}");
            let reply = collection.ask(&collection.owner, "GET", &query).await?;
            let page = reply.json(200)?;
            found.extend(names(&reply, &page["files"])?);
            let folders = page["folders"].as_array().into_iter().flatten();
            found.extend(folders.filter_map(Value::as_str).map(str::to_owned));
            let is_bounded = found.len() <= all.len();
            reply.check(is_bounded, "each entry once", format!("{found:?}"))?;
            match page["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => break,
            }
        }
        found.sort_unstable();
        let reply = collection.ask(&collection.owner, "GET", "/files").await?;
        let is_complete = found == ["B", "a", "b/", "b0", "c/"];
        reply.check(is_complete, "each entry on one page", format!("{found:?}"))?;
    }
    for query in [
        "?delimiter=x",
        "?prefix=%00",
        "?after=..",
        "?cursor=a",
        "?limit=0",
    ] {
        let reply = collection
            .ask(&collection.owner, "GET", &format!("/files{query}"))
            .await?;
        reply.problem(400, "bad-request")?;
    }
    Ok(())
}

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
