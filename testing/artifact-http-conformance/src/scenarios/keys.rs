//! Deposits under `/v1` with an `Idempotency-Key`. A server may leave out the operations under `/v1`.

use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::join_all;
use serde_json::Value;

use super::management::{get, manage};
use crate::call::Call;
use crate::form::{FILE, form, noise};
use crate::reply::Reply;
use crate::scenario::{Outcome, scenarios};
use crate::site::{Context, Credential, Site};

scenarios!("keys":
    a_repeated_deposit_returns_the_same_artifact ["M-15"],
    concurrent_deposits_with_a_key_make_one_artifact ["M-15"],
    a_key_of_another_deposit_is_refused ["M-15"],
    keys_belong_to_their_depositor ["M-15"],
    a_key_outlives_its_artifact ["M-15"],
    a_refused_deposit_leaves_its_key_free ["M-15"],
    malformed_keys_are_refused ["M-15"],
    forms_under_v0_ignore_the_key ["D-10"],
);

/// Returns a key that no other scenario uses.
fn new_key() -> String {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let number = LAST.fetch_add(1, Ordering::Relaxed);
    let now = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
    format!("\"{}-{number}\"", now.as_nanos())
}

/// Starts a deposit with a key.
async fn deposit<'s>(
    site: &'s Site,
    who: &Credential,
    bytes: Vec<u8>,
    key: &str,
) -> Outcome<Call<'s>> {
    let call = manage(site, "POST", "/artifacts").await?;
    let call = call.with("idempotency-key", key).by(who).body(bytes);
    Ok(call.with("content-disposition", "attachment; filename=a.txt"))
}

async fn number_of_artifacts(site: &Site, who: &Credential) -> Outcome<Value> {
    let usage = get(site, "/usage", who).await?.json(200)?;
    Ok(usage["artifacts"].clone())
}

fn check_equal(reply: &Reply, first: &Reply) -> Outcome {
    reply.status(201)?;
    reply.check(reply.body == first.body, &first.text(), reply.text())?;
    for field in ["location", "repr-digest", "content-type"] {
        reply.has(field, first.field(field)?)?;
    }
    Ok(())
}

async fn a_repeated_deposit_returns_the_same_artifact(site: Context) -> Outcome {
    let worker = site.worker().await?;
    for length in [0, 10, 300_000] {
        let key = new_key();
        let deposit = deposit(&site, &worker, noise(length), &key).await?;
        let first = deposit.clone().send().await?;
        let artifact = first.json(201)?;
        for _ in 0..2 {
            check_equal(&deposit.clone().send().await?, &first)?;
        }
        // The same key, without its quotes.
        let bare = key.trim_matches('"');
        let bare = deposit
            .without("idempotency-key")
            .with("idempotency-key", bare);
        check_equal(&bare.send().await?, &first)?;
        let content = format!("/artifacts/{}/content", first.text_of(&artifact, "id")?);
        let fetched = get(&site, &content, &worker).await?;
        fetched.status(200)?.content(&noise(length))?;
    }
    let usage = get(&site, "/usage", &worker).await?;
    let found = usage.json(200)?["artifacts"].clone();
    usage.check(found == 3, "three artifacts", usage.text())
}

async fn concurrent_deposits_with_a_key_make_one_artifact(site: Context) -> Outcome {
    let worker = site.worker().await?;
    for length in [10, 300_000] {
        let before = number_of_artifacts(&site, &worker).await?;
        let deposit = deposit(&site, &worker, noise(length), &new_key()).await?;
        let replies = join_all((0..8).map(|_| deposit.clone().send())).await;
        let replies = replies.into_iter().collect::<Outcome<Vec<Reply>>>()?;
        for reply in &replies {
            check_equal(reply, &replies[0])?;
        }
        let after = number_of_artifacts(&site, &worker).await?;
        let is_one_more = after.as_u64() == before.as_u64().map(|before| before + 1);
        replies[0].check(
            is_one_more,
            "one artifact more",
            format!("{after} after {before}"),
        )?;
    }
    Ok(())
}

