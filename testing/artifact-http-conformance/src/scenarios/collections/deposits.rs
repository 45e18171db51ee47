//! Deposits under names.

use futures_util::future::join_all;

use super::Collection;
use crate::form::noise;
use crate::reply::Reply;
use crate::scenario::{Outcome, scenarios};
use crate::scenarios::management::{get, manage};
use crate::scenarios::uploads_by_draft::PARTS;
use crate::site::Context;

scenarios!("collections":
    a_name_is_given_once ["K-1", "K-5", "K-6"],
    one_of_concurrent_deposits_of_a_name_succeeds ["K-6"],
    a_file_is_no_folder ["K-6"],
    only_names_of_the_grammar_are_accepted ["K-4"],
    a_part_of_a_file_gets_no_name ["K-5", "U-11"],
    deleted_names_are_never_given_again ["K-8"],
);

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

async fn a_part_of_a_file_gets_no_name(site: Context) -> Outcome {
    let collection = Collection::new(&site).await?;
    for fields in PARTS {
        for bytes in [&b"hel"[..], b""] {
            let reply = collection.put_if("part", bytes, fields).await?;
            reply.problem(400, "bad-request")?;
        }
    }
    let part = [("upload-length", "10"), ("upload-complete", "?1")];
    let reply = collection.put_if("part", b"hel", &part).await?;
    reply.status(400)?;
    let found = collection.list("").await?;
    reply.check(found.is_empty(), "no file", format!("{found:?}"))
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
