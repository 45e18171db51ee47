//! `artifact share`: grants and links, over HTTP.

mod command;
mod list;

use anyhow::{Result, anyhow};
use artifact_backend::{ArtifactId, UriPrefix};
use artifact_client::{Client, Error, ExposeSecret as _, Grantee};
use serde_json::json;

pub(crate) use command::ShareArguments;

use crate::connect::{ClientContext, until_interrupted};
use crate::output;
use crate::settings::Period;

/// How long a link works unless the command says otherwise.
const LINK_LASTS: std::time::Duration = std::time::Duration::from_hours(24);

/// Makes, lists or revokes a grant or a link.
pub(crate) async fn share(context: &ClientContext, arguments: ShareArguments) -> Result<()> {
    until_interrupted(async {
        let done = run(&context.client, arguments).await;
        done.map_err(|failure| match failure {
            Failure::Client(error) => context.explain(error),
            Failure::Other(error) => error,
        })
    })
    .await
}

enum Failure {
    Client(Error),
    Other(anyhow::Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Client(error)
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Other(error)
    }
}

async fn run(client: &Client, arguments: ShareArguments) -> Result<(), Failure> {
    let ShareArguments {
        artifact,
        worker,
        group,
        link,
        list,
        revoke,
        expires_in,
        max_downloads,
        json,
    } = arguments;
    let uri = match artifact.parse::<ArtifactId>() {
        Ok(id) => UriPrefix::default().uri(id).to_string(),
        Err(_) => artifact,
    };
    let expires_in = expires_in.map(|Period(period)| period);
    let grantee = worker.as_deref().map(Grantee::Worker);
    let grantee = grantee.or_else(|| group.as_deref().map(Grantee::Group));
    if let Some(grantee) = grantee {
        let grant = client.grant(&uri, grantee, expires_in).await?;
        if json.json {
            output::json(&grant)?;
        } else {
            output::data(&grant.id)?;
        }
    } else if link {
        let period = expires_in.unwrap_or(LINK_LASTS);
        let created = client.create_link(&uri, period, max_downloads).await?;
        let url = created.url.expose_secret();
        if json.json {
            let mut value = json!(created.link);
            value["url"] = url.into();
            output::json(&value)?;
        } else {
            output::data(url)?;
        }
    } else if let Some(id) = revoke {
        revoke_one(client, &uri, &id).await?;
    } else if list {
        list::list(client, &uri, json.json).await?;
    }
    Ok(())
}

async fn revoke_one(client: &Client, uri: &str, id: &str) -> Result<(), Failure> {
    if id.starts_with("gnt_") {
        client.revoke_grant(uri, id).await?;
    } else if id.starts_with("lnk_") {
        client.revoke_link(uri, id).await?;
    } else {
        let text =
            "--revoke takes the id of a grant, gnt_..., or of a link, lnk_...; --list prints them";
        return Err(Failure::Other(crate::failure::setup_from(
            anyhow!("{id} is neither"),
            text,
        )));
    }
    Ok(())
}
