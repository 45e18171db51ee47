//! Lists of files.

use serde_json::Value;

use super::{Collection, names};
use crate::scenario::{Outcome, scenarios};
use crate::site::Context;

scenarios!("collections":
    lists_are_by_prefix_and_folder ["K-9"],
);

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
