//! Ids: minted by the server and opaque.

use serde_json::json;

use super::endpoints::{ABSENT_GROUP, ABSENT_WORKER};
use crate::check::is_id;
use crate::scenario::{Outcome, scenarios};
use crate::site::Context;

scenarios!("ids":
    ids_are_well_formed ["I-1"],
    every_id_is_new ["I-1", "W-1"],
    ill_formed_ids_in_paths_are_not_found ["I-2"],
    unknown_ids_are_not_found ["I-2"],
    ids_of_the_other_kind_are_not_found ["I-2"],
);

/// Texts that are not ids; some are near misses.
pub(super) fn ill_formed() -> Vec<String> {
    let mut ids: Vec<String> = [
        "",
        "x",
        "admin",
        "wkr_",
        "grp_",
        "wkr_0000000000000000000000000",
        "wkr_000000000000000000000000000",
        "WKR_00000000000000000000000000",
        "wkr_0000000000000000000000000A",
        "wkr_0000000000000000000000000i",
        "wkr_0000000000000000000000000l",
        "wkr_0000000000000000000000000o",
        "wkr_0000000000000000000000000u",
        "wkr-00000000000000000000000000",
        "art_00000000000000000000000000",
        "00000000000000000000000000",
        " wkr_00000000000000000000000000",
        "wkr_00000000000000000000000000 ",
        "wkr_00000000000000000000000000\n",
        "wkr_0000000000000000000000000\u{ff10}",
        "..",
        "../x",
    ]
    .map(str::to_owned)
    .to_vec();
    ids.push("x".repeat(5000));
    ids
}

async fn ids_are_well_formed(site: Context) -> Outcome {
    for (rest, name, kind) in [
        ("/workers", "worker_id", "wkr"),
        ("/groups", "group_id", "grp"),
    ] {
        let reply = site
            .call("POST", rest)
            .by(&site.admin)
            .json("{}")
            .send()
            .await?;
        let made = reply.json(200)?;
        let id = reply.text_of(&made, name)?;
        let expected = format!("{kind}_ and 26 characters of Crockford's base 32");
        reply.check(is_id(id, kind), &expected, id)?;
    }
    Ok(())
}

async fn every_id_is_new(site: Context) -> Outcome {
    let mut ids = Vec::new();
    for _ in 0..20 {
        ids.push(site.group(&[]).await?);
    }
    let reply = site.call("GET", "/groups").by(&site.admin).send().await?;
    let mut different = ids.clone();
    different.sort();
    different.dedup();
    let seen = format!("{} different ids of {}", different.len(), ids.len());
    reply.check(different.len() == ids.len(), "20 different ids", seen)
}

async fn ill_formed_ids_in_paths_are_not_found(site: Context) -> Outcome {
    let group = site.group(&[]).await?;
    for id in ill_formed() {
        // Encoded as one path segment that no library changes.
        let id = percent_encoding::utf8_percent_encode(&id, percent_encoding::NON_ALPHANUMERIC);
        for (method, rest) in [
            ("GET", format!("/workers/{id}")),
            ("POST", format!("/workers/{id}/reissue-credential")),
            ("GET", format!("/groups/{id}")),
            ("DELETE", format!("/groups/{id}")),
            ("DELETE", format!("/groups/{group}/members/{id}")),
        ] {
            let reply = site.call(method, &rest).by(&site.admin).send().await?;
            // The empty text makes another path, which may have other methods.
            reply.one_of(&[404, 405])?;
            if !rest.contains("//") && !rest.ends_with('/') {
                reply.problem(404, "not-found")?;
            }
        }
        let call = site
            .call("POST", &format!("/groups/{id}/members"))
            .by(&site.admin);
        let body = json!({ "member_id": ABSENT_WORKER }).to_string();
        call.json(body).send().await?.problem(404, "not-found")?;
    }
    // A valid id, percent-encoded: paths are compared exactly.
    let worker = site.stranger().await?;
    let encoded = worker.principal.replace('_', "%5f");
    let call = site
        .call("GET", &format!("/workers/{encoded}"))
        .by(&site.admin);
    call.send().await?.problem(404, "not-found")?;
    let upper = worker.principal.to_ascii_uppercase();
    let call = site
        .call("GET", &format!("/workers/{upper}"))
        .by(&site.admin);
    call.send().await?.problem(404, "not-found")?;
    Ok(())
}

async fn unknown_ids_are_not_found(site: Context) -> Outcome {
    for (method, rest) in [
        ("GET", format!("/workers/{ABSENT_WORKER}")),
        ("HEAD", format!("/workers/{ABSENT_WORKER}")),
        (
            "POST",
            format!("/workers/{ABSENT_WORKER}/reissue-credential"),
        ),
        ("GET", format!("/groups/{ABSENT_GROUP}")),
        ("HEAD", format!("/groups/{ABSENT_GROUP}")),
        ("DELETE", format!("/groups/{ABSENT_GROUP}")),
        (
            "DELETE",
            format!("/groups/{ABSENT_GROUP}/members/{ABSENT_WORKER}"),
        ),
    ] {
        let reply = site.call(method, &rest).by(&site.admin).send().await?;
        reply.problem(404, "not-found")?;
    }
    site.add(ABSENT_GROUP, ABSENT_WORKER)
        .await?
        .problem(404, "not-found")?;
    Ok(())
}

async fn ids_of_the_other_kind_are_not_found(site: Context) -> Outcome {
    let worker = &site.stranger().await?.principal;
    let group = site.group(&[]).await?;
    for (method, rest) in [
        ("GET", format!("/workers/{group}")),
        ("POST", format!("/workers/{group}/reissue-credential")),
        ("GET", format!("/groups/{worker}")),
        ("DELETE", format!("/groups/{worker}")),
    ] {
        let reply = site.call(method, &rest).by(&site.admin).send().await?;
        reply.problem(404, "not-found")?;
    }
    Ok(())
}
