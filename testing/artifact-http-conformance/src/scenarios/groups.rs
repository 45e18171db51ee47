//! Groups: registered, listed, read, changed, deleted.

use serde_json::{Value, json};

use super::endpoints::{ABSENT_GROUP, ABSENT_WORKER};
use crate::check::is_utc;
use crate::reply::Reply;
use crate::scenario::{Outcome, scenarios};
use crate::site::Context;

scenarios!("groups":
    the_first_groups_are_there ["G-1"],
    a_registration_gives_the_group ["G-2", "J-4"],
    a_group_without_anything_has_no_name_and_no_members ["G-2", "J-3"],
    a_list_has_every_group_once ["G-3"],
    a_list_is_filtered_by_the_exact_name ["G-3"],
    a_group_is_read_as_it_was_registered ["G-3"],
    a_member_is_added_once ["G-4"],
    a_member_need_not_exist ["G-4"],
    a_member_is_removed_and_may_be_so_twice ["G-4"],
    a_deleted_group_is_gone ["G-6", "I-2"],
);

const UNNAMED: [&str; 5] = [
    "group_id",
    "experiment_id",
    "members",
    "created_at",
    "created_by",
];

async fn the_first_groups_are_there(site: Context) -> Outcome {
    for name in ["admins", "orchestrators"] {
        let id = site.group_named(name).await?;
        let reply = site
            .call("GET", &format!("/groups/{id}"))
            .by(site.stranger().await?);
        let reply = reply.send().await?;
        let group = reply.json(200)?;
        let said = reply.text_of(&group, "name")?;
        reply.check(said == name, name, said)?;
    }
    Ok(())
}

async fn register(site: &Context, body: &Value) -> Outcome<(Reply, Value)> {
    let call = site.call("POST", "/groups").by(&site.admin);
    let reply = call.json(body.to_string()).send().await?;
    let group = reply.json(200)?;
    Ok((reply, group))
}

/// The members, in an order that does not depend on the server's.
fn members(reply: &Reply, group: &Value) -> Outcome<Vec<String>> {
    let list = group["members"].as_array();
    let texts = list.map(|list| list.iter().map(|id| id.as_str().unwrap_or("?").to_owned()));
    let texts = texts.ok_or_else(|| reply.fail("a list of members", reply.text()))?;
    let mut members: Vec<String> = texts.collect();
    members.sort();
    Ok(members)
}

/// The group of an answer has exactly these members.
pub(super) fn has_members(reply: &Reply, expected: &[&str]) -> Outcome {
    let group = reply.json(200)?;
    let found = members(reply, &group)?;
    let mut expected = expected.to_vec();
    expected.sort_unstable();
    reply.check(
        found == expected,
        &format!("the members {expected:?}"),
        format!("{found:?}"),
    )
}

async fn a_registration_gives_the_group(site: Context) -> Outcome {
    let worker = &site.stranger().await?.principal;
    let inner = site.group(&[]).await?;
    let body = json!({ "name": "conformance group", "members": [worker, inner] });
    let (reply, group) = register(&site, &body).await?;
    let names: Vec<&str> = UNNAMED.into_iter().chain(["name"]).collect();
    reply.members(&group, &names)?;
    let expected = [
        ("name", "conformance group"),
        ("experiment_id", &site.subject.experiment),
        ("created_by", "admin"),
    ];
    for (member, expected) in expected {
        let said = reply.text_of(&group, member)?;
        reply.check(said == expected, &format!("{member} {expected}"), said)?;
    }
    let at = reply.text_of(&group, "created_at")?;
    reply.check(is_utc(at), "a time of RFC 3339 in UTC", at)?;
    has_members(&reply, &[worker, &inner])?;
    // Named twice, it is in it once.
    let (reply, _) = register(&site, &json!({ "members": [worker, worker] })).await?;
    has_members(&reply, &[worker])
}

async fn a_group_without_anything_has_no_name_and_no_members(site: Context) -> Outcome {
    let (reply, group) = register(&site, &json!({})).await?;
    reply.members(&group, &UNNAMED)?;
    has_members(&reply, &[])
}

async fn list(site: &Context, query: &str) -> Outcome<(Reply, Vec<Value>)> {
    let call = site.call("GET", &format!("/groups{query}"));
    let reply = call.by(site.stranger().await?).send().await?;
    let answer = reply.json(200)?;
    reply.members(&answer, &["groups"])?;
    let groups = answer["groups"].as_array().cloned();
    let groups = groups.ok_or_else(|| reply.fail("a list", reply.text()))?;
    Ok((reply, groups))
}

