//! `artifact group`.

use anyhow::Result;
use artifact_client::{Group, NewGroup};
use serde_json::json;

use super::{GroupCommand, print};
use crate::cli::Json;
use crate::connect::{ClientContext, until_interrupted};
use crate::output;

pub(crate) async fn group(context: &ClientContext, command: GroupCommand) -> Result<()> {
    until_interrupted(run(context, command)).await
}

async fn run(context: &ClientContext, command: GroupCommand) -> Result<()> {
    let client = &context.client;
    let explain = |error| context.explain(error);
    match command {
        GroupCommand::Create {
            name,
            members,
            json: Json { json },
        } => {
            let mut group = NewGroup::default();
            if let Some(name) = name {
                group = group.with_name(name);
            }
            for member in members {
                group = group.with_member(member);
            }
            let group = client.register_group(&group).await.map_err(explain)?;
            if json {
                print::json(&group)
            } else {
                output::data(group.group_id)
            }
        }
        GroupCommand::List {
            name,
            json: Json { json },
        } => {
            let groups = client.list_groups(name.as_deref()).await;
            let groups = groups.map_err(explain)?;
            if json {
                return print::json(&json!({ "groups": groups }));
            }
            let mut groups = groups.iter();
            groups.try_for_each(|group| print::line(&group.group_id, group.name.as_deref()))
        }
        GroupCommand::Show { group, json } => {
            show(&client.read_group(&group).await.map_err(explain)?, json)
        }
        GroupCommand::Delete { group } => {
            client.delete_group(&group).await.map_err(explain)?;
            output::note(format_args!("deleted {group}"));
            Ok(())
        }
        GroupCommand::AddMember(of) => {
            let group = client.add_member(&of.group, &of.member).await;
            show(&group.map_err(explain)?, of.json)
        }
        GroupCommand::RemoveMember(of) => {
            let group = client.remove_member(&of.group, &of.member).await;
            show(&group.map_err(explain)?, of.json)
        }
    }
}

fn show(group: &Group, Json { json }: Json) -> Result<()> {
    if json {
        print::json(group)
    } else {
        print::group(group)
    }
}
