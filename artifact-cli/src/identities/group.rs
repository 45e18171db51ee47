//! `artifact group`.

use anyhow::Result;
use artifact_client::{Group, NewGroup};
use serde_json::json;

use super::{Call, print};
use crate::output;

pub(super) async fn add(call: &Call<'_>) -> Result<()> {
    let mut group = NewGroup::default();
    if let Some(name) = call.option("name") {
        group = group.with_name(name);
    }
    let members = call.matches.get_many::<String>("member");
    for member in members.into_iter().flatten() {
        group = group.with_member(member);
    }
    let group = call.answer(call.client.register_group(&group).await)?;
    if call.json() {
        print::json(&group)
    } else {
        output::data(group.group_id)
    }
}

pub(super) async fn list(call: &Call<'_>) -> Result<()> {
    let groups = call.answer(call.client.list_groups(call.option("name")).await)?;
    if call.json() {
        return print::json(&json!({ "groups": groups }));
    }
    groups
        .iter()
        .try_for_each(|group| print::line(&group.group_id, group.name.as_deref()))
}

pub(super) async fn show(call: &Call<'_>) -> Result<()> {
    let group = call.client.read_group(call.argument("GROUP")).await;
    show_group(call, &call.answer(group)?)
}

pub(super) async fn delete(call: &Call<'_>) -> Result<()> {
    let id = call.argument("GROUP");
    call.answer(call.client.delete_group(id).await)?;
    output::note(format_args!("{id} is deleted"));
    Ok(())
}

pub(super) async fn add_member(call: &Call<'_>) -> Result<()> {
    let (group, member) = (call.argument("GROUP"), call.argument("MEMBER"));
    let group = call.client.add_member(group, member).await;
    show_group(call, &call.answer(group)?)
}

pub(super) async fn remove_member(call: &Call<'_>) -> Result<()> {
    let (group, member) = (call.argument("GROUP"), call.argument("MEMBER"));
    let group = call.client.remove_member(group, member).await;
    show_group(call, &call.answer(group)?)
}

fn show_group(call: &Call<'_>, group: &Group) -> Result<()> {
    if call.json() {
        print::json(group)
    } else {
        print::group(group)
    }
}