async fn a_key_of_another_deposit_is_refused(site: Context) -> Outcome {
    let worker = site.worker().await?;
    let key = new_key();
    let first = deposit(&site, &worker, noise(1000), &key).await?;
    first.clone().send().await?.json(201)?;
    let mut other = noise(1000);
    other[999] ^= 1;
    let others = [
        first.clone().body(other),
        first.clone().body(noise(999)),
        first.clone().with("content-type", "text/plain"),
        first.clone().without("content-disposition"),
        first.clone().with("artifact-expires-in", "60"),
    ];
    for call in others {
        call.send().await?.problem(422, "key-reused")?;
    }
    let found = number_of_artifacts(&site, &worker).await?;
    let reply = first.send().await?;
    reply.status(201)?;
    reply.check(found == 1, "one artifact", found.to_string())
}

async fn keys_belong_to_their_depositor(site: Context) -> Outcome {
    let (worker, other) = (site.worker().await?, site.worker().await?);
    let key = new_key();
    let mut ids = Vec::new();
    for who in [&worker, &other, &site.admin] {
        let call = deposit(&site, who, noise(10), &key).await?;
        let reply = call.send().await?;
        let artifact = reply.json(201)?;
        let id = reply.text_of(&artifact, "id")?.to_owned();
        reply.check(!ids.contains(&id), "an artifact of its own", reply.text())?;
        let by = reply.text_of(&artifact, "created_by")?;
        reply.check(by == who.principal, &who.principal, by)?;
        ids.push(id);
    }
    Ok(())
}

async fn a_key_outlives_its_artifact(site: Context) -> Outcome {
    let worker = site.worker().await?;
    let key = new_key();
    let call = deposit(&site, &worker, noise(10), &key).await?;
    let reply = call.clone().send().await?;
    let artifact = reply.json(201)?;
    let path = format!("/artifacts/{}", reply.text_of(&artifact, "id")?);
    let deletion = manage(&site, "DELETE", &path).await?.by(&worker);
    deletion.send().await?.status(204)?;
    call.send().await?.problem(422, "key-reused")?;
    Ok(())
}

async fn a_refused_deposit_leaves_its_key_free(site: Context) -> Outcome {
    let worker = site.worker().await?;
    let key = new_key();
    let call = deposit(&site, &worker, noise(10), &key).await?;
    let wrong = "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:";
    let refused = call.clone().with("content-digest", wrong).send().await?;
    refused.problem(400, "bad-request")?;
    call.body(noise(20)).send().await?.json(201)?;
    Ok(())
}

async fn malformed_keys_are_refused(site: Context) -> Outcome {
    let worker = site.worker().await?;
    let long = format!("\"{}\"", "x".repeat(256));
    for key in [
        "",
        "\"\"",
        "\"a",
        "a b",
        "\"a\", \"b\"",
        "\"caf\u{e9}\"",
        ":YQ==:",
        &long,
    ] {
        let call = deposit(&site, &worker, noise(10), key).await?;
        call.send().await?.problem(400, "bad-request")?;
    }
    let twice = deposit(&site, &worker, noise(10), "\"a\"").await?;
    let twice = twice.with("idempotency-key", "\"a\"").send().await?;
    twice.problem(400, "bad-request")?;
    let found = number_of_artifacts(&site, &worker).await?;
    twice.check(found == 0, "no artifact", found.to_string())?;
    let longest = format!("\"{}\"", "x".repeat(255));
    let call = deposit(&site, &worker, noise(10), &longest).await?;
    call.send().await?.json(201)?;
    Ok(())
}

async fn forms_under_v0_ignore_the_key(site: Context) -> Outcome {
    let worker = site.worker().await?;
    let form = site.deposit(&worker, form(&[(FILE, &noise(10))]));
    let form = form.with("idempotency-key", new_key());
    let first = form.clone().send().await?.json(201)?;
    let reply = form.send().await?;
    let second = reply.json(201)?;
    reply.check(
        first["artifacts_uri"] != second["artifacts_uri"],
        "another URI",
        reply.text(),
    )
}
