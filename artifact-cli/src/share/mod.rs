//! `artifact share`: grants and links, over HTTP.

mod command;
mod list;

use std::num::NonZeroU32;
use std::time::Duration;

use anyhow::{Result, anyhow};
use artifact_backend::{ArtifactId, UriPrefix};
use artifact_client::{Client, Error, ExposeSecret as _, Grantee};
use serde_json::json;

pub(crate) use command::ShareArguments;

use crate::collection;
use crate::connect::{ClientContext, until_interrupted};
use crate::output;
use crate::settings::Period;

/// How long a link works unless the command says otherwise.
const LINK_LASTS: Duration = Duration::from_hours(24);

/// Makes, lists or revokes a grant or a link.
pub(crate) async fn share(context: &ClientContext, arguments: ShareArguments) -> Result<()> {
    until_interrupted(async {
        let subject = Subject::of(context, &arguments.subject).await?;
        let done = run(&context.client, subject, arguments).await;
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

/// What the command shares.
enum Subject {
    /// An artifact, by its URI.
    Artifact(String),
    /// A collection, by its id.
    Collection(String),
}

impl Subject {
    async fn of(context: &ClientContext, text: &str) -> Result<Self> {
        if let Ok(id) = text.parse::<ArtifactId>() {
            return Ok(Self::Artifact(UriPrefix::default().uri(id).to_string()));
        }
        let Some((collection, name)) = collection::split(text) else {
            return Ok(Self::Artifact(text.to_owned()));
        };
        let id = collection::find(context, collection).await?;
        match name {
            None | Some("") => Ok(Self::Collection(id)),
            Some(name) => {
                let file = collection::file(context, &id, name).await?;
                Ok(Self::Artifact(file.uri))
            }
        }
    }
}

async fn run(client: &Client, subject: Subject, arguments: ShareArguments) -> Result<(), Failure> {
    let ShareArguments {
        subject: _,
        worker,
        group,
        link,
        list,
        revoke,
        expires_in,
        max_downloads,
        json,
    } = arguments;
    let expires_in = expires_in.map(|Period(period)| period);
    let grantee = worker.as_deref().map(Grantee::Worker);
    let grantee = grantee.or_else(|| group.as_deref().map(Grantee::Group));
    if let Some(grantee) = grantee {
        grant(client, &subject, grantee, expires_in, json.json).await
    } else if link {
        create_link(client, &subject, expires_in, max_downloads, json.json).await
    } else if let Some(id) = revoke {
        revoke_one(client, &subject, &id).await
    } else if list {
        match &subject {
            Subject::Artifact(uri) => list::of_artifact(client, uri, json.json).await,
            Subject::Collection(id) => list::of_collection(client, id, json.json).await,
        }
    } else {
        Ok(())
    }
}

async fn grant(
    client: &Client,
    subject: &Subject,
    grantee: Grantee<'_>,
    expires_in: Option<Duration>,
    as_json: bool,
) -> Result<(), Failure> {
    let (id, value) = match subject {
        Subject::Artifact(uri) => {
            let grant = client.grant(uri, grantee, expires_in).await?;
            (grant.id.clone(), json!(grant))
        }
        Subject::Collection(id) => {
            let grant = client.grant_collection(id, grantee, expires_in).await?;
            (grant.id.clone(), json!(grant))
        }
    };
    if as_json {
        output::json(&value)?;
    } else {
        output::data(&id)?;
    }
    Ok(())
}

async fn create_link(
    client: &Client,
    subject: &Subject,
    expires_in: Option<Duration>,
    max_downloads: Option<NonZeroU32>,
    as_json: bool,
) -> Result<(), Failure> {
    let uri = match subject {
        Subject::Artifact(uri) => uri,
        Subject::Collection(_) => return Err(no_links()),
    };
    let period = expires_in.unwrap_or(LINK_LASTS);
    let created = client.create_link(uri, period, max_downloads).await?;
    if created.has_placeholder_host {
        output::warn(
            "the server was reached through its socket and has no public URL, so the link begins with http://localhost; replace \
             that by the URL under which others reach the server, or set --public-url of the server and make another link",
        );
    }
    let url = created.url.expose_secret();
    if as_json {
        let mut value = json!(created.link);
        value["url"] = url.into();
        output::json(&value)?;
    } else {
        output::data(url)?;
    }
    Ok(())
}

async fn revoke_one(client: &Client, subject: &Subject, id: &str) -> Result<(), Failure> {
    let is_grant = id.starts_with("gnt_");
    if !is_grant && !id.starts_with("lnk_") {
        let text =
            "--revoke takes the id of a grant, gnt_..., or of a link, lnk_...; --list prints them";
        return Err(Failure::Other(crate::failure::setup_from(
            anyhow!("{id} is neither"),
            text,
        )));
    }
    match subject {
        Subject::Artifact(uri) if is_grant => client.revoke_grant(uri, id).await?,
        Subject::Artifact(uri) => client.revoke_link(uri, id).await?,
        Subject::Collection(collection) if is_grant => {
            client.revoke_collection_grant(collection, id).await?;
        }
        Subject::Collection(_) => return Err(no_links()),
    }
    Ok(())
}

fn no_links() -> Failure {
    let sentence = "a collection has no links; share it with --worker or --group, or make a link to one of its files";
    Failure::Other(crate::failure::setup(sentence))
}