async fn a_list_has_every_group_once(site: Context) -> Outcome {
    let new = [site.group(&[]).await?, site.group(&[ABSENT_WORKER]).await?];
    let (reply, groups) = list(&site, "").await?;
    for id in &new {
        let count = groups
            .iter()
            .filter(|group| group["group_id"] == id.as_str())
            .count();
        reply.check(count == 1, &format!("{id} once"), format!("{count} times"))?;
    }
    for group in &groups {
        let home = reply.text_of(group, "experiment_id")?;
        reply.check(
            home == site.subject.experiment,
            "groups of this experiment",
            home,
        )?;
    }
    Ok(())
}

async fn a_list_is_filtered_by_the_exact_name(site: Context) -> Outcome {
    let unique = site.group(&[]).await?;
    let name = format!("Conformance-{unique}");
    let (reply, group) = register(&site, &json!({ "name": name })).await?;
    let id = reply.text_of(&group, "group_id")?.to_owned();
    let (reply, found) = list(&site, &format!("?name={name}")).await?;
    let only = matches!(&found[..], [one] if one["group_id"] == id.as_str());
    reply.check(
        only,
        "the one group of this name",
        format!("{} groups", found.len()),
    )?;
    for other in [
        name.to_lowercase(),
        name[..name.len() - 1].to_owned(),
        "%25".to_owned(),
    ] {
        let (reply, found) = list(&site, &format!("?name={other}")).await?;
        let seen = format!("{} groups", found.len());
        let none = found.iter().all(|group| group["group_id"] != id.as_str());
        reply.check(none, "no group of another name", seen)?;
    }
    Ok(())
}

async fn a_group_is_read_as_it_was_registered(site: Context) -> Outcome {
    let body = json!({ "name": "conformance read", "members": [ABSENT_WORKER] });
    let (reply, registered) = register(&site, &body).await?;
    let id = reply.text_of(&registered, "group_id")?.to_owned();
    for who in [&site.admin, site.stranger().await?] {
        let reply = site
            .call("GET", &format!("/groups/{id}"))
            .by(who)
            .send()
            .await?;
        let read = reply.json(200)?;
        reply.check(
            read == registered,
            &registered.to_string(),
            read.to_string(),
        )?;
    }
    Ok(())
}

async fn a_member_is_added_once(site: Context) -> Outcome {
    let worker = &site.stranger().await?.principal;
    let group = site.group(&[]).await?;
    for _ in 0..2 {
        has_members(&site.add(&group, worker).await?, &[worker])?;
    }
    let inner = site.group(&[]).await?;
    has_members(&site.add(&group, &inner).await?, &[worker, &inner])?;
    let reply = site
        .call("GET", &format!("/groups/{group}"))
        .by(&site.admin)
        .send()
        .await?;
    has_members(&reply, &[worker, &inner])
}

async fn a_member_need_not_exist(site: Context) -> Outcome {
    let group = site.group(&[]).await?;
    has_members(&site.add(&group, ABSENT_WORKER).await?, &[ABSENT_WORKER])?;
    let both = [ABSENT_WORKER, ABSENT_GROUP];
    has_members(&site.add(&group, ABSENT_GROUP).await?, &both)
}

async fn a_member_is_removed_and_may_be_so_twice(site: Context) -> Outcome {
    let worker = &site.stranger().await?.principal;
    let group = site.group(&[worker, ABSENT_WORKER]).await?;
    for _ in 0..2 {
        has_members(&site.remove(&group, worker).await?, &[ABSENT_WORKER])?;
    }
    has_members(&site.remove(&group, ABSENT_GROUP).await?, &[ABSENT_WORKER])?;
    // And it may come back.
    has_members(&site.add(&group, worker).await?, &[worker, ABSENT_WORKER])
}

async fn a_deleted_group_is_gone(site: Context) -> Outcome {
    let group = site.group(&[ABSENT_WORKER]).await?;
    let rest = format!("/groups/{group}");
    let reply = site.call("DELETE", &rest).by(&site.admin).send().await?;
    reply.status(204)?;
    reply.check(reply.body.is_empty(), "no content", reply.text())?;
    for method in ["GET", "DELETE"] {
        let reply = site.call(method, &rest).by(&site.admin).send().await?;
        reply.problem(404, "not-found")?;
    }
    site.add(&group, ABSENT_WORKER)
        .await?
        .problem(404, "not-found")?;
    site.remove(&group, ABSENT_WORKER)
        .await?
        .problem(404, "not-found")?;
    let (reply, groups) = list(&site, "").await?;
    let gone = groups.iter().all(|one| one["group_id"] != group.as_str());
    reply.check(gone, "a list without it", "it is in the list")
}
