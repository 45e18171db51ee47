//! `artifact info`.

use std::fmt::Write as _;

use anyhow::Result;
use artifact_client::ArtifactInfo;

use super::InfoArguments;
use crate::collection;
use crate::connect::{ClientContext, until_interrupted};
use crate::output::{self, printable};

pub(crate) async fn info(context: &ClientContext, arguments: InfoArguments) -> Result<()> {
    until_interrupted(run(context, arguments)).await
}

async fn run(
    context: &ClientContext,
    InfoArguments { mut uri, json }: InfoArguments,
) -> Result<()> {
    if let Some((collection, name)) = collection::split(&uri) {
        let id = collection::find(context, collection).await?;
        match name {
            None | Some("") => return collection::print_properties(context, &id, json).await,
            Some(name) => uri = collection::file(context, &id, name).await?.uri,
        }
    }
    let info = context.client.info(&uri).await;
    let info = info.map_err(|error| context.explain(error))?;
    if json.json {
        output::json(&info)
    } else {
        output::data(text(&info).trim_end())
    }
}

/// Returns one property per line.
fn text(info: &ArtifactInfo) -> String {
    let artifact = &info.artifact;
    let mut text = format!("artifact {}\n", artifact.uri);
    if let Some(name) = &artifact.file_name {
        let _ = writeln!(text, "name {}", printable(name));
    }
    let _ = writeln!(text, "size {} bytes", artifact.size_bytes);
    let _ = writeln!(text, "type {}", printable(&artifact.content_type));
    let _ = writeln!(text, "sha256 {}", artifact.sha256);
    let _ = writeln!(text, "experiment {}", printable(&artifact.experiment));
    let at = printable(&artifact.created_at);
    let _ = writeln!(
        text,
        "deposited {at} by {}",
        printable(&artifact.created_by)
    );
    if let (Some(collection), Some(path)) = (&artifact.collection, &artifact.path) {
        let _ = writeln!(text, "collection {}", printable(collection));
        let _ = writeln!(text, "path {}", printable(path));
    }
    if let Some(at) = &artifact.expires_at {
        let _ = writeln!(text, "expires {}", printable(at));
    }
    if let Some(hold) = &info.hold {
        let at = printable(&hold.placed_at);
        let _ = writeln!(text, "held since {at} by {}", printable(&hold.placed_by));
    }
    text
}
