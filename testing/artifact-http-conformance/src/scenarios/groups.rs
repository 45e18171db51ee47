//! Groups: register, list, read, change, delete.

use serde_json::{Value, json};

use super::endpoints::{ABSENT_GROUP, ABSENT_WORKER};
use crate::check::is_utc;
use crate::reply::Reply;
use crate::scenario::{Outcome, scenarios};
use crate::site::Context;

scenarios!("groups":
    built_in_groups_exist ["G-1"],
    registering_returns_the_group ["G-2", "J-4"],
    empty_registrations_have_no_name_and_no_members ["G-2", "J-3"],
    lists_contain_every_group_once ["G-3"],
    lists_are_filtered_by_the_exact_name ["G-3"],
    groups_are_read_as_registered ["G-3"],
    adding_a_member_twice_keeps_one ["G-4"],
    members_need_not_exist ["G-4"],
    removing_a_member_twice_is_accepted ["G-4"],
    deleted_groups_are_not_found ["G-6", "I-2"],
);

const UNNAMED: [&str; 5] = [
    "group_id",
    "experiment_id",
    "members",
    "created_at",
    "created_by",
];

async fn built_in_groups_exist(site: Context) -> Outcome {
    for name in ["admins", "orchestrators"] {
        let id = site.group_named(name).await?;
        let reply = site
            .call("GET", &format!("/groups/{id}"))
            .by(site.stranger().await?);
        let reply = reply.send().await?;
        let group = reply.json(200)?;
        let found = reply.text_of(&group, "name")?;
        reply.check(found == name, name, found)?;
    }
    Ok(())
}

async fn register(site: &Context, body: &Value) -> Outcome<(Reply, Value)> {
    let call = site.call("POST", "/groups").by(&site.admin);
    let reply = call.json(body.to_string()).send().await?;
    let group = reply.json(200)?;
    Ok((reply, group))
}

/// Returns the members, sorted.
fn members(reply: &Reply, group: &Value) -> Outcome<Vec<String>> {
    let list = group["members"].as_array();
    let texts = list.map(|list| list.iter().map(|id| id.as_str().unwrap_or("?").to_owned()));
    let texts = texts.ok_or_else(|| reply.fail("a list of members", reply.text()))?;
    let mut members: Vec<String> = texts.collect();
    members.sort();
    Ok(members)
}

/// Checks that the group in a response has exactly these members.
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

async fn registering_returns_the_group(site: Context) -> Outcome {
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
        let found = reply.text_of(&group, member)?;
        reply.check(found == expected, &format!("{member} {expected}"), found)?;
    }
    let at = reply.text_of(&group, "created_at")?;
    reply.check(is_utc(at), "a time of RFC 3339 in UTC", at)?;
    has_members(&reply, &[worker, &inner])?;
    // A member that is listed twice is in the group once.
    let (reply, _) = register(&site, &json!({ "members": [worker, worker] })).await?;
    has_members(&reply, &[worker])
}

async fn empty_registrations_have_no_name_and_no_members(site: Context) -> Outcome {
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

async fn lists_contain_every_group_once(site: Context) -> Outcome {
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

async fn lists_are_filtered_by_the_exact_name(site: Context) -> Outcome {
    let unique = site.group(&[]).await?;
    let name = format!("Conformance-{unique}");
    let (reply, group) = register(&site, &json!({ "name": name })).await?;
    let id = reply.text_of(&group, "group_id")?.to_owned();
    let (reply, found) = list(&site, &format!("?name={name}")).await?;
    let only = matches!(&found[..], [one] if one["group_id"] == id.as_str());
    reply.check(
        only,
        "only the group with this name",
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

async fn groups_are_read_as_registered(site: Context) -> Outcome {
    let body = json!({ "name": "conformance read", "members": [ABSENT_WORKER] });
    let (reply, registered) = register(&site, &body).await?;
    let id = reply.text_of(&registered, "group_id")?.to_owned();
    for credential in [&site.admin, site.stranger().await?] {
        let reply = site
            .call("GET", &format!("/groups/{id}"))
            .by(credential)
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

async fn adding_a_member_twice_keeps_one(site: Context) -> Outcome {
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

async fn members_need_not_exist(site: Context) -> Outcome {
    let group = site.group(&[]).await?;
    has_members(&site.add(&group, ABSENT_WORKER).await?, &[ABSENT_WORKER])?;
    let both = [ABSENT_WORKER, ABSENT_GROUP];
    has_members(&site.add(&group, ABSENT_GROUP).await?, &both)
}

async fn removing_a_member_twice_is_accepted(site: Context) -> Outcome {
    let worker = &site.stranger().await?.principal;
    let group = site.group(&[worker, ABSENT_WORKER]).await?;
    for _ in 0..2 {
        has_members(&site.remove(&group, worker).await?, &[ABSENT_WORKER])?;
    }
    has_members(&site.remove(&group, ABSENT_GROUP).await?, &[ABSENT_WORKER])?;
    // The member can be added again.
    has_members(&site.add(&group, worker).await?, &[worker, ABSENT_WORKER])
}

async fn deleted_groups_are_not_found(site: Context) -> Outcome {
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
    reply.check(gone, "a list without the group", "the group is in the list")
}
